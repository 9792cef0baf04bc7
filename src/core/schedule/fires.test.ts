import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CronError, OptionError } from "../errors.ts";
import { parseCalendarFile, resolveCalendar } from "./calendar.ts";
import { backfill, dueAt, nextAt, preview, previousAt } from "./fires.ts";
import { toInstant } from "./instant.ts";
import { resolveSchedule, type ScheduleOptions } from "./schedule.ts";
import { zoneOf } from "./zone.ts";

const at = (text: string): number => Date.parse(text);
const schedule = (options: ScheduleOptions) => resolveSchedule(options, "nightly");
const list = (fires: readonly number[]) => fires.map((ms) => new Date(ms).toISOString().replace(/(:00)?\.000Z$/, "Z"));
const next = (options: ScheduleOptions, from: string, count: number) =>
  list(preview(schedule(options), at(from), count));

describe("a fixed rate", () => {
  test("counts from its start", () => {
    expect(next({ every: "7h", start: "2026-01-01T01:00:00Z" }, "2025-12-01T00:00:00Z", 3)).toEqual([
      "2026-01-01T01:00Z",
      "2026-01-01T08:00Z",
      "2026-01-01T15:00Z",
    ]);
    expect(next({ every: "7h", start: "2026-01-01T01:00:00Z" }, "2026-01-01T08:00:00Z", 1)).toEqual([
      "2026-01-01T15:00Z",
    ]);
  });

  test("counts from 1970 without one, so that every process counts alike", () => {
    expect(next({ every: "15m" }, "2026-01-01T00:01:00Z", 2)).toEqual(["2026-01-01T00:15Z", "2026-01-01T00:30Z"]);
  });

  test("has milliseconds", () => {
    expect(next({ every: 1_500 }, "2026-01-01T00:00:00.001Z", 2)).toEqual([
      "2026-01-01T00:00:01.500Z",
      "2026-01-01T00:00:03Z",
    ]);
  });
});

test("a one-shot fires once", () => {
  expect(next({ at: "2026-05-01T12:00:00.250Z" }, "2026-01-01T00:00:00Z", 3)).toEqual(["2026-05-01T12:00:00.250Z"]);
  expect(next({ at: "2026-05-01T12:00:00Z" }, "2026-05-01T12:00:00Z", 3)).toEqual([]);
});

test("a fixed delay previews the earliest times", () => {
  expect(next({ every: "10m", afterEnd: true }, "2026-01-01T00:01:00Z", 2)).toEqual([
    "2026-01-01T00:11Z",
    "2026-01-01T00:21Z",
  ]);
});

test("start is included, end is not", () => {
  expect(
    next(
      { cron: "0 0 12 * * ?", start: "2026-01-02T12:00:00Z", end: "2026-01-04T12:00:00Z" },
      "2025-01-01T00:00:00Z",
      9,
    ),
  ).toEqual(["2026-01-02T12:00Z", "2026-01-03T12:00Z"]);
  const bounded = schedule({ cron: "0 0 12 * * ?", start: "2026-01-02T12:00:00Z", end: "2026-01-04T12:00:00Z" });
  expect(previousAt(bounded, at("2030-01-01T00:00:00Z"))).toBe(at("2026-01-03T12:00:00Z"));
  expect(previousAt(bounded, at("2026-01-02T12:00:00Z"))).toBeNull();
});

