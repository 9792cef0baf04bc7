import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CronError, OptionError } from "../errors.ts";
import { nextFire } from "./cron-fire.ts";
import { parseCron } from "./cron-parse.ts";
import { zoneOf } from "./zone.ts";

function refusal(expression: string, dialect: "quartz" | "unix"): CronError {
  try {
    parseCron(expression, dialect);
  } catch (error) {
    if (error instanceof CronError) return error;
    throw error;
  }
  throw new Error(`Expected ${expression} to be refused`);
}

type Refused = readonly [
  expression: string,
  field: string | null,
  position: number | null,
  found: string,
  message?: RegExp,
];

const refusedByQuartz: readonly Refused[] = [
  ["30 2 * * *", null, null, "5", /expected 6 or 7 fields.*looks like the unix dialect/],
  ["0 0 12 * * ? 2026 1", null, 19, "8", /expected 6 or 7 fields/],
  ["", null, null, "none"],
  ["@daily", null, 1, '"@daily"', /looks like the unix dialect/],
  ["60 0 12 * * ?", "seconds", 1, '"60"', /expected a number from 0 to 59/],
  ["0 0 24 * * ?", "hours", 5, '"24"', /Example: "0 0 8-18 \* \* \?"/],
  ["0  0\t24 * * ?", "hours", 6, '"24"'],
  ["0 5,61 12 * * ?", "minutes", 5, '"61"'],
  ["0 5-61 12 * * ?", "minutes", 5, '"61"'],
  ["0 5- 12 * * ?", "minutes", 5, "nothing"],
  ["0 0/70 12 * * ?", "minutes", 5, '"70"', /expected a step from 1 to 59/],
  ["0 0/ 12 * * ?", "minutes", 5, "nothing"],
  ["0 0/0 12 * * ?", "minutes", 5, '"0"'],
  ["0 5x 12 * * ?", "minutes", 4, '"x"'],
  ["0 1,,2 12 * * ?", "minutes", 5, "nothing", /between the commas/],
  ["0 ? 12 * * ?", "minutes", 3, '"?"', /only for day of month or day of week/],
  ["0 0 12 * * *", "day of week", 12, '"*"', /one of the two fields says nothing/],
  ["0 0 12 ? * ?", "day of week", 12, '"?"', /day of month is \? already/],
  ["0 0 12 ?,1 * MON", "day of month", 8, '"?,1"', /alone in its field/],
  ["0 0 12 32 * ?", "day of month", 8, '"32"'],
  ["0 0 12 40W * ?", "day of month", 8, '"40"'],
  ["0 0 12 L-31 * ?", "day of month", 10, '"31"', /from 0 to 30/],
  ["0 0 12 1-5W * ?", "day of month", 11, '"W"'],
  ["0 0 12 1 JANUARY ?", "month", 10, '"JANUARY"', /or JAN to DEC/],
  ["0 0 12 1 13 ?", "month", 10, '"13"'],
  ["0 0 12 ? * 0", "day of week", 12, '"0"', /Sunday is 1/],
  ["0 0 12 ? * MON-FRI/2", "day of week", 19, '"/2"', /Quartz ignores it/],
  ["0 0 12 ? * 6#6", "day of week", 14, '"6"', /from 1 to 5 behind #/],
  ["0 0 12 ? * MON,6#3", "day of week", 16, '"6#3"', /several schedules/],
  ["0 0 12 ? * 6L,2", "day of week", 12, '"6L"'],
  ["0 0 12 ? * FOO#1", "day of week", 12, '"FOO"'],
  ["0 0 12 1 1 ? 2030-2020", "year", 19, '"2030-2020"', /a range that rises/],
  ["0 0 12 1 1 ? 1969", "year", 14, '"1969"', /from 1970 to 2199/],
];

const refusedByUnix: readonly Refused[] = [
  ["0 0 12 * * ?", null, 12, "6", /expected 5 fields.*looks like the quartz dialect/],
  ["0 0 12 * * ? 2026", null, 12, "7", /looks like the quartz dialect/],
  ["@reboot", null, 1, '"@reboot"', /@yearly, @annually/],
  ["0 12 ? * 1", "day of month", 6, '"?"', /belong to dialect "quartz"/],
  ["0 12 L * *", "day of month", 6, '"L"', /belong to dialect "quartz"/],
  ["0 12 * * 5#2", "day of week", 11, '"#2"', /belong to dialect "quartz"/],
  ["5/15 * * * *", "minutes", 2, '"/15"', /Write 5-59\/15/],
  ["0 22-2 * * *", "hours", 6, '"22-2"', /a range that rises/],
  ["0 12 * * 8", "day of week", 10, '"8"'],
  ["0 12 * * fri-mon", "day of week", 14, '"fri-mon"'],
];

describe("an expression that does not fit names field, character, what was found, and an example:", () => {
  test.each(refusedByQuartz.map((row) => [row[0], row] as const))("quartz %j", (_, row) => {
    const [expression, field, position, found, message = /Example/] = row;
    const error = refusal(expression, "quartz");
    expect(error.details).toMatchObject({ dialect: "quartz", expression, field, position, found });
    expect(error.message).toMatch(message);
    expect(parseCron(error.details.example).expression).toBe(error.details.example);
  });

  test.each(refusedByUnix.map((row) => [row[0], row] as const))("unix %j", (_, row) => {
    const [expression, field, position, found, message = /Example/] = row;
    const error = refusal(expression, "unix");
    expect(error.details).toMatchObject({ dialect: "unix", expression, field, position, found });
    expect(error.message).toMatch(message);
    expect(parseCron(error.details.example, "unix").expression).toBe(error.details.example);
  });

  test("the message is a sentence", () => {
    expect(refusal("0 0 24 * * ?", "quartz").message).toBe(
      'quartz cron "0 0 24 * * ?", hours: expected a number from 0 to 23, found "24" at character 5. Example: "0 0 8-18 * * ?"',
    );
  });
});

test("what is no text, or too long a one, and another dialect, are refused", () => {
  expect(() => parseCron(5 as never)).toThrow(CronError);
  expect(() => parseCron("1,".repeat(300))).toThrow(CronError);
  expect(() => parseCron("* * * * *", "linux" as never)).toThrow(OptionError);
});

test("any text is read or refused with CRON_INVALID, in bounded time", () => {
  const sign = fc.constantFrom(..."0123456789*?/-,LW#@ MONJAx".split(""));
  const text = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc.array(sign, { maxLength: 60 }).map((signs) => signs.join("")),
  );
  fc.assert(
    fc.property(text, fc.constantFrom("quartz" as const, "unix" as const), (expression, dialect) => {
      try {
        const cron = parseCron(expression, dialect);
        expect(parseCron(cron.expression, dialect)).toEqual(cron);
      } catch (error) {
        expect(error).toBeInstanceOf(CronError);
      }
    }),
    { numRuns: 5_000 },
  );
});

