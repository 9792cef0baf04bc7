import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "./errors.ts";
import { checkInteger, checkNumber, checkOptions, nearestKey } from "./options.ts";

describe("options", () => {
  const known = ["maxAttempts", "backoff", "jitter"];

  test("with known keys pass, also with undefined ones", () => {
    expect(() => checkOptions({ jitter: 1, backoff: undefined }, known, "retry")).not.toThrow();
  });

  test("with an unknown key are refused, naming the nearest known one", () => {
    expect(() => checkOptions({ maxAttemts: 3 }, known, "retry")).toThrow(
      /^retry: unknown option "maxAttemts"\. Did you mean maxAttempts\?$/,
    );
    expect(() => checkOptions({ MAXATTEMPTS: 3 }, known, "retry")).toThrow(/Did you mean maxAttempts/);
    expect(() => checkOptions({ entirely: 3 }, known, "retry")).toThrow(/Known options: maxAttempts, backoff, jitter/);
  });

  test("that are no object are refused", () => {
    for (const value of [null, 3, "text", [], undefined])
      expect(() => checkOptions(value, known, "retry")).toThrow(OptionError);
  });

  test("named like members of Object.prototype are unknown", () => {
    for (const key of ["constructor", "toString", "hasOwnProperty"])
      expect(() => checkOptions({ [key]: 1 }, known, "retry")).toThrow(OptionError);
  });

  test("carry their place in the error", () => {
    try {
      checkOptions({ jiter: 1 }, known, "retry");
      expect.unreachable();
    } catch (error) {
      expect((error as OptionError).details).toEqual({ option: "retry.jiter" });
    }
  });
});

describe("the nearest key", () => {
  test("of a key with one letter changed is that key", () => {
    const known = ["maxInputBytes", "keyRetention", "attemptTimeout"];
    fc.assert(
      fc.property(fc.constantFrom(...known), fc.nat(), fc.constantFrom("x", ""), (key, at, letter) => {
        const place = at % key.length;
        return nearestKey(key.slice(0, place) + letter + key.slice(place + 1), known) === key;
      }),
    );
  });

  test("is none for a long key", () => {
    expect(nearestKey("a".repeat(10_000), ["alpha"])).toBeUndefined();
  });
});

describe("numbers", () => {
  test("within their range pass, others are refused", () => {
    expect(checkInteger(3, "n", 1, 5)).toBe(3);
    expect(checkNumber(0.5, "j", 0, 1)).toBe(0.5);
    for (const value of [0, 6, 1.5, Number.NaN, "3", null, 3n])
      expect(() => checkInteger(value, "n", 1, 5)).toThrow(/^n: expected an integer from 1 to 5, found /);
    for (const value of [-0.1, 1.1, Number.NaN, "1"]) expect(() => checkNumber(value, "j", 0, 1)).toThrow(OptionError);
  });
});