describe("a calendar", () => {
  const holidays = parseCalendarFile(
    "# National Day\n2026-10-01..2026-10-07 # a week\n\n2026-12-25\r\n+ 2026-10-10   # a Saturday that is worked\n",
  );

  test("excludes days in the zone of the schedule", () => {
    const options: ScheduleOptions = {
      ...{ cron: "0 30 0 * * ?", zone: "Asia/Shanghai" },
      calendar: { ...holidays, excludeWeekdays: ["SAT", "SUN"] },
    };
    // Half past midnight in Shanghai is the day before in universal time.
    expect(next(options, "2026-09-29T00:00:00Z", 5)).toEqual([
      "2026-09-29T16:30Z",
      "2026-10-07T16:30Z",
      "2026-10-08T16:30Z",
      "2026-10-09T16:30Z",
      "2026-10-11T16:30Z",
    ]);
    expect(list([previousAt(schedule(options), at("2026-10-07T16:30:00Z")) ?? 0])).toEqual(["2026-09-29T16:30Z"]);
  });

  test("passes over an excluded day at once, however often it would have fired", () => {
    const everySecond = schedule({ cron: "* * * * * ?", calendar: { excludeDates: ["2026-01-01..2035-12-31"] } });
    const began = performance.now();
    expect(nextAt(everySecond, at("2025-12-31T23:59:59Z"))).toBe(at("2036-01-01T00:00:00Z"));
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(previousAt(everySecond, at("2036-01-01T00:00:00Z"))).toBe(at("2025-12-31T23:59:59Z"));
  });

  test("moves a fixed delay to the next day that it leaves", () => {
    const delay = schedule({ every: "1h", afterEnd: true, calendar: { excludeDates: ["2026-01-02"] } });
    expect(nextAt(delay, at("2026-01-01T23:30:00Z"))).toBe(at("2026-01-03T00:00:00Z"));
  });

  test("can leave no day of an expression", () => {
    expect(next({ cron: "0 0 0 ? * SAT", calendar: { excludeWeekdays: ["SAT"] } }, "2026-01-01T00:00:00Z", 1)).toEqual(
      [],
    );
  });

  test.each([
    [{ excludeDates: ["2026-02-30"] }, /calendar.excludeDates: expected a date.*found "2026-02-30"/],
    [{ excludeDates: ["2026-02-02..2026-02-01"] }, /rising range/],
    [{ excludeDates: "2026-02-01" }, /expected a list/],
    [{ includeDates: ["tomorrow"] }, /calendar.includeDates/],
    [{ excludeWeekdays: ["SOL"] }, /expected a list of some of SUN, MON.*found SOL/],
    [{ excludeWeekdays: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] }, /some of/],
    [{ excludeDays: [] }, /unknown option "excludeDays"/],
  ])("that is wrong is refused: %j", (options, message) => {
    expect(() => resolveCalendar(options as never)).toThrow(message);
  });

  test("in a file that is wrong is refused by its line", () => {
    expect(() => parseCalendarFile("2026-01-01\n\n2026-13-01", "holidays.txt")).toThrow(
      /holidays.txt, line 3.*"2026-13-01"/,
    );
  });
});

describe("jitter", () => {
  const jittered = schedule({ cron: "0 0 * * * ?", jitter: "10m" });

  test("is the same in every process, for ever", () => {
    // Golden: another value here moves the starts of everyone's schedules.
    expect(dueAt(jittered, at("2026-01-01T00:00:00Z")) - at("2026-01-01T00:00:00Z")).toMatchInlineSnapshot(`19829`);
    expect(
      dueAt(resolveSchedule({ cron: "0 0 * * * ?", jitter: "10m" }, "other"), at("2026-01-01T00:00:00Z")) -
        at("2026-01-01T00:00:00Z"),
    ).toMatchInlineSnapshot(`446404`);
  });

  test("spreads evenly over its whole length", () => {
    const delays = preview(jittered, 0, 10_000).map((ms) => dueAt(jittered, ms) - ms);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(600_000);
    for (let part = 0; part < 10; part++)
      expect(delays.filter((ms) => ms >= part * 60_000 && ms < (part + 1) * 60_000).length).toBeGreaterThan(850);
  });

  test("ends before the next fire", () => {
    const dense = schedule({ every: "1s", jitter: "1h" });
    for (const ms of preview(dense, 0, 500)) expect(dueAt(dense, ms)).toBeLessThan(ms + 1_000);
  });
});

