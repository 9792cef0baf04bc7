// Replay: the function runs from the start and is handed the journal in order, one row at a time, microtasks drained between.
// Nothing new runs before the journal is used up; what it stands at then is the frontier.
import type { JournalRow } from "../core/journal.ts";
import type { Call } from "./calls.ts";
import type { Run } from "./run.ts";

/** A recorded step that the function does not reach, or reaches as another kind: the code has changed. */
export interface Drift {
  readonly step: string;
  readonly text: string;
}

/** How long a recorded step is waited for, where the function is busy with something that is not a step. */
const patienceMs = 5_000;
/** And where it stands at a step that nobody recorded: it has most likely taken another way. */
const standingPatienceMs = 500;
const lookMs = 5;

/** Resolves when the journal is used up, the function drifted from it, or the run ended. */
export async function replayJournal(run: Run): Promise<Drift | undefined> {
  await settleDown(run);
  for (const row of run.ledger.deliverable()) {
    const call = await reached(run, row);
    if (run.isDead) return;
    if (call === undefined)
      return {
        step: row.step,
        text: `step ${JSON.stringify(row.step)} is recorded, but the function did not reach it`,
      };
    if (call.ask.kind !== row.kind)
      return {
        step: row.step,
        text: `step ${JSON.stringify(row.step)} is recorded as ${row.kind}, but the function calls it as ${call.ask.kind}`,
      };
    call.row = run.ledger.row(row.step, call.role) ?? row;
    run.nowMs = row.at;
    run.results.deliver(call, call.row);
    await settleDown(run);
    if (run.isDead) return;
  }
  return undefined;
}

async function reached(run: Run, row: JournalRow): Promise<Call | undefined> {
  const { clock } = run.env;
  const began = clock.monotonicMs();
  for (;;) {
    const call = run.calls.get(row.step);
    if (call !== undefined || run.isDead) return call;
    const standsStill = [...run.calls.values()].some((one) => one.row === undefined);
    const longestMs = standsStill ? standingPatienceMs : patienceMs;
    if (run.hasFunctionEnded || clock.monotonicMs() - began >= longestMs) return undefined;
    await new Promise<void>((resolve) => void clock.after(lookMs, resolve));
  }
}

/** Lets the function do all it can: twice, since a macrotask may have been waiting. */
const settleDown = ({ env: { clock } }: Run): Promise<void> =>
  new Promise((resolve) => clock.soon(() => clock.soon(resolve)));
