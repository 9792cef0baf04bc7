import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { OptionError, type StoredError } from "./errors.ts";
import {
  backoffMs,
  decideAfterFailure,
  defaultRetry,
  type FailedAttempt,
  type ResolvedRetry,
  type RetryDecision,
  type RetryPolicy,
  resolveRetry,
} from "./retry.ts";

const error: StoredError = { code: "ERROR", message: "no", retryable: true, effect: "unknown" };
const failed = (more: Partial<FailedAttempt> = {}): FailedAttempt => ({
  attempt: 1,
  error,
  random: 0,
  nowMs: 1_000,
  ...more,
});

describe("a retry policy", () => {
  test("is the default where nothing is given", () => {
    expect(resolveRetry(undefined)).toBe(defaultRetry);
    expect(resolveRetry({})).toEqual(defaultRetry);
  });

  test("takes what it leaves open from its base", () => {
    const base = resolveRetry({ maxAttempts: 9, backoff: { initial: "1s", max: "1m", factor: 3 }, jitter: 0 });
    expect(resolveRetry({ jitter: 1 }, base)).toEqual({ ...base, jitter: 1 });
  });

  test("makes room where only one bound of the pause is given", () => {
    expect(resolveRetry({ backoff: { max: "100ms" } })).toMatchObject({ initialMs: 100, maxMs: 100 });
    expect(resolveRetry({ backoff: { initial: "5m" } })).toMatchObject({ initialMs: 300_000, maxMs: 300_000 });
  });

  const refused: readonly unknown[] = [
    { maxAttempts: 0 },
    { maxAttempts: 1_001 },
    { maxAttempts: 1.5 },
    { jitter: 1.1 },
    { jitter: -0.1 },
    { jitter: Number.NaN },
    { backoff: { factor: 0.5 } },
    { backoff: { initial: "2s", max: "1s" } },
    { backoff: { initial: "soon" } },
    { backoff: { delay: 5 } },
    { attempts: 3 },
    { decide: "retry" },
    { backoff: 5 },
    "often",
    null,
  ];
  test.each(refused)("%o is refused", (policy) => {
    expect(() => resolveRetry(policy as RetryPolicy)).toThrow(OptionError);
  });
});

const policies = fc
  .record({
    initialMs: fc.integer({ min: 0, max: 100_000 }),
    maxMs: fc.integer({ min: 0, max: 3_600_000 }),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .filter((policy) => policy.initialMs <= policy.maxMs);
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempts = fc.integer({ min: 1, max: 1_000 });

describe("the pause between attempts", () => {
  test("lies within [raw * (1 - jitter), raw], in whole ms, and never above the maximum", () => {
    fc.assert(
      fc.property(policies, attempts, chance, (policy, attempt, random) => {
        const raw = backoffMs({ ...policy, jitter: 0 }, attempt, random);
        const pause = backoffMs(policy, attempt, random);
        expect(Number.isInteger(pause)).toBe(true);
        expect(raw).toBeLessThanOrEqual(policy.maxMs);
        expect(pause).toBeLessThanOrEqual(raw);
        expect(pause).toBeGreaterThanOrEqual(raw * (1 - policy.jitter));
      }),
    );
  });

  test("without chance never shrinks from one attempt to the next", () => {
    fc.assert(
      fc.property(policies, attempts, (policy, attempt) => {
        const plain = { ...policy, jitter: 0 };
        return backoffMs(plain, attempt + 1, 0) >= backoffMs(plain, attempt, 0);
      }),
    );
  });

  test("follows the documented formula", () => {
    const policy = { initialMs: 200, maxMs: 30_000, factor: 2, jitter: 0.5 };
    expect([1, 2, 3, 4, 8, 9, 1_000].map((attempt) => backoffMs(policy, attempt, 0))).toEqual([
      200, 400, 800, 1_600, 25_600, 30_000, 30_000,
    ]);
    expect(backoffMs(policy, 1, 0.5)).toBe(150);
  });
});

describe("after a failed attempt", () => {
  const ask = (decide: RetryPolicy["decide"]): ResolvedRetry => ({ ...defaultRetry, jitter: 0, decide });

  test("an error that ends the attempts stops, and is not put to the user", () => {
    const decide = vi.fn(() => "retry" as const);
    expect(decideAfterFailure(ask(decide), failed({ error: { ...error, retryable: false } }))).toEqual({
      kind: "stop",
      why: "non-retryable",
    });
    expect(decide).not.toHaveBeenCalled();
  });

  test("the last attempt stops", () => {
    expect(decideAfterFailure(defaultRetry, failed({ attempt: 4 }))).toEqual({ kind: "stop", why: "attempts" });
    expect(decideAfterFailure(defaultRetry, failed({ attempt: 3 })).kind).toBe("retry");
  });

  test("the user's decision is followed", () => {
    expect(
      decideAfterFailure(
        ask(() => "stop"),
        failed(),
      ),
    ).toEqual({ kind: "stop", why: "decided" });
    expect(
      decideAfterFailure(
        ask(() => "retry"),
        failed(),
      ),
    ).toEqual({ kind: "retry", atMs: 1_200 });
    expect(
      decideAfterFailure(
        ask(() => ({ retryAfter: "2m" })),
        failed(),
      ),
    ).toEqual({ kind: "retry", atMs: 121_000 });
  });

  test("the user is asked with the stored error and the number of the attempt", () => {
    const decide = vi.fn(() => "stop" as const);
    decideAfterFailure(ask(decide), failed({ attempt: 2 }));
    expect(decide).toHaveBeenCalledExactlyOnceWith(error, 2);
  });

  const nonsense: readonly (() => unknown)[] = [
    () => {
      throw new TypeError("a mistake");
    },
    () => undefined,
    () => null,
    () => "never",
    () => Promise.resolve("stop"),
    () => ({ retryAfter: -5 }),
    () => ({}),
  ];
  test.each(nonsense)("a decision that is none retries as if there were no decide (%#)", (decide) => {
    expect(decideAfterFailure(ask(decide as () => RetryDecision), failed())).toEqual({ kind: "retry", atMs: 1_200 });
  });

  test("no attempt begins at or behind the window's end", () => {
    const policy = { ...defaultRetry, jitter: 0 };
    expect(decideAfterFailure(policy, failed({ deadlineMs: 1_200 }))).toEqual({ kind: "stop", why: "window" });
    expect(decideAfterFailure(policy, failed({ deadlineMs: 1_201 }))).toEqual({ kind: "retry", atMs: 1_200 });
  });

  test("an attempt that follows is neither in the past nor beyond count and window", () => {
    fc.assert(
      fc.property(
        policies,
        attempts,
        chance,
        fc.option(fc.integer({ min: 0, max: 1e7 }), { nil: undefined }),
        (policy, attempt, random, deadlineMs) => {
          const next = decideAfterFailure(
            { ...policy, maxAttempts: 500, decide: undefined },
            { attempt, error, random, nowMs: 5_000, deadlineMs },
          );
          if (next.kind === "stop") return;
          expect(attempt).toBeLessThan(500);
          expect(next.atMs).toBeGreaterThanOrEqual(5_000);
          if (deadlineMs !== undefined) expect(next.atMs).toBeLessThan(deadlineMs);
        },
      ),
    );
  });
});
