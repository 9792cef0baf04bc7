import { describe, expect, test } from "vitest";
import { orderPence, orderUnits, pointsFor, type Row, readRows, takeIn } from "./orders.ts";

const row = (invoiceNo: string, fields: Partial<Row> = {}): Row => ({
  invoiceNo,
  stockCode: "85123A",
  quantity: invoiceNo.startsWith("C") ? "-2" : "2",
  unitPrice: "2.55",
  customerId: "17850.0",
  ...fields,
});

describe("an invoice is rejected if any of its rows", () => {
  test.each([
    ["has no customer", "1", { customerId: "" }, "no customer"],
    ["has a price of 0", "1", { unitPrice: "0.0" }, "no price"],
    ["has a negative price", "1", { unitPrice: "-11062.06" }, "no price"],
    ["has a quantity of 0 in an order", "1", { quantity: "0" }, "wrong sign"],
    ["has a negative quantity in an order", "1", { quantity: "-1" }, "wrong sign"],
    ["has a quantity of 0 in a cancellation", "C1", { quantity: "0" }, "wrong sign"],
    ["has a positive quantity in a cancellation", "C1", { quantity: "1" }, "wrong sign"],
    ["has a quantity that is no number", "1", { quantity: "two" }, "unreadable"],
    ["has half a unit", "1", { quantity: "0.5" }, "unreadable"],
    ["has no price at all", "1", { unitPrice: "" }, "unreadable"],
    ["costs more than can be counted", "1", { quantity: "1000000", unitPrice: "1000000000" }, "unreadable"],
  ] as const)("%s", (_, invoice, dirt, why) => {
    const intake = takeIn([row(invoice), row(invoice, dirt), row("9")]);
    expect(intake.rejected).toEqual([{ invoice, why }]);
    expect(intake.orders.map((it) => it.invoice)).toEqual(["9"]);
  });
});

test("rows are grouped by invoice number, wherever they stand", () => {
  const { orders } = takeIn([row("1"), row("2"), row("1", { stockCode: "POST", quantity: "1" })]);
  expect(orders.map((it) => [it.invoice, it.lines.map((line) => line.stockCode)])).toEqual([
    ["1", ["85123A", "POST"]],
    ["2", ["85123A"]],
  ]);
});

test("one stock code twice in an invoice makes two lines, told apart by their number", () => {
  const { orders } = takeIn([row("1"), row("1", { quantity: "3" })]);
  expect(orders[0]?.lines.map((it) => [it.number, it.quantity])).toEqual([
    [1, 2],
    [2, 3],
  ]);
});

test("a number that begins with C is a cancellation, whose quantities are given back", () => {
  const { orders, cancellations } = takeIn([row("C1"), row("c2")]);
  expect(cancellations.map((it) => [it.invoice, orderUnits(it), orderPence(it)])).toEqual([["C1", 2, 510]]);
  expect(orders.map((it) => it.invoice)).toEqual(["c2"]);
});

test("each line is rounded by itself, and only whole pounds give points", () => {
  const { orders } = takeIn([
    row("1", { quantity: "1", unitPrice: "0.995" }),
    row("1", { quantity: "1", unitPrice: "0.995" }),
  ]);
  expect(orders.map(orderPence)).toEqual([200]);
  expect([0, 99, 100, 199, 200].map(pointsFor)).toEqual([0, 0, 1, 1, 2]);
});

describe("a file", () => {
  const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

  test("may have its columns in any order, and others beside them", () => {
    expect(readRows("CustomerID,UnitPrice,Quantity,StockCode,InvoiceNo\n17850.0,2.55,2,85123A,1\n")).toEqual([
      row("1"),
    ]);
    expect(readRows(`${header}\n1,85123A,"HOLDER, WHITE",2,2010-12-01,2.55,17850.0,France\n`)).toEqual([row("1")]);
  });

  test("without rows has no orders", () => {
    expect(takeIn(readRows(`${header}\n`))).toEqual({ orders: [], cancellations: [], rejected: [] });
  });

  test.each([
    ["", "an empty file"],
    ["InvoiceNo,StockCode,Quantity\n", "the column UnitPrice, CustomerID"],
    [`${header}\n1,2,3\n`, "line 2: expected 8 fields, found 3"],
    [`${header}\n,85123A,X,2,2010-12-01,2.55,17850.0,France\n`, "line 2: expected an InvoiceNo"],
  ])("%j is refused: %s", (text, message) => {
    expect(() => readRows(text)).toThrow(message);
  });
});
