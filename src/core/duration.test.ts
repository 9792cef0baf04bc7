import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Duration, formatMs, maxDurationMs, toMs } from "./duration.ts";
import { OptionError } from "./errors.ts";

const texts: readonly (readonly [Duration, number])[] = [
  [0, 0],
  [250, 250],
  ["250ms", 250],
  ["30s", 30_000],
  ["5m", 300_000],
  ["1.5h", 5_400_000],
  ["2d", 172_800_000],
  ["0s", 0],
  ["1.001s", 1_001],
  ["0.5m", 30_000],
  [maxDurationMs, maxDurationMs],
];

describe("a duration", () => {
  test.each(texts)("%s is %i ms", (duration, ms) => {
    expect(toMs(duration, "timeout")).toBe(ms);
  });

  test("of minus zero is zero", () => {
    expect(Object.is(toMs(-0, "timeout"), 0)).toBe(true);
  });

  const refused: readonly unknown[] = [
    Number.NaN,
    -1,
    "-1s",
    0.5,
    "1.5ms",
    "1.0001s",
    Number.POSITIVE_INFINITY,
    maxDurationMs + 1,
    "3654d",
    "",
    "10",
    "10 s",
    " 10s",
    "10S",
    "1e3ms",
    "0x10s",
    ".5s",
    "5.s",
    `${"9".repeat(40)}s`,
    "s",
    null,
    undefined,
    {},
    10n,
    ["10s"],
  ];
  test.each(refused)("%s is refused, naming the option", (duration) => {
    expect(() => toMs(duration as Duration, "job.timeout")).toThrow(OptionError);
    expect(() => toMs(duration as Duration, "job.timeout")).toThrow(
      /^job\.timeout: expected a duration .*, found .*Give/,
    );
  });

  test("outside of the caller's bounds is refused, naming them", () => {
    expect(toMs("1s", "lease", { min: 1_000 })).toBe(1_000);
    expect(() => toMs("0.999s", "lease", { min: 1_000, max: 60_000 })).toThrow(/from 1s to 1m in whole milliseconds/);
    expect(() => toMs("61s", "lease", { min: 1_000, max: 60_000 })).toThrow(OptionError);
  });

  test("formats to a text that reads back as the same duration", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: maxDurationMs }), (ms) => toMs(formatMs(ms) as Duration, "x") === ms),
    );
    expect([formatMs(0), formatMs(90_000), formatMs(7_200_000)]).toEqual(["0ms", "90s", "2h"]);
  });

  test("with a decimal point is exact", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (ms) => {
        const text = `${Math.floor(ms / 1_000)}.${String(ms % 1_000).padStart(3, "0")}s` as Duration;
        return toMs(text, "x") === ms;
      }),
    );
  });

  test("of any text is a whole number of ms or an OptionError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return Number.isInteger(toMs(text as Duration, "x"));
        } catch (error) {
          return error instanceof OptionError;
        }
      }),
    );
  });
});
