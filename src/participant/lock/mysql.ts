import { affectedOf } from "../affected.ts";
import { nowMs } from "../migrations/now.ts";
import type { LockSql } from "./lock-sql.ts";

const now = nowMs.mysql;

// Insert first: a select for update of a row that is not there would let two newcomers deadlock. Both are served by the
// primary key. The fence changes in every update that matches, so matched and changed rows are the same number.
const insert = `
INSERT IGNORE INTO makegood_lock (name, owner, fence, until_at) VALUES (?, ?, ${now}, ${now} + ?)`;

const take = `
UPDATE makegood_lock SET until_at = ${now} + ?, fence = GREATEST(fence + 1, ${now}), owner = ?
 WHERE name = ? AND (until_at <= ${now} OR owner = ?)`;

const look = `SELECT owner, fence, until_at - ${now} AS for_ms FROM makegood_lock WHERE name = ? FOR UPDATE`;

const renew = `
UPDATE makegood_lock SET until_at = ${now} + ? WHERE name = ? AND owner = ? AND fence = ? AND until_at > ${now}`;

const release = `
UPDATE makegood_lock SET until_at = LEAST(until_at, ${now}) WHERE name = ? AND owner = ? AND fence = ?`;

const prune = `DELETE FROM makegood_lock WHERE until_at < ${now} - ? ORDER BY name LIMIT ?`;

export const lockMysql: LockSql = {
  *acquire(name, owner, leaseMs) {
    const inserted = yield { sql: insert, parameters: [name, owner, leaseMs] };
    if (affectedOf(inserted).affectedRows !== 1) yield { sql: take, parameters: [leaseMs, owner, name, owner] };
    const [row] = yield { sql: look, parameters: [name] };
    if (row !== undefined && textOf(row["owner"]) === owner) return { kind: "acquired", fence: Number(row["fence"]) };
    return { kind: "held", forMs: Number(row?.["for_ms"] ?? 0) };
  },
  /** The lease may be as it was, to the millisecond, and count as unchanged: so the row says whether it is still held. */
  *renew(name, owner, fence, leaseMs) {
    yield { sql: renew, parameters: [leaseMs, name, owner, fence] };
    const [row] = yield { sql: look, parameters: [name] };
    return (
      row !== undefined && textOf(row["owner"]) === owner && Number(row["fence"]) === fence && Number(row["for_ms"]) > 0
    );
  },
  *release(name, owner, fence) {
    yield { sql: release, parameters: [name, owner, fence] };
  },
  *prune(unusedMs, limit) {
    return affectedOf(yield { sql: prune, parameters: [unusedMs, limit] }).affectedRows;
  },
};

/** A binary column comes as bytes, whatever kind of buffer the client hands out. */
const textOf = (value: unknown): string =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
