// The two ends that a worker writes.
import type { StoredError } from "../core/errors.ts";
import type { Run } from "./run.ts";

export const noError: StoredError = {
  code: "ERROR",
  message: "the cause was not recorded",
  retryable: false,
  effect: "unknown",
};

interface Success {
  readonly result: Uint8Array | null;
  readonly error: null;
  readonly undoneCount: number;
}

/** Ends it as completed. With branches the outcome was kept with the decision; `confirmed` is its result, where this process knows. */
export async function complete(run: Run, outcome: Success | undefined, confirmed?: Uint8Array | null): Promise<void> {
  const { parent, holdsSlot } = run.claimed;
  const answer = await run.write({
    lease: run.lease,
    direction: "forward",
    transition: { name: "complete", ...(outcome === undefined ? {} : { outcome }), parent, holdsSlot },
  });
  if (run.isDead) return;
  if (answer.kind === "refused") return run.endRefused();
  const result = outcome?.result ?? confirmed ?? null;
  run.ended(
    { status: "completed", phase: run.phase, reason: null, undoneCount: 0, result, error: null, incidentId: null },
    outcome !== undefined || confirmed !== undefined,
  );
}

/** Ends it as compensated: the undo list is empty. */
export async function compensated(run: Run): Promise<void> {
  const { parent, holdsSlot } = run.claimed;
  const { undoneCount } = run.ledger;
  const error = run.encodeError(run.turn?.error ?? noError);
  await run.write({
    lease: run.lease,
    direction: "back",
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
