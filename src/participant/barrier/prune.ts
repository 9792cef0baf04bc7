import { type Duration, toMs } from "../../core/duration.ts";
import { describeValue, OptionError } from "../../core/errors.ts";
import { type ExecutionId, isUuid, uuidV7 } from "../../core/ids.ts";
import { checkOptions } from "../../core/options.ts";
import type { Mode, Participant } from "../../core/participant.ts";
import { baseOf } from "../base.ts";

const maxIdsPerTransaction = 500;
const maxRowsPerTransaction = 1_000;
const minAgeMs = 86_400_000;

/**
 * Deletes barrier rows and returns how many there were: those of these executions, or those of all executions that began
 * longer ago than `startedBefore` (at least 1 day; for services without an engine). Idempotent; in batches, each a commit of
 * its own.
 *
 * What may be pruned is a question of what may still come: a barrier row is what makes a late or repeated call harmless, so
 * it must outlive the last such call and every execution that may still be resumed. Give ids only of executions that the
 * engine knows to have ended (completed, compensated, killed, discarded), and only when the longest time that a call of
 * theirs can be on its way has passed since: the step's attempt timeout, and the lease of a worker that may have been
 * frozen. A parked execution has not ended. An age must be longer than the longest execution of any caller, parked time
 * included.
 *
 * @throws OPTION_INVALID for an id that is not an execution's, or an age that is none.
 */
export async function pruneBarrier<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  which: readonly ExecutionId[] | { readonly startedBefore: Duration },
): Promise<number> {
  const base = baseOf(on, "pruneBarrier");
  const { dialect, clock } = base;
  let prunedCount = 0;
  if (Array.isArray(which)) {
    checkIds(which);
    for (let from = 0; from < which.length; from += maxIdsPerTransaction) {
      const ids = which.slice(from, from + maxIdsPerTransaction);
      prunedCount += await base.alone(() => dialect.prune(ids));
    }
    return prunedCount;
  }
  checkOptions(which, ["startedBefore"], "pruneBarrier");
  const ageMs = toMs((which as { readonly startedBefore: Duration }).startedBefore, "startedBefore", { min: minAgeMs });
  const firstId = uuidV7(clock.now() - ageMs, new Uint8Array(10));
  for (;;) {
    const count = await base.alone(() => dialect.pruneBefore(firstId, maxRowsPerTransaction));
    prunedCount += count;
    if (count < maxRowsPerTransaction) return prunedCount;
  }
}

function checkIds(ids: readonly unknown[]): void {
  for (const id of ids) {
    if (isUuid(id)) continue;
    throw new OptionError("executionIds", `pruneBarrier: expected ids of executions, found ${describeValue(id)}`);
  }
}
