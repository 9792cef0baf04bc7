import { describe, expect, test } from "vitest";
import { OptionError } from "./errors.ts";
import { defaultLimits, type Limits, limitRanges, resolveLimits } from "./limits.ts";

describe("limits", () => {
  test("are the defaults where nothing is given", () => {
    expect(resolveLimits()).toEqual(defaultLimits);
    expect(resolveLimits({ maxDepth: 10 })).toEqual({ ...defaultLimits, maxDepth: 10 });
  });

  test("have defaults within their ranges", () => {
    for (const [name, [min, max]] of Object.entries(limitRanges)) {
      expect(defaultLimits[name as keyof Limits]).toBeGreaterThanOrEqual(min);
      expect(defaultLimits[name as keyof Limits]).toBeLessThanOrEqual(max);
    }
  });

  test("that columns are sized by cannot be raised", () => {
    for (const name of ["maxKeyBytes", "maxStepNameBytes", "maxStepIdBytes"] as const)
      expect(() => resolveLimits({ [name]: defaultLimits[name] + 1 })).toThrow(OptionError);
  });

  test("out of range or unknown are refused", () => {
    expect(() => resolveLimits({ maxDepth: 0 })).toThrow(/^limits\.maxDepth: expected an integer from 1 to 200/);
    expect(() => resolveLimits({ maxDepht: 4 } as Partial<Limits>)).toThrow(/Did you mean maxDepth\?/);
  });
});
