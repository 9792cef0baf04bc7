// Back: the undo list in descending order of start, one at a time, the next only after the last is recorded.

import { toMs } from "../core/duration.ts";
import { CatalogError } from "../core/errors.ts";
import { isTerminal } from "../core/execution.ts";
import type { StepInfo } from "../core/job.ts";
import type { JournalRow } from "../core/journal.ts";
import type { Awaitable } from "../core/participant.ts";
import { type ResolvedRetry, resolveRetry } from "../core/retry.ts";
import { AttemptSignal, attempting, calling, mapMaybe, type Tried, type Try, timeoutOf } from "./attempts.ts";
import { type Call, type ErasedUndo, isEffectful } from "./calls.ts";
import { endingOf, type StartedChild } from "./children.ts";
import { compensated } from "./endings.ts";
import { findOwn, own } from "./own-transaction.ts";
import { persist } from "./patience.ts";
import type { Run } from "./run.ts";
import { markOf, stepInfo, undoInfo } from "./step-info.ts";

/** Without a policy of its own an undo is more patient than the step was. */
const patient = { maxAttempts: 10 } as const;
const windowAttempts = 1_000;

/** Undoes what happened or may have, then ends the execution as compensated; parks it where an undo fails for good. */
export function undoAll(run: Run): Promise<void> {
  return run.whileActive(async () => {
    await run.calm();
    const list = [...run.calls.values()].filter((call) => needsUndo(run, call)).sort((a, b) => b.started - a.started);
    // The row of an undo goes out before the next one begins; that of the last one goes with the end.
    let unwritten: JournalRow | undefined;
    for (const call of list) {
      if (unwritten !== undefined && !(await recordUndo(run, unwritten))) return;
      unwritten = undefined;
      if (run.isDead) return;
      const undone = await undoOne(run, call);
      if (undone === "over") return;
      if (undone !== "recorded") unwritten = undone;
    }
    if (!run.isDead) await compensated(run, unwritten);
  });
}

/** False when the run is over. */
async function recordUndo(run: Run, row: JournalRow): Promise<boolean> {
  const answer = await run.write({ lease: run.lease, direction: "back", records: [row] });
  if (answer.kind !== "done") return false;
  run.ledger.keep(row);
  return true;
}

/** Done, or perhaps happened, and not undone. */
function needsUndo(run: Run, call: Call): boolean {
  if (!isEffectful(call.ask.kind) || run.ledger.has(call.step, "compensation", "cancel")) return false;
  const row = run.ledger.row(call.step, call.role);
  if (row !== undefined) return row.state !== "refused";
  if (call.refusal !== undefined) return false;
  // A child is in one commit with its record. An own transaction too; whether it is one, `undoTx` asks.
  return call.ask.kind !== "start" && (call.landed !== undefined || call.isUnknown || call.isDirty);
}

/** The row that records the undo, if it is to be written yet; `over` when the run ended, or was parked. */
async function undoOne(run: Run, call: Call): Promise<JournalRow | "recorded" | "over"> {
  const role = call.role === "try" ? "cancel" : "compensation";
  const undone = await undoCall(run, call, { mayGoOn: () => !run.isDead, direction: "back" });
  if (undone.kind === "void") return "over";
  if (undone.kind === "failed") {
    await run.park({ code: "COMPENSATION_FAILED", step: call.step, error: run.encodeError(undone.error) });
    return "over";
  }
  if (undone.value === "recorded" || undone.value === "nothing") return "recorded";
  return run.newRow(call, role, "done", null, undone.attempt);
}

/** `ran`: undone, to be recorded. `recorded`: undone and recorded in one commit. `nothing`: there is nothing to undo or to record. */
type Undone = "ran" | "recorded" | "nothing";
interface UndoPlan {
  readonly mayGoOn: () => boolean;
  readonly direction: "forward" | "back";
}

export async function undoCall(run: Run, call: Call, plan: UndoPlan): Promise<Tried<Undone>> {
  const { ask } = call;
  const nothing: Tried<Undone> = { kind: "ok", value: "nothing", attempt: 1 };
  switch (ask.kind) {
    case "step":
    case "attempt":
      return ask.step.compensate === undefined
        ? nothing
        : undoRemote(
            run,
            call,
            plan,
            "compensation",
            ask.step.compensate,
            ask.step.timeout,
            ask.step.retry,
            ask.step.within,
          );
    case "tcc":
      return undoRemote(
        run,
        call,
        plan,
        "cancel",
        ask.branch.cancel as ErasedUndo,
        ask.branch.timeout,
        ask.branch.retry,
        ask.branch.within,
      );
    case "tx":
    case "tcc-tx":
      return undoTx(run, call, plan);
    case "start":
      return ask.onUndo === "leave" ? nothing : undoStart(run, call);
    case "sleep":
    case "wait":
    case "child":
    case "pivot":
      return nothing;
  }
}

function policyOf(
  run: Run,
  call: Call,
  retry: Parameters<typeof resolveRetry>[0],
  within: Parameters<typeof toMs>[0] | undefined,
): { readonly policy: ResolvedRetry; readonly windowMs: number | null } {
  const windowMs = within === undefined ? null : toMs(within, `within of step ${call.step}`);
  const base = resolveRetry({ maxAttempts: windowMs === null ? patient.maxAttempts : windowAttempts }, run.retry);
  return { policy: resolveRetry(retry, base, `retry of step ${call.step}`), windowMs };
}

