import { describe, expect, test } from "vitest";
import { type Evidence, type ExecutionSeen, judge } from "./check.ts";
import type { Book, JobName, Movement } from "./movements.ts";
import { type Row, takeIn } from "./orders.ts";

const row = (invoiceNo: string, quantity: number, unitPrice: string): Row => ({
  invoiceNo,
  stockCode: "lamp",
  quantity: String(quantity),
  unitPrice,
  customerId: "A",
});
const moved = (job: JobName, invoice: string, book: Book, step: string, subject: string, amount: number): Movement => ({
  job,
  invoice,
  book,
  step,
  subject,
  amount,
});

/** One order that went through, one that was refused, one cancellation: all as it should be. */
const intake = takeIn([row("1", 2, "2.5"), row("2", 1, "2000"), row("C3", -1, "2.5")]);
const placed: ExecutionSeen = {
  job: "place-order",
  invoice: "1",
  status: "completed",
  result: { units: 2, pence: 500, points: 5 },
};
const refused: ExecutionSeen = { job: "place-order", invoice: "2", status: "compensated", result: null };
const canceled: ExecutionSeen = {
  job: "cancel-order",
  invoice: "C3",
  status: "completed",
  result: { units: 1, pence: 250, points: 0 },
};
const charge = moved("place-order", "1", "accounts", "charge", "A", 500);
const undoTake = moved("place-order", "2", "stock", "undo take 1", "lamp", 1);
const right: Evidence = {
  intake,
  starts: { calls: 6, firsts: 3, strays: 0 },
  executions: [placed, refused, canceled],
  movements: [
    moved("place-order", "1", "orders", "create", "A", 1),
    moved("place-order", "1", "stock", "take 1", "lamp", -2),
    charge,
    moved("place-order", "1", "points", "award", "A", 5),
    moved("place-order", "2", "orders", "create", "A", 1),
    moved("place-order", "2", "stock", "take 1", "lamp", -1),
    undoTake,
    moved("place-order", "2", "orders", "undo create", "A", -1),
    moved("cancel-order", "C3", "stock", "give back 1", "lamp", 1),
    moved("cancel-order", "C3", "accounts", "refund", "A", -250),
  ],
};
const isRight = (evidence: Evidence) => judge(evidence).checks.every((it) => it.isTrue);
const falseClaims = (evidence: Evidence) =>
  judge(evidence)
    .checks.filter((it) => !it.isTrue)
    .map((it) => it.claim.split(" ", 2).join(" "));

test("a run in which all is right passes, and its figures are those of the books", () => {
  expect(judge(right).checks.filter((it) => !it.isTrue)).toEqual([]);
  expect(judge(right).figures).toEqual({
    invoices: 3,
    rejected: 0,
    completed: 1,
    compensated: 1,
    canceled: 1,
    parked: 0,
    unfinished: 0,
    unitsTaken: 2,
    unitsReturned: 1,
    penceCharged: 500,
    penceRefunded: 250,
    points: 5,
    appliedTwice: 0,
  });
});

describe("a run is wrong if", () => {
  test("a movement stands in the books twice", () => {
    const evidence = { ...right, movements: [...right.movements, charge] };
    expect(judge(evidence).figures).toMatchObject({ appliedTwice: 1, penceCharged: 1000 });
    expect(falseClaims(evidence)).toContain("nothing moved");
  });

  test("a compensation stands there twice, or without its action, or under a completed execution", () => {
    for (const extra of [
      undoTake,
      moved("place-order", "2", "accounts", "undo charge", "A", -200_000),
      moved("place-order", "1", "stock", "undo take 1", "lamp", 2),
    ])
      expect(judge({ ...right, movements: [...right.movements, extra] }).figures.appliedTwice).toBe(1);
  });

  test("something moved for an invoice without execution", () => {
    const stray = moved("place-order", "8", "points", "award", "A", 5);
    expect(judge({ ...right, movements: [...right.movements, stray] }).figures.appliedTwice).toBe(1);
  });

  test("any single movement is missing", () => {
    for (const missing of right.movements)
      expect(isRight({ ...right, movements: right.movements.filter((it) => it !== missing) })).toBe(false);
  });

  test("a movement has another amount, or another subject", () => {
    for (const wrong of [
      { ...charge, amount: 501 },
      { ...charge, subject: "B" },
    ])
      expect(isRight({ ...right, movements: right.movements.map((it) => (it === charge ? wrong : it)) })).toBe(false);
  });

  test("an execution is unfinished, parked or killed", () => {
    for (const status of ["ready", "running", "waiting", "parked", "killed", "discarded"] as const) {
      const evidence = { ...right, executions: [{ ...placed, status }, refused, canceled] };
      expect(falseClaims(evidence)).toContain("no execution");
    }
    const figuresWith = (status: ExecutionSeen["status"]) =>
      judge({ ...right, executions: [{ ...placed, status }] }).figures;
    expect(figuresWith("parked")).toMatchObject({ parked: 1, unfinished: 0 });
    expect(figuresWith("waiting")).toMatchObject({ parked: 0, unfinished: 1 });
  });

  test("an execution returned another sum than it moved", () => {
    const lying = { ...placed, result: { units: 2, pence: 499, points: 5 } };
    expect(falseClaims({ ...right, executions: [lying, refused, canceled] })).toEqual(["what moved"]);
  });

  test("an order was turned down that the rules accept", () => {
    const given = right.movements.filter((it) => it.invoice !== "1");
    const evidence = {
      ...right,
      executions: [{ ...placed, status: "compensated", result: null }, refused, canceled],
      movements: given,
    } as const;
    expect(falseClaims(evidence)).toEqual(["every execution", "every balance"]);
  });

  test("a second start made a second execution", () => {
    expect(falseClaims({ ...right, starts: { calls: 6, firsts: 4, strays: 1 } })).toEqual(["every order"]);
  });
});