describe("a backfill", () => {
  const daily = schedule({ cron: "0 0 12 * * ?" });

  test("gives the fires of a range, without its end", () => {
    const { fires, resumeAt } = backfill(daily, at("2026-01-01T12:00:00Z"), at("2026-01-04T12:00:00Z"), 100);
    expect(list(fires)).toEqual(["2026-01-01T12:00Z", "2026-01-02T12:00Z", "2026-01-03T12:00Z"]);
    expect(resumeAt).toBeNull();
  });

  test("that its limit cuts says where to go on", () => {
    const [from, to] = [at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z")];
    const whole = backfill(daily, from, to, 1_000).fires;
    const parts: number[] = [];
    for (let begin: number | null = from; begin !== null; ) {
      const part = backfill(daily, begin, to, 7);
      parts.push(...part.fires);
      begin = part.resumeAt;
    }
    expect(parts).toEqual(whole);
    expect(whole).toHaveLength(59);
  });

  test("of an empty range, of a fixed delay, or without bound, is refused", () => {
    expect(() => backfill(daily, 5, 5, 1)).toThrow(OptionError);
    expect(() => backfill(schedule({ every: "1m", afterEnd: true }), 0, 5, 1)).toThrow(/found a fixed delay/);
    expect(() => backfill(daily, 0, 5, 0)).toThrow(/limit: expected an integer from 1 to 10000/);
    expect(() => preview(daily, 0, 10_001)).toThrow(/count/);
  });
});

describe("a schedule that is wrong is refused:", () => {
  test.each<[object, RegExp]>([
    [{}, /expected exactly one of cron, every, at and after, found none/],
    [{ cron: "0 0 12 * * ?", every: "1m" }, /found cron and every/],
    [{ every: "1m", dialect: "unix" }, /schedule.dialect: expected it only beside cron/],
    [{ cron: "0 0 12 * * ?", afterEnd: true }, /schedule.afterEnd/],
    [{ every: "1m", afterEnd: "yes" }, /schedule.afterEnd/],
    [{ every: "99ms" }, /schedule.every: expected a duration from 100ms/],
    [{ every: "1m", zone: "Mars/Base" }, /schedule.zone: expected a time zone/],
    [{ every: "1m", start: "2026-01-02", end: "2026-01-02" }, /schedule.end: expected an instant after start/],
    [{ every: "1m", jitter: "2d" }, /schedule.jitter/],
    [{ every: "1m", jiter: "2s" }, /unknown option "jiter". Did you mean jitter\?/],
    [{ at: "2026-02-30T00:00:00Z" }, /schedule.at: expected an instant/],
  ])("%j", (options, message) => {
    expect(() => resolveSchedule(options as ScheduleOptions, "x")).toThrow(message);
  });

  test("a cron expression by CRON_INVALID", () => {
    expect(() => schedule({ cron: "0 0 25 * * ?" })).toThrow(CronError);
  });
});

test("instants are read as they are written", () => {
  const instant = (value: string, zone = "UTC") => new Date(toInstant(value, zoneOf(zone), "at")).toISOString();
  expect(instant("2026-03-08T02:30:00Z")).toBe("2026-03-08T02:30:00.000Z");
  expect(instant("2026-03-08T02:30:00.5+08:00")).toBe("2026-03-07T18:30:00.500Z");
  expect(instant("2026-03-08t02:30-0330")).toBe("2026-03-08T06:00:00.000Z");
  expect(instant("2026-03-08 02:30", "America/New_York")).toBe("2026-03-08T07:00:00.000Z");
  expect(instant("2026-03-07", "Asia/Shanghai")).toBe("2026-03-06T16:00:00.000Z");
  expect(toInstant(new Date(5), zoneOf("UTC"), "at")).toBe(5);
  for (const wrong of [
    "",
    "now",
    "2026-03-08T24:00:00Z",
    "2026-13-01",
    "2026-03-08T02:60Z",
    "2026-03-08T02:30+24:00",
    "2300-01-01",
    "2026-03-08T02Z",
  ])
    expect(() => toInstant(wrong, zoneOf("UTC"), "at"), wrong).toThrow(/^at: expected an instant from 1970 to 2199/);
  expect(() => toInstant(new Date(Number.NaN), zoneOf("UTC"), "at")).toThrow(/Invalid Date/);
  expect(() => toInstant(1.5, zoneOf("UTC"), "at")).toThrow(OptionError);
});

test("a preview is the repeated next; previous is its inverse", () => {
  const anySchedule = fc.record({
    kind: fc.constantFrom<ScheduleOptions>(
      { cron: "0 30 2 * * ?" },
      { cron: "0/20 0/7 * * * ?" },
      { cron: "0 0 9 LW * ?" },
      { every: "17m" },
      { every: "1000h", start: "2020-02-02T02:02:02.222Z" },
      { at: "2026-05-05T05:05:05Z" },
    ),
    zone: fc.constantFrom("UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"),
    calendar: fc.constantFrom(
      {},
      { excludeWeekdays: ["SAT", "SUN"] as const },
      { excludeDates: ["2026-03-01..2026-03-20"] },
    ),
    jitter: fc.constantFrom("0s" as const, "5m" as const),
  });
  fc.assert(
    fc.property(
      anySchedule,
      fc.integer({ min: at("2025-01-01T00:00:00Z"), max: at("2027-01-01T00:00:00Z") }),
      ({ kind, ...bounds }, from) => {
        const asked = schedule({ ...kind, ...bounds });
        const fires = preview(asked, from, 20);
        let after = from;
        let due = Number.NEGATIVE_INFINITY;
        for (const fire of fires) {
          expect(fire).toBeGreaterThan(after);
          expect(nextAt(asked, after)).toBe(fire);
          expect(previousAt(asked, fire + 1)).toBe(fire);
          expect(dueAt(asked, fire)).toBeGreaterThan(due);
          due = dueAt(asked, fire);
          after = fire;
        }
        if (fires.length < 20) expect(nextAt(asked, after)).toBeNull();
      },
    ),
    { numRuns: 500 },
  );
});
