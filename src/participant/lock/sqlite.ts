import { nowMs } from "../migrations/now.ts";
import type { LockSql } from "./lock-sql.ts";

const now = nowMs.sqlite;

// One writer at a time: the adapters begin with BEGIN IMMEDIATE. Served by the primary key.
const acquire = `
INSERT INTO makegood_lock AS held (name, owner, fence, until_at) VALUES (?, ?, ${now}, ${now} + ?)
ON CONFLICT (name) DO UPDATE
   SET owner = excluded.owner, fence = max(held.fence + 1, excluded.fence), until_at = excluded.until_at
 WHERE held.until_at <= ${now} OR held.owner = excluded.owner
RETURNING fence`;

const look = `SELECT until_at - ${now} AS for_ms FROM makegood_lock WHERE name = ?`;

const renew = `
UPDATE makegood_lock SET until_at = ${now} + ? WHERE name = ? AND owner = ? AND fence = ? AND until_at > ${now}
RETURNING fence`;

const release = `
UPDATE makegood_lock SET until_at = min(until_at, ${now}) WHERE name = ? AND owner = ? AND fence = ?`;

const prune = `
DELETE FROM makegood_lock WHERE name IN (SELECT name FROM makegood_lock WHERE until_at < ${now} - ? ORDER BY name LIMIT ?)
RETURNING name`;

export const lockSqlite: LockSql = {
  *acquire(name, owner, leaseMs) {
    const [won] = yield { sql: acquire, parameters: [name, owner, leaseMs] };
    if (won !== undefined) return { kind: "acquired", fence: Number(won["fence"]) };
    const [held] = yield { sql: look, parameters: [name] };
    return { kind: "held", forMs: Number(held?.["for_ms"] ?? 0) };
  },
  *renew(name, owner, fence, leaseMs) {
    return (yield { sql: renew, parameters: [leaseMs, name, owner, fence] }).length === 1;
  },
  *release(name, owner, fence) {
    yield { sql: release, parameters: [name, owner, fence] };
  },
  *prune(unusedMs, limit) {
    return (yield { sql: prune, parameters: [unusedMs, limit] }).length;
  },
};
