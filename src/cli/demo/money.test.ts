import fc from "fast-check";
import { expect, test } from "vitest";
import { formatPounds, linePence, parseDecimal, parseWhole } from "./money.ts";

test.each([
  [12, "0.85", 1020],
  [1, "1.005", 101],
  [1, "1.0049999999999999", 100],
  [3, "0.035", 11],
  [1, "0.004", 0],
  [1, "0.005", 1],
  [80995, "2.08", 16846960],
  [7, "8.5", 5950],
  [1, "11062.06", 1106206],
  [2, ".5", 100],
  [2, "5.", 1000],
])("%d at %s cost %d pence", (quantity, unitPrice, pence) => {
  expect(linePence(quantity, unitPrice)).toBe(pence);
});

test("a line is rounded half up from the decimal text, for every quantity and price", () => {
  const thousandths = fc.integer({ min: 1, max: 10_000_000 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), thousandths, (quantity, price) => {
      const text = `${Math.floor(price / 1000)}.${String(price % 1000).padStart(3, "0")}`;
      // In tenths of a penny everything is a whole number, small enough for floats to be exact.
      expect(linePence(quantity, text)).toBe(Math.floor((quantity * price + 5) / 10));
    }),
  );
});

test.each([
  ["12", 12],
  ["-12", -12],
  ["12.0", 12],
  [" 7 ", 7],
  ["0", 0],
  ["1.5", null],
  ["", null],
  ["-", null],
  [".", null],
  ["1e3", null],
  ["0x10", null],
  ["9007199254740992", null],
  ["1,000", null],
])("%j as a whole number is %d", (text, whole) => {
  expect(parseWhole(text)).toBe(whole);
});

test("a decimal keeps every digit of its text", () => {
  expect(parseDecimal("-0.0350")).toEqual({ units: -350n, scale: 4 });
  expect(parseDecimal("1".repeat(31))).toBeNull();
});

test("pence are shown as pounds", () => {
  expect([0, 5, 1234567, -250].map(formatPounds)).toEqual(["0.00", "0.05", "12,345.67", "−2.50"]);
});
