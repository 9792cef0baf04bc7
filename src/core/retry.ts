import { type Duration, toMs } from "./duration.ts";
import { describeValue, OptionError, type StoredError } from "./errors.ts";
import { checkInteger, checkNumber, checkOptions } from "./options.ts";

export interface RetryPolicy {
  /** Attempts in all, the first one included. Default 4, 1 … 1000. */
  readonly maxAttempts?: number;
  readonly backoff?: Backoff;
  /** The part of each pause that is left to chance: 0 none, 1 all of it. Default 0.5. */
  readonly jitter?: number;
  /**
   * Asked after each failed attempt that could be followed by another; `attempt` counts from 1. `retryAfter` overrides the
   * pause, jitter and `backoff.max` (a server's Retry-After). Not asked for errors that end the attempts by themselves.
   * Must be synchronous. If it throws or returns anything else, the failure is treated as if it had said "retry": a
   * mistake in it must not decide that a transaction turns back, and the attempts are bounded anyway.
   */
  readonly decide?: (error: StoredError, attempt: number) => RetryDecision;
}

export interface Backoff {
  /** The pause after the first attempt. Default 200 ms. */
  readonly initial?: Duration;
  /** The longest pause. Default 30 s. */
  readonly max?: Duration;
  /** Each pause is this many times the one before. Default 2, 1 … 100. */
  readonly factor?: number;
}

export type RetryDecision = "retry" | "stop" | { readonly retryAfter: Duration };

export interface ResolvedRetry {
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: number;
  readonly decide: RetryPolicy["decide"] | undefined;
}

export const defaultRetry: ResolvedRetry = {
  maxAttempts: 4,
  initialMs: 200,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  decide: undefined,
};

/**
 * The policy with what it leaves open taken from `base`. Throws OPTION_INVALID for unknown options, values out of range,
 * and an `initial` above `max`; where only one of those two is given, the other one makes room for it.
 */
export function resolveRetry(
  policy: RetryPolicy | undefined,
  base: ResolvedRetry = defaultRetry,
  where = "retry",
): ResolvedRetry {
  if (policy === undefined) return base;
  checkOptions(policy, ["maxAttempts", "backoff", "jitter", "decide"], where);
  const { decide } = policy;
  if (decide !== undefined && typeof decide !== "function")
    throw new OptionError(`${where}.decide`, `${where}.decide: expected a function, found ${describeValue(decide)}`);
  return {
    maxAttempts: checkInteger(policy.maxAttempts ?? base.maxAttempts, `${where}.maxAttempts`, 1, 1_000),
    jitter: checkNumber(policy.jitter ?? base.jitter, `${where}.jitter`, 0, 1),
    decide: decide ?? base.decide,
    ...resolveBackoff(policy.backoff ?? {}, base, `${where}.backoff`),
  };
}

function resolveBackoff(
  backoff: Backoff,
  base: ResolvedRetry,
  where: string,
): Pick<ResolvedRetry, "initialMs" | "maxMs" | "factor"> {
  checkOptions(backoff, ["initial", "max", "factor"], where);
  const initial = backoff.initial === undefined ? undefined : toMs(backoff.initial, `${where}.initial`);
  const max = backoff.max === undefined ? undefined : toMs(backoff.max, `${where}.max`);
  if (initial !== undefined && max !== undefined && initial > max)
    throw new OptionError(where, `${where}: expected initial to be at most max, found ${initial} ms above ${max} ms`);
  return {
    initialMs: initial ?? Math.min(base.initialMs, max ?? base.maxMs),
    maxMs: max ?? Math.max(base.maxMs, initial ?? 0),
    factor: checkNumber(backoff.factor ?? base.factor, `${where}.factor`, 1, 100),
  };
}

/**
 * The pause after a failed attempt, in whole ms:
 *
 *     raw   = min(maxMs, initialMs * factor ^ (attempt - 1))
 *     pause = raw * (1 - jitter * random)
 *
 * so it lies within [raw * (1 - jitter), raw]. With jitter 1 it is the "full jitter", with 0.5 the "equal jitter" of Marc
 * Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. `random` is in [0, 1).
 */
export function backoffMs(
  policy: Pick<ResolvedRetry, "initialMs" | "maxMs" | "factor" | "jitter">,
  attempt: number,
  random: number,
): number {
  if (policy.initialMs === 0) return 0;
  const raw = Math.floor(Math.min(policy.maxMs, policy.initialMs * policy.factor ** (attempt - 1)));
  return Math.ceil(raw * (1 - policy.jitter * random));
}

export interface FailedAttempt {
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly error: StoredError;
  /** In [0, 1). */
  readonly random: number;
  readonly nowMs: number;
  /** No attempt begins at or after this instant (a compensation's `within`). */
  readonly deadlineMs?: number | undefined;
}

export type AfterFailure =
  | { readonly kind: "retry"; readonly atMs: number }
  | { readonly kind: "stop"; readonly why: "non-retryable" | "attempts" | "decided" | "window" };

/** What follows a failed attempt: another one at an instant, or none, and why. Never throws. */
export function decideAfterFailure(policy: ResolvedRetry, failed: FailedAttempt): AfterFailure {
  if (!failed.error.retryable) return { kind: "stop", why: "non-retryable" };
  if (failed.attempt >= policy.maxAttempts) return { kind: "stop", why: "attempts" };
  const decided = askUser(policy, failed);
  if (decided === "stop") return { kind: "stop", why: "decided" };
  const atMs =
    failed.nowMs + (decided === "retry" ? backoffMs(policy, failed.attempt, failed.random) : decided.afterMs);
  if (failed.deadlineMs !== undefined && atMs >= failed.deadlineMs) return { kind: "stop", why: "window" };
  return { kind: "retry", atMs };
}

function askUser(policy: ResolvedRetry, failed: FailedAttempt): "retry" | "stop" | { readonly afterMs: number } {
  try {
    const decision = policy.decide?.(failed.error, failed.attempt);
    if (decision === "stop") return "stop";
    if (typeof decision === "object") return { afterMs: toMs(decision.retryAfter, "retryAfter") };
  } catch {
    // Treated as "retry"; see `decide`.
  }
  return "retry";
}
