import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Mode, Participant } from "../../core/participant.ts";
import { baseOf } from "../base.ts";

export interface PruneRecordsOptions {
  /** Records in one transaction. Default 500, 1 … 10 000. */
  readonly batch?: number;
  /** Ends the pruning after the batch that is under way. */
  readonly signal?: AbortSignal;
}

/**
 * Deletes the execution records whose retention is over, oldest first, and returns how many there were. Each batch is a commit of
 * its own; idempotent, and safe from several processes at once. A record that waits for a person, or is being processed,
 * stays. Workers of `makegood({ participants })` do this by themselves.
 *
 * After that the key is new again: a repeat that comes later than its retention takes effect again.
 *
 * @throws OPTION_INVALID, PARTICIPANT_NOT_MIGRATED.
 */
export async function pruneRecords<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  options: PruneRecordsOptions = {},
): Promise<number> {
  const base = baseOf(on, "pruneRecords");
  checkOptions(options, ["batch", "signal"], "pruneRecords");
  const batch = checkInteger(options.batch ?? 500, "pruneRecords.batch", 1, 10_000);
  let prunedCount = 0;
  for (;;) {
    const count = await base.alone(() => base.dialect.records.prune(batch), options.signal);
    prunedCount += count;
    if (count < batch || options.signal?.aborted === true) return prunedCount;
  }
}
