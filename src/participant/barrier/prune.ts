import { describeValue, OptionError } from "../../core/errors.ts";
import { type ExecutionId, isUuid } from "../../core/ids.ts";
import type { Mode, Participant } from "../../core/participant.ts";
import { dialectOf } from "../dialect.ts";

const maxIdsPerTransaction = 500;

/**
 * Deletes the barrier rows of these executions and returns how many there were. Idempotent; each batch of 500 executions
 * is a commit of its own.
 *
 * What may be pruned is not a question of age: a barrier row is what makes a late or repeated call harmless, so it must
 * outlive the last such call and every execution that may still be resumed. Give it only executions that the engine knows
 * to have ended (completed, compensated, killed, discarded), and only when the longest time that a call of theirs can be on
 * its way has passed since: the step's attempt timeout, and the lease of a worker that may have been frozen. A parked
 * execution has not ended.
 *
 * @throws OPTION_INVALID for an id that is not an execution's.
 */
export async function pruneBarrier<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  executionIds: readonly ExecutionId[],
): Promise<number> {
  for (const id of executionIds) {
    if (!isUuid(id))
      throw new OptionError("executionIds", `pruneBarrier: expected ids of executions, found ${describeValue(id)}`);
  }
  const { prune } = dialectOf(on.port.dialect);
  let prunedCount = 0;
  for (let from = 0; from < executionIds.length; from += maxIdsPerTransaction) {
    prunedCount += await on.port.ask(prune(executionIds.slice(from, from + maxIdsPerTransaction)));
  }
  return prunedCount;
}
