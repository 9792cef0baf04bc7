// The two ends that a worker writes.
import type { StoredError } from "../core/errors.ts";
import type { JournalRow } from "../core/journal.ts";
import { arrivalsOf } from "./follow/arrival.ts";
import type { Run } from "./run.ts";

export const noError: StoredError = {
  code: "ERROR",
  message: "the cause was not recorded",
  retryable: false,
  effect: "unknown",
};

/** What completes an execution. */
interface Completion {
  /** What is kept with the end; without it, it was kept with the decision to confirm. */
  readonly outcome?: { readonly result: Uint8Array | null; readonly error: null; readonly undoneCount: number };
  /** The result that was kept with the decision, where this process knows it. */
  readonly confirmed?: Uint8Array | null | undefined;
  /** The last row, written with the end. */
  readonly row?: JournalRow | undefined;
}

/** Ends it as completed, with the arrivals at what follows it. */
export async function complete(run: Run, { outcome, confirmed, row }: Completion): Promise<void> {
  const { job, parent, holdsSlot } = run.claimed;
  const followers = run.env.followers.of(job);
  const children = followers === undefined ? undefined : await arrivalsOf(run, followers);
  if (run.isDead) return;
  const answer = await run.write({
    lease: run.lease,
    direction: "forward",
    ...(row && { records: [row] }),
    ...(children && { children }),
    transition: { name: "complete", ...(outcome && { outcome }), parent, holdsSlot },
  });
  if (run.isDead) return;
  if (answer.kind === "refused") return run.endRefused();
  const result = outcome?.result ?? confirmed ?? null;
  run.ended(
    { status: "completed", phase: run.phase, reason: null, undoneCount: 0, result, error: null, incidentId: null },
    outcome !== undefined || confirmed !== undefined,
  );
  if (children !== undefined && children.length > 0) run.workStarted();
}

/** Ends it as compensated: the undo list is empty but for `row`, which is written with the end. */
export async function compensated(run: Run, row: JournalRow | undefined): Promise<void> {
  const { parent, holdsSlot } = run.claimed;
  const undoneCount = run.ledger.undoneCount + (row === undefined ? 0 : 1);
  const error = run.encodeError(run.turn?.error ?? noError);
  await run.write({
    lease: run.lease,
    direction: "back",
    ...(row && { records: [row] }),
    transition: { name: "compensated", outcome: { result: null, error, undoneCount }, parent, holdsSlot },
  });
  if (run.isDead) return;
  run.ended({
    status: "compensated",
    phase: "back",
    reason: run.turn?.reason ?? "failed",
    undoneCount,
    result: null,
    error,
    incidentId: null,
  });
}
