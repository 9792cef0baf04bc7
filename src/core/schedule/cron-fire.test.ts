import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextFire, previousFire } from "./cron-fire.ts";
import { parseCron } from "./cron-parse.ts";
import { zoneOf } from "./zone.ts";

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString().replace(".000Z", "Z");

function fires(expression: string, zoneName: string, from: string, count: number): readonly (string | null)[] {
  const found: number[] = [];
  for (let ms = nextFire(parseCron(expression), zoneOf(zoneName), at(from)); ms !== null && found.length < count; ) {
    found.push(ms);
    ms = nextFire(parseCron(expression), zoneOf(zoneName), ms);
  }
  return found.map(iso);
}

// Worked out by hand from the rules of each zone, not by this code.
const gaps: readonly [zone: string, what: string, expression: string, from: string, fires: readonly string[]][] = [
  [
    "America/New_York",
    "2:00 becomes 3:00",
    "0 30 2 * * ?",
    "2026-03-07T12:00:00Z",
    ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
  ],
  [
    "Europe/Berlin",
    "2:00 becomes 3:00",
    "0 15 2 * * ?",
    "2026-03-28T12:00:00Z",
    ["2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"],
  ],
  [
    "Europe/London",
    "1:00 becomes 2:00",
    "0 0 1 * * ?",
    "2026-03-28T12:00:00Z",
    ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
  ],
  [
    "Australia/Lord_Howe",
    "2:00 becomes 2:30",
    "0 10 2 * * ?",
    "2026-10-03T00:00:00Z",
    ["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"],
  ],
  [
    "Australia/Sydney",
    "2:00 becomes 3:00",
    "0 59 2 * * ?",
    "2026-10-03T00:00:00Z",
    ["2026-10-03T16:00:00Z", "2026-10-04T15:59:00Z"],
  ],
  [
    "America/Sao_Paulo",
    "0:00 becomes 1:00",
    "0 0 0 * * ?",
    "2018-11-03T12:00:00Z",
    ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
  ],
  [
    "America/Havana",
    "0:00 becomes 1:00",
    "0 0 0 * * ?",
    "2024-03-09T12:00:00Z",
    ["2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"],
  ],
  [
    "Antarctica/Troll",
    "1:00 becomes 3:00",
    "0 0 1,2,3 * * ?",
    "2024-03-30T12:00:00Z",
    ["2024-03-31T01:00:00Z", "2024-03-31T23:00:00Z"],
  ],
  [
    "Pacific/Apia",
    "2011-12-30 does not exist",
    "0 0 9 * * ?",
    "2011-12-29T12:00:00Z",
    ["2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"],
  ],
  ["Pacific/Apia", "2011-12-30 does not exist", "0 0 9 30 12 ? 2011", "2011-12-01T00:00:00Z", ["2011-12-30T10:00:00Z"]],
  [
    "Pacific/Kwajalein",
    "1993-08-21 does not exist",
    "0 0 9 * * ?",
    "1993-08-20T12:00:00Z",
    ["1993-08-20T21:00:00Z", "1993-08-21T12:00:00Z", "1993-08-21T21:00:00Z"],
  ],
];

const overlaps: typeof gaps = [
  [
    "America/New_York",
    "2:00 becomes 1:00",
    "0 30 1 * * ?",
    "2026-10-31T12:00:00Z",
    ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
  ],
  [
    "Europe/Berlin",
    "3:00 becomes 2:00",
    "0 0 2 * * ?",
    "2026-10-24T12:00:00Z",
    ["2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"],
  ],
  [
    "Europe/London",
    "2:00 becomes 1:00",
    "0 59 1 * * ?",
    "2026-10-24T12:00:00Z",
    ["2026-10-25T00:59:00Z", "2026-10-26T01:59:00Z"],
  ],
  [
    "Australia/Lord_Howe",
    "2:00 becomes 1:30",
    "0 45 1 * * ?",
    "2026-04-04T00:00:00Z",
    ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
  ],
  [
    "America/Sao_Paulo",
    "24:00 becomes 23:00",
    "0 30 23 * * ?",
    "2018-02-17T12:00:00Z",
    ["2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"],
  ],
  [
    "America/Havana",
    "1:00 becomes 0:00",
    "0 0 0 * * ?",
    "2024-11-02T12:00:00Z",
    ["2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"],
  ],
  [
    "Antarctica/Troll",
    "3:00 becomes 1:00",
    "0 0 2 * * ?",
    "2024-10-26T12:00:00Z",
    ["2024-10-27T00:00:00Z", "2024-10-28T02:00:00Z"],
  ],
];

