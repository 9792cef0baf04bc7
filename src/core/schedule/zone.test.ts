import { describe, expect, test } from "vitest";
import { dateOf, dayMs, dayNumber, daysInMonth, weekdayOf } from "./civil.ts";
import { instantOf, zoneOf } from "./zone.ts";

describe("a zone", () => {
  test("knows when its clocks change, to the second", () => {
    const piece = zoneOf("America/New_York").pieceAt(Date.parse("2026-06-01T00:00:00Z"));
    expect(piece).toMatchObject({ offsetMs: -4 * 3_600_000, previousOffsetMs: -5 * 3_600_000 });
    expect(new Date(piece.startMs).toISOString()).toBe("2026-03-08T07:00:00.000Z");
    expect(zoneOf("America/New_York").pieceAt(piece.startMs - 1).endMs).toBe(piece.startMs);
  });

  // Each span of 366 days is cut there, too; across it the offset stays.
  test.each([
    "America/New_York",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Gaza",
    "Pacific/Apia",
    "Australia/Lord_Howe",
  ])("agrees with Intl through half a century: %s", (name) => {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    for (let ms = Date.UTC(1990, 0, 1); ms < Date.UTC(2040, 0, 1); ms += 31 * 3_600_000 + 1_234_567) {
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(ms)) ?? [];
      const offset = (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
      expect(zoneOf(name).pieceAt(ms).offsetMs, new Date(ms).toISOString()).toBe(offset + 0);
    }
  });

  test("has pieces that meet, without gaps, also far from now", () => {
    let piece = zoneOf("Europe/Berlin").pieceAt(Date.UTC(1700, 0, 1));
    for (let count = 0; piece.endMs !== Number.POSITIVE_INFINITY; count++) {
      const next = zoneOf("Europe/Berlin").pieceAt(piece.endMs);
      expect(next.startMs).toBe(piece.endMs);
      expect(next.previousOffsetMs).toBe(piece.offsetMs);
      expect(count).toBeLessThan(2_500);
      piece = next;
    }
  });

  test("gives the instant of a local time: in an overlap the first, in a gap the end of the gap", () => {
    const instant = (local: string) =>
      new Date(instantOf(zoneOf("Europe/Berlin"), Date.parse(`${local}Z`))).toISOString();
    expect(instant("2026-07-01T12:00:00")).toBe("2026-07-01T10:00:00.000Z");
    expect(instant("2026-10-25T02:30:00")).toBe("2026-10-25T00:30:00.000Z");
    expect(instant("2026-03-29T02:30:00")).toBe("2026-03-29T01:00:00.000Z");
  });

  test("that does not exist is refused, with the nearest name", () => {
    expect(() => zoneOf("Asia/Shangai", "schedule.zone")).toThrow(
      'schedule.zone: expected a time zone such as "Europe/Berlin", "Asia/Shanghai" or "UTC", found "Asia/Shangai". Did you mean Asia/Shanghai?',
    );
    for (const name of ["", "Mars/Base", "UTC+8", 8 as never])
      expect(() => zoneOf(name)).toThrow(/expected a time zone/);
  });

  test.each(["CST", "IST", "BST", "pst"])("whose name means several places is refused: %s", (name) => {
    expect(() => zoneOf(name)).toThrow(/expected a time zone/);
  });

  test.each([
    ["UTC", 0],
    ["GMT", 0],
    ["asia/shanghai", 8],
    ["+05:30", 5.5],
    ["Etc/GMT-8", 8],
  ] as const)("%s is known", (name, hours) => {
    expect(zoneOf(name).pieceAt(0).offsetMs).toBe(hours * 3_600_000);
  });
});

test("dates count as those of Date do", () => {
  for (let day = -150_000; day < 100_000; day += 13) {
    const date = new Date(day * dayMs);
    const { year, month, day: dayOfMonth } = dateOf(day);
    expect([year, month, dayOfMonth]).toEqual([date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]);
    expect(dayNumber(year, month, dayOfMonth)).toBe(day);
    expect(weekdayOf(day)).toBe(date.getUTCDay());
    expect(daysInMonth(year, month)).toBe(new Date(Date.UTC(year, month, 0)).getUTCDate());
  }
});
