import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideRow, type KnownRow, nextScan, type ScanMark } from "./reconcile.ts";

const minute = 60_000;
const window = 10 * minute;
const scans = (...minutes: readonly number[]): readonly ScanMark[] => {
  const marks: ScanMark[] = [];
  for (const at of minutes) marks.push(nextScan(marks.at(-1) ?? null, at * minute, window));
  return marks;
};
const since = (...minutes: readonly number[]) => (scans(...minutes).at(-1)?.since ?? 0) / minute;

describe("a scan looks back", () => {
  test("by the window at first, then by the window from the last scan's start", () => {
    expect(since(100)).toBe(90);
    expect(since(100, 200)).toBe(90);
  });

  test("over all the time in which none ran", () => {
    expect(since(100, 105, 110, 115, 500)).toBeLessThanOrEqual(105);
  });

  test("as far as rows may lie whose window was open at the last scan", () => {
    // Found at 105, a row is from 90 at the earliest; it is tried until 115 and looked at once more.
    expect(since(100, 105, 110, 115)).toBe(90);
    expect(since(100, 105, 110, 115, 120, 125)).toBe(100);
  });

  test("from where an unfinished one stopped, as if it were that one", () => {
    const [first] = scans(100, 105).slice(1);
    const stopped: ScanMark = { ...(first as ScanMark), after: "k" };
    expect(nextScan(stopped, 200 * minute, window)).toEqual(stopped);
  });

  test("so that no row which it found is out of sight before its window has closed", () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 40 * minute }), { minLength: 2, maxLength: 200 });
    fc.assert(
      fc.property(gaps, fc.nat(199), (given, at) => {
        let now = 1e12;
        const marks: ScanMark[] = [];
        for (const gap of given) {
          now += gap;
          marks.push(nextScan(marks.at(-1) ?? null, now, window));
        }
        const found = marks[at % marks.length] as ScanMark;
        const base = (found.previousAt ?? found.startedAt) - window;
        const after = marks.slice(marks.indexOf(found));
        const closes = after.findIndex((mark) => mark.startedAt >= found.startedAt + window);
        for (const mark of closes < 0 ? after : after.slice(0, closes + 1))
          expect(mark.since).toBeLessThanOrEqual(base);
        for (const mark of marks) expect(mark.floors.length).toBeLessThanOrEqual(32);
      }),
    );
  });
});

describe("a row that was started before", () => {
  const scan = { now: 100, previousAt: 50, windowMs: 40 };
  const failed: KnownRow = { status: "compensated", endedAt: 60, caseOpenedAt: 61, givenUp: null };
  test.each<readonly [string, Partial<KnownRow>, string]>([
    ["is left alone while its fix runs", { status: "running" }, "under way"],
    ["is left alone while its fix waits", { status: "waiting" }, "under way"],
    ["is a person's when its fix is parked", { status: "parked" }, "with a person"],
    ["is a person's when a person killed its fix", { status: "killed" }, "with a person"],
    ["is tried again when its fix failed", {}, "again"],
    ["is tried again when its fix was discarded", { status: "discarded" }, "again"],
    ["is tried again when its fix completed and did not help", { status: "completed" }, "again"],
    ["may be good when its fix completed since the scan began", { status: "completed", endedAt: 100 }, "fixed"],
    ["is given up when its window has closed", { caseOpenedAt: 60 }, "give up"],
    ["is a person's once it was given up", { caseOpenedAt: 10, givenUp: "parked" }, "with a person"],
    ["is watched afresh when the person has settled it", { caseOpenedAt: 10, givenUp: "completed" }, "anew"],
    ["is another case when a scan came between that did not find it", { endedAt: 49, caseOpenedAt: 1 }, "anew"],
    ["is another case when somebody else started the fix", { caseOpenedAt: null }, "anew"],
  ])("%s", (_, known, decision) => {
    expect(decideRow({ ...failed, ...known }, scan)).toBe(decision);
  });

  test("belongs to its case still when no scan has finished yet", () => {
    expect(decideRow({ ...failed, endedAt: 1 }, { ...scan, previousAt: null })).toBe("again");
  });
});
