// Forward: a step's attempts, and the one write that settles it.
//
//   own transaction    effect and record in one commit; unknown COMMIT → read back under the guard row's lock
//   far transaction    effect, barrier row and stored result in one commit there; then the record by group commit
//   remote call        the same key on every attempt; then the record by group commit
//
// A final failure is not delivered to the function: it turns the execution back (or parks it). `ctx.attempt` is the
// exception: what may have happened of that step is undone first, then the failure comes back as a value.

import { CatalogError, type StoredError } from "../core/errors.ts";
import type { StepInfo } from "../core/job.ts";
import type { JournalRow } from "../core/journal.ts";
import type { Awaitable } from "../core/participant.ts";
import { resolveRetry } from "../core/retry.ts";
import {
  type AttemptPlan,
  AttemptSignal,
  attempting,
  calling,
  isThenable,
  mapMaybe,
  type Tried,
  type Try,
  timeoutOf,
  within,
} from "./attempts.ts";
import type { Ask, Call, ErasedRemote } from "./calls.ts";
import type { StartedChild } from "./children.ts";
import { findOwn, own, type StoredValue } from "./own-transaction.ts";
import { persist } from "./patience.ts";
import type { Run } from "./run.ts";
import { markOf, stepInfo } from "./step-info.ts";
import { undoCall } from "./undo.ts";

/** A promise only where something is waited for; may throw at once. */
export function perform(run: Run, call: Call): Awaitable<unknown> {
  const { ask } = call;
  switch (ask.kind) {
    case "step":
      return performRemote(run, call, ask.step, ask.step.run);
    case "tcc":
      return performRemote(run, call, ask.branch, ask.branch.try);
    case "attempt":
      return performAttempt(run, call, ask.step);
    case "tx":
    case "tcc-tx":
      return performTx(run, call, ask);
    case "start":
      return performStart(run, call, ask);
    case "pivot":
      return performPivot(run, call);
    case "sleep":
    case "wait":
    case "child":
      return;
  }
}

const forwardPlan = (run: Run, { role, step }: Call, retry: ErasedRemote["retry"]): AttemptPlan =>
  retry === undefined && role === run.plan.role
    ? run.plan
    : { ...run.plan, role, policy: resolveRetry(retry, run.retry, `retry of step ${step}`) };

type Failed = Extract<Tried<unknown>, { readonly kind: "failed" }>;

/** It did not happen: the last attempt was refused or rolled back, and nothing before it may have taken effect. */
const isCertain = (call: Call, failed: Failed): boolean => !failed.isUnknown && !call.isUnknown && !call.isDirty;

function concludeFailure(run: Run, call: Call, failed: Failed): Promise<void> {
  if (isCertain(call, failed)) call.refusal = failed.error;
  else call.isUnknown = true;
  return run.stepFailed(call, failed.error);
}

function performRemote(
  run: Run,
  call: Call,
  how: Pick<ErasedRemote, "retry" | "timeout">,
  body: (info: StepInfo) => Awaitable<unknown>,
): Awaitable<unknown> {
  const once = (attempt: number): Awaitable<Try<StoredValue>> =>
    mapMaybe(calling(run, call, call.role, attempt, timeoutOf(run, how.timeout, call), body), (tried) =>
      storable(run, call, tried),
    );
  return mapMaybe(attempting(run, call, forwardPlan(run, call, how.retry), once), (tried) => {
    if (tried.kind === "failed") return concludeFailure(run, call, tried);
    return tried.kind === "ok" ? settle(run, call, tried) : undefined;
  });
}

/** The value as it is stored and as replay will give it. A value that cannot be stored ends the attempts: its effect has happened. */
function storable(run: Run, call: Call, tried: Try<unknown>): Try<StoredValue> {
  if (tried.kind !== "ok") return tried;
  try {
    return { kind: "ok", value: run.env.formats.result.store(tried.value, `result of ${call.step}`) };
  } catch (error) {
    return { kind: "failed", error, isUnknown: true };
  }
}

function settle(
  run: Run,
  call: Call,
  { value: stored, attempt }: Extract<Tried<StoredValue>, { readonly kind: "ok" }>,
): void {
  call.landed = stored;
  if (run.isForward) run.results.record(call, call.role, "done", stored.bytes, attempt, stored.value);
}

