import { expect, test } from "vitest";
import { generateRows } from "./generate.ts";
import { isCancellation, maxChargePence, orderPence, takeIn } from "./orders.ts";

test("the same seed gives the same rows, another seed gives others", () => {
  expect(generateRows({ seed: 7 })).toEqual(generateRows({ seed: 7 }));
  expect(generateRows({ seed: 8 })).not.toEqual(generateRows({ seed: 7 }));
});

test("there are as many invoices as asked for", () => {
  for (const invoices of [0, 1, 40])
    expect(new Set(generateRows({ invoices }).map((it) => it.invoiceNo)).size).toBe(invoices);
});

test("the default orders hold everything that the rules speak of", () => {
  const rows = generateRows();
  const { orders, cancellations, rejected } = takeIn(rows);
  expect(orders.length + cancellations.length + rejected.length).toBe(600);
  expect(new Set(rejected.map((it) => it.why))).toEqual(new Set(["no customer", "no price", "wrong sign"]));
  expect(rejected.some((it) => isCancellation(it.invoice))).toBe(true);
  expect(cancellations.length).toBeGreaterThan(10);
  expect(orders.filter((it) => orderPence(it) > maxChargePence).length).toBeGreaterThan(3);
  expect(orders.some((it) => new Set(it.lines.map((line) => line.stockCode)).size < it.lines.length)).toBe(true);
  expect(orders.some((it) => it.lines.some((line) => line.unitPrice === "0.035" && line.quantity % 2 === 1))).toBe(
    true,
  );
  expect(orders.some((it) => it.lines.length > 4)).toBe(true);
});