describe("the unix dialect", () => {
  const next = (expression: string, from: string, count = 1) => {
    const found: string[] = [];
    let at: number | null = Date.parse(from);
    while (found.length < count && at !== null) {
      at = nextFire(parseCron(expression, "unix"), zoneOf("UTC"), at);
      if (at !== null) found.push(new Date(at).toISOString().slice(0, 16));
    }
    return found;
  };
  // 2026-01-01 is a Thursday.
  const from = "2026-01-01T00:00:00Z";

  test("counts weekdays from Sunday, 0 or 7", () => {
    for (const sunday of ["0", "7", "sun", "SUN"])
      expect(next(`0 0 * * ${sunday}`, from)).toEqual(["2026-01-04T00:00"]);
    expect(next("0 0 * * 5-7", from, 3)).toEqual(["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00"]);
    expect(next("0 0 * * mon-fri", "2026-01-02T00:00:00Z")).toEqual(["2026-01-05T00:00"]);
  });

  test("takes either day where both are restricted", () => {
    expect(next("0 0 13 * 5", from, 3)).toEqual(["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]);
  });

  test("takes both days where one begins with a star", () => {
    expect(next("0 0 */2 * 5", from, 2)).toEqual(["2026-01-09T00:00", "2026-01-23T00:00"]);
    expect(next("0 0 * * 5", from, 1)).toEqual(["2026-01-02T00:00"]);
    expect(next("0 0 13 * *", from, 1)).toEqual(["2026-01-13T00:00"]);
  });

  test("fires at the first second, with steps in ranges", () => {
    expect(next("5-20/5 3 * * *", from, 4)).toEqual([
      "2026-01-01T03:05",
      "2026-01-01T03:10",
      "2026-01-01T03:15",
      "2026-01-01T03:20",
    ]);
  });

  test.each([
    ["@yearly", "2027-01-01T00:00"],
    ["@annually", "2027-01-01T00:00"],
    ["@monthly", "2026-02-01T00:00"],
    ["@weekly", "2026-01-04T00:00"],
    ["@daily", "2026-01-02T00:00"],
    ["@Midnight", "2026-01-02T00:00"],
    ["@hourly", "2026-01-01T01:00"],
  ])("knows %s", (nickname, first) => {
    expect(next(nickname, from)).toEqual([first]);
  });
});