describe("a local time that", () => {
  test.each(gaps)(
    "falls into a gap fires at the first instant after it: %s, %s, %s",
    (zone, _, expression, from, expected) => {
      expect(fires(expression, zone, from, expected.length)).toEqual(expected);
    },
  );

  test.each(overlaps)(
    "is shown twice fires when it is shown first: %s, %s, %s",
    (zone, _, expression, from, expected) => {
      expect(fires(expression, zone, from, expected.length)).toEqual(expected);
    },
  );

  test("was shown first before the search began does not fire when it is shown again", () => {
    expect(fires("0 30 1 * * ?", "America/New_York", "2026-11-01T06:10:00Z", 1)).toEqual(["2026-11-02T06:30:00Z"]);
  });
});

describe("an expression of every hour follows elapsed time", () => {
  test("over a gap", () => {
    expect(fires("0 0/30 * * * ?", "America/New_York", "2026-03-08T06:00:00Z", 3)).toEqual([
      "2026-03-08T06:30:00Z",
      "2026-03-08T07:00:00Z",
      "2026-03-08T07:30:00Z",
    ]);
  });

  test("over an overlap", () => {
    expect(fires("0 15 * * * ?", "Europe/Berlin", "2026-10-24T23:30:00Z", 3)).toEqual([
      "2026-10-25T00:15:00Z",
      "2026-10-25T01:15:00Z",
      "2026-10-25T02:15:00Z",
    ]);
  });

  test("over half an hour", () => {
    expect(fires("0 0/15 * * * ?", "Australia/Lord_Howe", "2026-04-04T14:29:00Z", 5)).toEqual([
      "2026-04-04T14:30:00Z",
      "2026-04-04T14:45:00Z",
      "2026-04-04T15:00:00Z",
      "2026-04-04T15:15:00Z",
      "2026-04-04T15:30:00Z",
    ]);
  });

  test("over a day that does not exist", () => {
    expect(fires("0 0 * * * ?", "Pacific/Apia", "2011-12-30T08:30:00Z", 3)).toEqual([
      "2011-12-30T09:00:00Z",
      "2011-12-30T10:00:00Z",
      "2011-12-30T11:00:00Z",
    ]);
  });

  test("on the one day of its months, also where that day's last hour is shown again", () => {
    expect(fires("0 5 * 17 2 ?", "America/Sao_Paulo", "2018-02-18T01:04:00Z", 3)).toEqual([
      "2018-02-18T01:05:00Z",
      "2018-02-18T02:05:00Z",
      "2019-02-17T03:05:00Z",
    ]);
  });
});

describe("the search", () => {
  test("ends with the year 2199", () => {
    expect(iso(nextFire(parseCron("0 0 0 31 12 ?"), zoneOf("UTC"), at("2198-12-31T00:00:00Z")))).toBe(
      "2199-12-31T00:00:00Z",
    );
    expect(nextFire(parseCron("0 0 0 31 12 ?"), zoneOf("UTC"), at("2199-12-31T00:00:00Z"))).toBeNull();
    expect(nextFire(parseCron("* * * * * ?"), zoneOf("Asia/Tokyo"), at("2299-12-31T00:00:00Z"))).toBeNull();
  });

  test("finds nothing for a day that no month has", () => {
    expect(nextFire(parseCron("0 0 0 30 2 ?"), zoneOf("Europe/Paris"), 0)).toBeNull();
    expect(previousFire(parseCron("0 0 0 31 4 ?"), zoneOf("Europe/Paris"), at("2026-01-01T00:00:00Z"))).toBeNull();
  });

  test("begins with 1970", () => {
    expect(nextFire(parseCron("0 0 0 * * ?"), zoneOf("UTC"), at("1900-01-01T00:00:00Z"))).toBe(0);
    expect(previousFire(parseCron("0 0 0 * * ?"), zoneOf("UTC"), 1)).toBe(0);
    expect(previousFire(parseCron("0 0 0 * * ?"), zoneOf("UTC"), 0)).toBeNull();
    expect(iso(previousFire(parseCron("0 0 0 * * ?"), zoneOf("UTC"), at("2300-01-01T00:00:00Z")))).toBe(
      "2199-12-31T00:00:00Z",
    );
  });

  test("looks after and before, not at", () => {
    const noon = at("2026-05-05T12:00:00Z");
    const daily = parseCron("0 0 12 * * ?");
    expect(iso(nextFire(daily, zoneOf("UTC"), noon))).toBe("2026-05-06T12:00:00Z");
    expect(nextFire(daily, zoneOf("UTC"), noon - 1)).toBe(noon);
    expect(iso(previousFire(daily, zoneOf("UTC"), noon))).toBe("2026-05-04T12:00:00Z");
    expect(previousFire(daily, zoneOf("UTC"), noon + 1)).toBe(noon);
  });
});

// ── Properties ─────────────────────────────────────────────────────────────────────────────────────────────────────