// ── ctx.attempt ────────────────────────────────────────────────────────────────────────────────────────────────────

async function performAttempt(run: Run, call: Call, step: ErasedRemote): Promise<void> {
  const given = run.ledger.row(call.step, "action");
  // A crash came between giving up and the undo: go on with the undo.
  if (given?.state === "failed") return undoAttempt(run, call, run.decodeError(given.body));
  const once = (attempt: number): Awaitable<Try<unknown>> =>
    calling(run, call, "action", attempt, timeoutOf(run, step.timeout, call), step.run);
  const tried = await attempting(run, call, forwardPlan(run, call, step.retry), (attempt) =>
    mapMaybe(once(attempt), (one) => storable(run, call, one)),
  );
  if (tried.kind === "void" || !run.isForward) return;
  if (tried.kind === "ok") {
    call.landed = { value: tried.value.value };
    const value = { ok: true, value: tried.value.value };
    return run.results.record(call, "action", "done", tried.value.bytes, tried.attempt, value);
  }
  const { error } = tried;
  if (isCertain(call, tried)) {
    const value = { ok: false, error };
    return run.results.record(call, "action", "refused", run.encodeError(error), tried.attempt, value);
  }
  call.isUnknown = true;
  // Giving up is recorded before the undo: a new owner must never run the action again once its undo may have begun.
  const row = { ...run.newRow(call, "action", "failed", run.encodeError(error), tried.attempt) };
  const answer = await run.write({ lease: run.lease, direction: "forward", records: [row] });
  if (answer.kind !== "done") return;
  run.ledger.keep(row);
  await undoAttempt(run, call, error);
}

async function undoAttempt(run: Run, call: Call, error: StoredError): Promise<void> {
  const undone = await undoCall(run, call, { mayGoOn: () => run.isForward, direction: "forward" });
  if (undone.kind === "void") return;
  if (undone.kind === "failed")
    return run.park({ code: "COMPENSATION_FAILED", step: call.step, error: run.encodeError(undone.error) });
  const row: JournalRow = run.newRow(call, "compensation", "done", null, undone.attempt);
  const place = run.results.reserve();
  const answer = await run.write({ lease: run.lease, direction: "forward", records: [row] });
  if (answer.kind !== "done") return run.results.voided(place);
  const given = run.ledger.row(call.step, "action") ?? row;
  run.ledger.keep(row);
  run.results.settled(call, { ...given, seq: row.seq, at: row.at }, place, { value: { ok: false, error } });
}

// ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────────

type TxAsk = Extract<Ask, { readonly kind: "tx" | "tcc-tx" }>;

async function performTx(run: Run, call: Call, ask: TxAsk): Promise<void> {
  const retry = ask.kind === "tx" ? ask.step.retry : ask.branch.retry;
  const forward = ask.kind === "tx" ? ask.step.run : ask.branch.try;
  const timeoutMs = timeoutOf(run, ask.kind === "tx" ? ask.step.timeout : undefined, call);
  const plan = forwardPlan(run, call, retry);
  let delivered = false;
  let isOwn: boolean | undefined;
  const tried = await attempting(run, call, plan, async (attempt): Promise<Try<StoredValue>> => {
    const found = await findOwn(run, ask.on, plan);
    if (found.kind !== "ok") return found;
    isOwn = found.value;
    const body = timed(run, call, attempt, timeoutMs, (tx, info) =>
      mapMaybe(forward(tx, info), (value) => run.env.formats.result.store(value, `result of ${call.step}`)),
    );
    if (!isOwn) return far(run, call, ask, body);
    const outcome = await own(
      run,
      call,
      ask.on,
      "forward",
      (bytes) => run.newRow(call, call.role, "done", bytes, attempt),
      body,
    );
    if (outcome.kind !== "landed") return outcome;
    delivered = true;
    run.results.settled(call, outcome.row, outcome.place, { value: outcome.stored.value });
    return { kind: "ok", value: outcome.stored };
  });
  if (delivered || tried.kind === "void") return;
  if (tried.kind === "failed") {
    // In the engine's own database nothing can have happened that is not recorded.
    if (isOwn) {
      call.refusal = tried.error;
      return run.stepFailed(call, tried.error);
    }
    return concludeFailure(run, call, tried);
  }
  settle(run, call, tried);
}

