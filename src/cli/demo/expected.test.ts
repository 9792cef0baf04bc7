import { expect, test } from "vitest";
import { expectFrom } from "./expected.ts";
import { type Row, takeIn } from "./orders.ts";

const row = (invoiceNo: string, stockCode: string, quantity: number, unitPrice: string, customerId = "A"): Row => ({
  invoiceNo,
  stockCode,
  quantity: String(quantity),
  unitPrice,
  customerId,
});

test("the right result, counted by hand", () => {
  const expected = expectFrom(
    takeIn([
      row("1", "lamp", 3, "2.5"),
      row("1", "lamp", 1, "2.5"),
      row("2", "pen", 1, "0.994", "B"),
      row("3", "sofa", 1, "1000.00"),
      row("4", "sofa", 1, "1000.01"),
      row("C5", "lamp", -2, "2.5"),
      row("6", "gift", 1, "0", "B"),
    ]),
  );
  expect(expected).toMatchObject({
    completed: 3,
    compensated: 1,
    canceled: 1,
    unitsTaken: 6,
    unitsReturned: 2,
    penceCharged: 1000 + 99 + 100_000,
    penceRefunded: 500,
    points: 10 + 0 + 1000,
    // create, two takes, charge, award; create, take, charge (no point); create, take, charge, award; there and back
    // again without a charge; give back, refund.
    movementCount: 5 + 3 + 4 + 4 + 2,
  });
  expect(Object.fromEntries(expected.balances.stock)).toEqual({ lamp: -2, pen: -1, sofa: -1 });
  expect(Object.fromEntries(expected.balances.accounts)).toEqual({ A: 100_500, B: 99 });
});
