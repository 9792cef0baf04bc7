import { setTimeout as wait } from "node:timers/promises";

/** How long a ROLLBACK may take before the connection is dropped, which rolls back as well, only later. */
const rollbackPatienceMs = 5_000;

/** Awaits a ROLLBACK, so that a repeat does not wait for this transaction's locks; whatever becomes of it. */
export async function rollBackPatiently(rollback: () => Promise<unknown>): Promise<void> {
  const patience = new AbortController();
  const rolledBack = rollback().catch(() => undefined);
  await Promise.race([rolledBack, wait(rollbackPatienceMs, undefined, patience).catch(() => undefined)]);
  patience.abort();
}
