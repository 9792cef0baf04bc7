// Attempts of one step or one undo: how often, how far apart, how long each may take, and what a failure proves.

import { toMs } from "../core/duration.ts";
import { isRefusal, StepTimedOutError, type StoredError } from "../core/errors.ts";
import type { StepInfo } from "../core/job.ts";
import type { Role } from "../core/journal.ts";
import type { Awaitable } from "../core/participant.ts";
import { decideAfterFailure, type ResolvedRetry } from "../core/retry.ts";
import type { Call } from "./calls.ts";
import type { Run } from "./run.ts";
import { stepInfo } from "./step-info.ts";

export type Tried<T> =
  | { readonly kind: "ok"; readonly value: T; readonly attempt: number }
  /** `isUnknown`: the last attempt may have taken effect. */
  | { readonly kind: "failed"; readonly error: StoredError; readonly attempt: number; readonly isUnknown: boolean }
  /** The run ended, turned back, or is not mine any more: nothing follows. */
  | { readonly kind: "void" };

/** What one attempt came to. `isUnknown`: it may have taken effect. `free`: the infrastructure failed; repeated without spending an attempt, within reason. */
export type Try<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "failed" | "free"; readonly error: unknown; readonly isUnknown: boolean }
  | { readonly kind: "void" };

const maxFreeRepeats = 20;
const freePauseMs = 25;

export interface AttemptPlan {
  readonly role: Exclude<Role, "due">;
  readonly policy: ResolvedRetry;
  /** No attempt begins this long after the first one; null = no window. */
  readonly windowMs: number | null;
  /** Whether another attempt may still begin. */
  readonly mayGoOn: () => boolean;
}

type Once<T> = (attempt: number) => Awaitable<Try<T>>;

/** Tries until it succeeds, the policy ends it, or the run does. Never rejects for what the user's code does. */
export function attempting<T>(run: Run, call: Call, plan: AttemptPlan, once: Once<T>): Awaitable<Tried<T>> {
  if (run.ledger.attemptsOf(call.step, plan.role).length > 0 || !plan.mayGoOn())
    return goOnAttempting(run, call, plan, once);
  // Nearly every step succeeds at once: that way has no promise but the user's own.
  const firstAt = run.env.clock.now();
  const wasUnknown = call.isUnknown;
  noteInFlight(call, plan);
  return mapMaybe(
    once(1),
    (tried): Awaitable<Tried<T>> =>
      tried.kind === "ok"
        ? { kind: "ok", value: tried.value, attempt: 1 }
        : goOnAttempting(run, call, plan, once, { tried, firstAt, wasUnknown }),
  );
}

interface FirstAttempt<T> {
  readonly tried: Try<T>;
  readonly firstAt: number;
  readonly wasUnknown: boolean;
}

const isAction = (plan: AttemptPlan): boolean => plan.role === "action" || plan.role === "try";

/** While it is in flight nobody can say that it did not happen. */
function noteInFlight(call: Call, plan: AttemptPlan): void {
  if (isAction(plan)) call.isUnknown = true;
}