const zones = [
  ...["UTC", "America/New_York", "Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo"],
  ...["America/Havana", "Antarctica/Troll", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "America/Santiago"],
];
const anyZone = fc.constantFrom(...zones);
const number = (min: number, max: number) => fc.integer({ min, max }).map(String);
const field = (min: number, max: number) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant("*") },
    number(min, max),
    fc.tuple(number(min, max), number(min, max)).map(([a, b]) => `${a}-${b}`),
    fc.tuple(number(min, max), number(1, max)).map(([a, step]) => `${a}/${step}`),
    fc.tuple(number(min, max), number(min, max), number(min, max)).map((list) => list.join(",")),
  );
const days = fc.oneof(
  fc.tuple(fc.oneof(field(1, 31), fc.constantFrom("L", "LW", "L-3", "15W", "1W", "31W")), fc.constant("?")),
  fc.tuple(fc.constant("?"), fc.oneof(field(1, 7), fc.constantFrom("L", "6L", "2#1", "MON-FRI", "4#5"))),
);
const anyExpression = fc
  .tuple(
    field(0, 59),
    field(0, 59),
    field(0, 23),
    days,
    fc.oneof({ weight: 3, arbitrary: fc.constant("*") }, field(1, 12)),
  )
  .map(([second, minute, hour, [day, weekday], month]) => `${second} ${minute} ${hour} ${day} ${month} ${weekday}`);
/** Half of them near a change of clocks. */
const anyInstant = fc.oneof(
  fc.integer({ min: at("1990-01-01T00:00:00Z"), max: at("2045-01-01T00:00:00Z") }),
  fc
    .tuple(
      fc.constantFrom(
        ...["2024-03-10T07:00:00Z", "2024-11-03T06:00:00Z", "2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"],
        ...["2024-04-06T15:00:00Z", "2024-10-05T15:30:00Z", "2011-12-30T10:00:00Z", "2018-02-18T02:00:00Z"],
      ),
      fc.integer({ min: -100_000_000, max: 10_000_000 }),
    )
    .map(([near, off]) => at(near) + off),
);

/** What Intl says the clocks show, asked in another way than zone.ts asks. */
function shown(zone: string, ms: number): string {
  return new Date(ms).toLocaleString("sv-SE", { timeZone: zone });
}

/** Whether an expression names a local time, read from its sets alone. */
function names(expression: string, local: string): boolean {
  const [date = "", time = ""] = local.split(" ");
  const next = nextFire(parseCron(expression), zoneOf("UTC"), at(`${date}T${time}Z`) - 1);
  return next === at(`${date}T${time}Z`);
}

describe("for any expression, zone and instant", () => {
  test("the next fire is later, and shows a local time that is named, or stands at the end of a gap", () => {
    fc.assert(
      fc.property(anyExpression, anyZone, anyInstant, (expression, zone, after) => {
        const next = nextFire(parseCron(expression), zoneOf(zone), after);
        if (next === null) return;
        expect(next).toBeGreaterThan(after);
        const piece = zoneOf(zone).pieceAt(next);
        const isAfterGap = next === piece.startMs && piece.offsetMs > piece.previousOffsetMs;
        if (!isAfterGap) expect(names(expression, shown(zone, next)), shown(zone, next)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("none is passed over: between an instant and the next fire, no named local time is shown for the first time", () => {
    fc.assert(
      fc.property(anyExpression, anyZone, anyInstant, (expression, zone, after) => {
        const next = nextFire(parseCron(expression), zoneOf(zone), after) ?? Number.POSITIVE_INFINITY;
        const second = Math.floor(after / 1_000) * 1_000;
        for (let step = 1; step <= 40; step++) {
          // A walk in uneven steps, since every second would take too long.
          const ms = second + step * step * 7_000;
          if (ms >= next || !names(expression, shown(zone, ms))) continue;
          const piece = zoneOf(zone).pieceAt(ms);
          expect(ms + piece.offsetMs, `${shown(zone, ms)} was shown before`).toBeLessThan(
            piece.startMs + piece.previousOffsetMs,
          );
          expect(parseCron(expression).isHourly).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("the previous fire is the inverse of the next", () => {
    fc.assert(
      fc.property(anyExpression, anyZone, anyInstant, (expression, zone, after) => {
        const cron = parseCron(expression);
        const next = nextFire(cron, zoneOf(zone), after);
        if (next === null) return;
        expect(previousFire(cron, zoneOf(zone), next + 1)).toBe(next);
        const before = previousFire(cron, zoneOf(zone), next);
        if (before !== null) expect(before).toBeLessThanOrEqual(after);
        if (before !== null) expect(nextFire(cron, zoneOf(zone), before)).toBe(next);
      }),
      { numRuns: 2_000 },
    );
  });
});