async function far(
  run: Run,
  call: Call,
  ask: TxAsk,
  body: (tx: unknown) => StoredValue | PromiseLike<StoredValue>,
): Promise<Try<StoredValue>> {
  let ran: StoredValue | undefined;
  const op = call.role === "try" ? "try" : "action";
  const began = await ask.on.act(markOf(run, call), op, (tx) =>
    mapMaybe(body(tx), (stored) => {
      ran = stored;
      return stored.bytes;
    }),
  );
  switch (began.kind) {
    case "ran":
      return { kind: "ok", value: ran ?? { bytes: began.result, value: run.env.formats.result.decode(began.result) } };
    case "stored":
      return { kind: "ok", value: { bytes: began.result, value: run.env.formats.result.decode(began.result) } };
    case "blocked":
      return blocked(run, call);
    case "threw":
      return { kind: "failed", error: began.error, isUnknown: false };
    case "unavailable":
      return { kind: "free", error: began.error, isUnknown: false };
    case "unknown":
      // The barrier answers the repeat.
      return { kind: "free", error: began.error, isUnknown: true };
  }
}

/** The undo of this very step came first, so another owner is at work; if none is, a person must look. */
async function blocked(run: Run, call: Call): Promise<Try<never>> {
  const answer = await run.write({ lease: run.lease, direction: "forward" });
  if (answer.kind === "done") {
    const error = new CatalogError(
      "INVARIANT",
      `the barrier of ${call.step} says that it was undone, but the journal does not`,
      { step: call.step },
    );
    run.fail(error);
  }
  return { kind: "void" };
}

/** A body that loses its right to commit when its time is over: what it still does is rolled back. */
function timed<T>(
  run: Run,
  call: Call,
  attempt: number,
  timeoutMs: number,
  body: (tx: unknown, info: StepInfo) => T | PromiseLike<T>,
): (tx: unknown) => T | PromiseLike<T> {
  return (tx) => {
    const abort = new AttemptSignal();
    const result = body(tx, stepInfo(run, call, call.role, attempt, abort));
    if (!isThenable(result) || timeoutMs === 0) return result;
    const late = (): CatalogError =>
      new CatalogError("STEP_TIMED_OUT", `${call.step} did not end within ${timeoutMs} ms; it was rolled back`, {
        step: call.step,
        timeoutMs,
      });
    return within(run, result as PromiseLike<T>, timeoutMs, late, abort);
  };
}

// ── Children, pivot ────────────────────────────────────────────────────────────────────────────────────────────────

async function performStart(run: Run, call: Call, ask: Extract<Ask, { readonly kind: "start" }>): Promise<void> {
  let child: Awaited<ReturnType<typeof ask.prepare>>;
  try {
    child = await ask.prepare();
  } catch (error) {
    // The input or the key is wrong: a mistake of the function, which it may hear of.
    call.reject(error);
    return;
  }
  if (!run.isForward) return;
  const { job, key } = child;
  const taken =
    key === null
      ? null
      : await persist(run, () => run.env.store.reads.findByKey({ namespace: child.namespace, job, key }));
  if (taken === undefined || !run.isForward) return;
  // Should another start take the key between this look and the commit, the handle finds that one by the key.
  const started: StartedChild = { id: taken?.id ?? child.id, isNew: taken === null, job, key };
  const stored = run.env.formats.result.store(started, "child");
  const children = taken === null ? [child] : [];
  const outcome = { value: run.childHandle(started) };
  const answer = await run.results.recordFirst(call, "action", "done", stored.bytes, 1, { children, outcome });
  if (answer.kind === "done") run.workStarted();
}

async function performPivot(run: Run, call: Call): Promise<void> {
  if (run.phase !== "open") return call.resolve(undefined);
  const row = run.newRow(call, "action", "done", null, 1);
  const place = run.results.reserve();
  const answer = await run.write({
    lease: run.lease,
    direction: "forward",
    records: [row],
    transition: { name: "pivot" },
  });
  if (answer.kind === "done") {
    run.phase = "pivoted";
    return run.results.settled(call, row, place, { value: undefined });
  }
  run.results.voided(place);
  if (answer.kind === "refused" && answer.cancel !== null) run.cancel(answer.cancel);
}
