import { type Duration, toMs } from "../../core/duration.ts";
import type { HeldLock, LockOptions, LockOutcome } from "../../core/lock.ts";
import { checkOptions } from "../../core/options.ts";
import type { Awaitable, Mode, Participant } from "../../core/participant.ts";
import { type LockStore, withLock } from "../../lock/lock.ts";
import { type Base, baseOf } from "../base.ts";
import { lockSqlOf } from "./lock-sql.ts";

/** Locks in rows of the participant's database, in transactions of their own. */
export function lockOf<Tx, M extends Mode>(base: Base<Tx, M>) {
  const sql = lockSqlOf[base.dialect.name];
  const store: LockStore = {
    acquire: (...of) => base.apart(() => sql.acquire(...of)),
    renew: (...of) => base.apart(() => sql.renew(...of)),
    release: (...of) => base.apart(() => sql.release(...of)),
  };
  return <R>(name: string, options: LockOptions, run: (lock: HeldLock) => Awaitable<R>): Promise<LockOutcome<R>> =>
    withLock(store, base, name, options, run);
}

const maxRowsPerTransaction = 500;
const minUnusedMs = 3_600_000;

/**
 * Deletes the rows of locks that nobody has held for `unusedFor` (at least 1 h) and returns how many there were; for
 * programs that lock by ever new names. Idempotent; in batches, each a commit of its own. Fences go on growing afterwards,
 * unless the database's clock is set back by more than that.
 *
 * @throws OPTION_INVALID
 */
export async function pruneLocks<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  options: { readonly unusedFor: Duration },
): Promise<number> {
  const base = baseOf(on, "pruneLocks");
  checkOptions(options, ["unusedFor"], "pruneLocks");
  const unusedMs = toMs(options.unusedFor, "unusedFor", { min: minUnusedMs });
  const { prune } = lockSqlOf[base.dialect.name];
  for (let prunedCount = 0; ; ) {
    const count = await base.apart(() => prune(unusedMs, maxRowsPerTransaction));
    prunedCount += count;
    if (count < maxRowsPerTransaction) return prunedCount;
  }
}