async function goOnAttempting<T>(
  run: Run,
  call: Call,
  plan: AttemptPlan,
  once: Once<T>,
  first?: FirstAttempt<T>,
): Promise<Tried<T>> {
  const { clock, random } = run.env;
  const past = run.ledger.attemptsOf(call.step, plan.role);
  const last = past[past.length - 1];
  const firstAt = first?.firstAt ?? past[0]?.at ?? clock.now();
  if (isAction(plan) && past.some((attempt) => attempt.isUnknown)) call.isUnknown = true;
  if (last !== undefined && last.nextAt > clock.now()) await run.restUntil(last.nextAt);
  let attempt = (last?.attempt ?? 0) + 1;
  let known = first;
  for (let freeCount = 0; known !== undefined || plan.mayGoOn(); ) {
    const wasUnknown = known?.wasUnknown ?? call.isUnknown;
    noteInFlight(call, plan);
    const tried = known?.tried ?? (await once(attempt));
    known = undefined;
    if (tried.kind === "void") return tried;
    if (tried.kind === "ok") return { kind: "ok", value: tried.value, attempt };
    if (isAction(plan) && !tried.isUnknown) call.isUnknown = wasUnknown;
    if (tried.kind === "free" && ++freeCount <= maxFreeRepeats) {
      await run.restUntil(clock.now() + freePauseMs * freeCount * (0.5 + random.next() / 2));
      continue;
    }
    const { isUnknown } = tried;
    const error = run.storedError(tried.error);
    const nowMs = clock.now();
    const deadlineMs = plan.windowMs === null ? undefined : firstAt + plan.windowMs;
    const next = decideAfterFailure(plan.policy, { attempt, error, random: random.next(), nowMs, deadlineMs });
    if (next.kind === "stop") return { kind: "failed", error, attempt, isUnknown };
    if (!plan.mayGoOn()) return { kind: "void" };
    run.noteAttempt({
      step: call.step,
      role: plan.role,
      attempt,
      at: nowMs,
      nextAt: next.atMs,
      isUnknown,
      error: run.encodeError(error),
    });
    run.env.log.debug(
      { executionId: run.id, step: call.step, role: plan.role, attempt, code: error.code, nextInMs: next.atMs - nowMs },
      error.message,
    );
    await run.restUntil(next.atMs);
    attempt++;
    freeCount = 0;
  }
  return { kind: "void" };
}

/** The signal of one attempt, made when somebody asks for it: most steps never do. */
export class AttemptSignal {
  #controller: AbortController | undefined;
  #reason: { readonly error: unknown } | undefined;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason.error);
    }
    return this.#controller.signal;
  }

  abort(error: unknown): void {
    this.#reason ??= { error };
    this.#controller?.abort(error);
  }
}

/**
 * Calls the user's function, for at most `timeoutMs` (0 = no limit). A late result is void; the signal tells the function.
 * What a synchronous function returns is there at once.
 */
export function calling<T>(
  run: Run,
  call: Call,
  role: Exclude<Role, "due">,
  attempt: number,
  timeoutMs: number,
  body: (info: StepInfo) => Awaitable<T>,
): Awaitable<Try<T>> {
  const abort = new AttemptSignal();
  run.inFlight.add(abort);
  const over = <R>(tried: R): R => {
    run.inFlight.delete(abort);
    return tried;
  };
  try {
    const result = body(stepInfo(run, call, role, attempt, abort));
    if (!isThenable(result)) return over({ kind: "ok", value: result as T });
    const late = (): StepTimedOutError => new StepTimedOutError(call.step, timeoutMs);
    const work = timeoutMs === 0 ? Promise.resolve(result) : within(run, result, timeoutMs, late, abort);
    return work.then(
      (value) => over({ kind: "ok", value }),
      (error: unknown) => over(failed(error)),
    );
  } catch (error) {
    return over(failed(error));
  }
}

const failed = (error: unknown): Try<never> => ({ kind: "failed", error, isUnknown: !isRefusal(error) });

/** `work`, or a rejection with `late()` after `timeoutMs`; the signal is aborted with the same error. */
export function within<T>(
  run: Run,
  work: PromiseLike<T>,
  timeoutMs: number,
  late: () => unknown,
  abort: AttemptSignal,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancelTimer = run.env.clock.after(timeoutMs, () => {
      const error = late();
      abort.abort(error);
      reject(error);
    });
    work.then(
      (value) => {
        cancelTimer();
        resolve(value);
      },
      (error: unknown) => {
        cancelTimer();
        reject(error);
      },
    );
  });
}

export const isThenable = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";

export const timeoutOf = (run: Run, timeout: Parameters<typeof toMs>[0] | undefined, call: Call): number =>
  timeout === undefined ? run.attemptTimeoutMs : toMs(timeout, `timeout of step ${call.step}`);

/** Maps a value, or a promise of it, without making a synchronous one asynchronous. */
export function mapMaybe<A, B>(value: Awaitable<A>, map: (value: A) => Awaitable<B>): Awaitable<B> {
  return isThenable(value) ? value.then(map) : map(value);
}