function undoRemote(
  run: Run,
  call: Call,
  plan: UndoPlan,
  role: "compensation" | "cancel",
  undo: ErasedUndo,
  timeout: Parameters<typeof timeoutOf>[1],
  retry: Parameters<typeof resolveRetry>[0],
  within: Parameters<typeof toMs>[0] | undefined,
): Awaitable<Tried<Undone>> {
  const known = knownResult(run, call);
  const body = (info: StepInfo): Awaitable<unknown> => undo(undoInfo(info, known));
  const ran = (tried: Try<unknown>): Try<Undone> => (tried.kind === "ok" ? { kind: "ok", value: "ran" } : tried);
  return attempting(run, call, { role, ...policyOf(run, call, retry, within), mayGoOn: plan.mayGoOn }, (attempt) =>
    mapMaybe(calling(run, call, role, attempt, timeoutOf(run, timeout, call), body), ran),
  );
}

function knownResult(run: Run, call: Call): { readonly value: unknown } | undefined {
  const row = run.ledger.row(call.step, call.role);
  if (row?.state === "done") return { value: run.env.formats.result.decode(row.body) };
  return call.landed;
}

async function undoTx(run: Run, call: Call, plan: UndoPlan): Promise<Tried<Undone>> {
  const { ask } = call;
  if (ask.kind !== "tx" && ask.kind !== "tcc-tx") throw new CatalogError("INVARIANT", "undoTx of another kind", {});
  const role = ask.kind === "tx" ? "compensation" : "cancel";
  const undo = ask.kind === "tx" ? ask.step.compensate : ask.branch.cancel;
  const { retry, within } = ask.kind === "tx" ? ask.step : ask.branch;
  const row = run.ledger.row(call.step, call.role);
  // Done and not to be undone. A far one that only may have happened still gets its tombstone, so that a late one is blocked.
  if (undo === undefined && row?.state === "done") return { kind: "ok", value: "nothing", attempt: 1 };
  return attempting(
    run,
    call,
    { role, ...policyOf(run, call, retry, within), mayGoOn: plan.mayGoOn },
    async (attempt): Promise<Try<Undone>> => {
      const found = await findOwn(run, ask.on, plan);
      if (found.kind !== "ok") return found;
      const isOwn = found.value;
      // Effect and record are one commit there, so without the record there is no effect: the turn fenced late ones off.
      if (isOwn && row?.state !== "done") return { kind: "ok", value: "nothing" };
      const body = (tx: unknown, bytes: Uint8Array | null): unknown =>
        undo?.(tx, run.env.formats.result.decode(bytes), stepInfo(run, call, role, attempt, new AttemptSignal()));
      if (isOwn) {
        const outcome = await own(
          run,
          call,
          ask.on,
          plan.direction,
          () => run.newRow(call, role, "done", null, attempt),
          (tx) => mapMaybe(body(tx, row?.body ?? null), () => ({ bytes: null, value: undefined })),
        );
        if (outcome.kind !== "landed") return outcome;
        run.results.voided(outcome.place);
        run.ledger.keep(outcome.row);
        return { kind: "ok", value: "recorded" };
      }
      const began = await ask.on.undo(markOf(run, call), role, (tx, bytes) => body(tx, bytes) as Awaitable<void>);
      switch (began.kind) {
        case "undone":
        case "already":
          return { kind: "ok", value: "ran" };
        case "empty":
          return { kind: "ok", value: "nothing" };
        case "threw":
          return { kind: "failed", error: began.error, isUnknown: false };
        case "unavailable":
        case "unknown":
          return { kind: "free", error: began.error, isUnknown: false };
      }
    },
  );
}

/**
 * Children first: asks the child to cancel and waits for its end. One that had completed, or is past its pivot, stays. One that
 * is on its way back already, of an earlier life's asking or by itself, refuses too, and is waited for.
 */
async function undoStart(run: Run, call: Call): Promise<Tried<Undone>> {
  const row: JournalRow | undefined = run.ledger.row(call.step, "action");
  const child = row === undefined ? undefined : (run.env.formats.result.decode(row.body) as StartedChild);
  const { commands } = run.env.store;
  const nothing: Tried<Undone> = { kind: "ok", value: "nothing", attempt: 1 };
  if (child?.isNew !== true) return nothing;
  const actor = { kind: "system", id: `execution:${run.id}` } as const;
  const asked = await persist(run, () =>
    commands.cancel({ id: child.id, reason: "canceled", actor, note: "its parent turned back" }),
  );
  if (asked === undefined) return { kind: "void" };
  if (asked.kind === "accepted") run.newsForOther(child.id);
  const found = await persist(run, () => endingOf(run, child));
  if (found === undefined) return { kind: "void" };
  if (found.ending === undefined || isTerminal(found.ending.status)) return { kind: "ok", value: "ran", attempt: 1 };
  if (asked.kind === "refused" && asked.phase !== "back") return nothing;
  await run.env.engagements.wait(found.id, false);
  return run.isDead ? { kind: "void" } : { kind: "ok", value: "ran", attempt: 1 };
}
