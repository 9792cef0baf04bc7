import { expect, test } from "vitest";
import type { Verdict } from "./check.ts";
import { isRight, jsonLine, type Report, summaryLines } from "./report.ts";

const figures = {
  invoices: 6232,
  rejected: 2,
  completed: 5662,
  compensated: 16,
  canceled: 230,
  parked: 0,
  unfinished: 0,
  unitsTaken: 160_345,
  unitsReturned: 2910,
  penceCharged: 26_719_155,
  penceRefunded: 705_240,
  points: 264_541,
  appliedTwice: 0,
};
const rightVerdict: Verdict = { figures, checks: [{ claim: "nothing moved twice", isTrue: true, found: [] }] };
const wrongVerdict: Verdict = {
  figures: { ...figures, appliedTwice: 7 },
  checks: [{ claim: "nothing moved twice", isTrue: false, found: ["accounts/place-order/1/charge: 2 times, not 1"] }],
};

function reportOf(verdict: Verdict, changes: Partial<Report> = {}): Report {
  return {
    intake: {
      orders: [],
      cancellations: [],
      rejected: [
        { invoice: "1", why: "no customer" },
        { invoice: "2", why: "no price" },
      ],
    },
    run: { verdict, killCount: 20, takeOversMs: [200, 300], seconds: 12.345 },
    plannedKills: 20,
    isGuarded: true,
    ...changes,
  };
}

test("the last line has every figure under its name, and seconds in tenths", () => {
  expect(JSON.parse(jsonLine(reportOf(rightVerdict)))).toEqual({ ...figures, kills: 20, seconds: 12.3 });
});

test("the summary says what was rejected, what it cost, and that all is right", () => {
  const text = summaryLines(reportOf(rightVerdict)).join("\n");
  expect(text).toContain("1 no customer, 1 no price");
  expect(text).toContain("267,191.55");
  expect(text).toContain("went on after 200 ms at best, 250 ms on average");
  expect(text).toContain("  ok    nothing moved twice\n");
  expect(text).toMatch(/Every balance is right after 20 kills in 12\.3 s\.$/);
  expect(isRight(reportOf(rightVerdict))).toBe(true);
});

test("what is wrong is shown with examples, under the guard as an alarm, without it as what to expect", () => {
  const guarded = summaryLines(reportOf(wrongVerdict)).join("\n");
  expect(guarded).toContain("WRONG nothing moved twice\n          accounts/place-order/1/charge: 2 times, not 1");
  expect(guarded).toContain("Something is WRONG");
  expect(isRight(reportOf(wrongVerdict))).toBe(false);
  const unguarded = summaryLines(reportOf(wrongVerdict, { isGuarded: false })).join("\n");
  expect(unguarded).toContain("This is what happens without the guard: 7 movements too many after 20 kills");
});

test("kills that found nothing to interrupt are owned up to", () => {
  const text = summaryLines(reportOf(rightVerdict, { plannedKills: 30 })).join("\n");
  expect(text).toContain("of 30 asked for: there was no more work to interrupt");
});
