import { setTimeout as wait } from "node:timers/promises";

/** How long a ROLLBACK may take before the connection is dropped, which rolls back as well, only later. */
const rollbackPatienceMs = 5_000;

/** Awaits a ROLLBACK, so that a repeat does not wait for this transaction's locks; false if it failed or took too long. */
export async function rollBackPatiently(rollback: () => Promise<unknown>): Promise<boolean> {
  const patience = new AbortController();
  const rolledBack = rollback().then(
    () => true,
    () => false,
  );
  const tooLong = wait(rollbackPatienceMs, false, patience).catch(() => false);
  const isRolledBack = await Promise.race([rolledBack, tooLong]);
  patience.abort();
  return isRolledBack;
}
