import type { Sql } from "./connection.ts";

// Served by the primary key.
const selectLive = `
SELECT 1 FROM makegood_worker WHERE id = ? AND lease_until > ?`;

/** Within a write transaction it stays so until the commit: whoever would end the lease has to wait. */
export function isLive(sql: Sql, worker: Uint8Array, now: number): boolean {
  return sql.tuple(selectLive, [worker, now]) !== undefined;
}
