import { nowMs } from "../migrations/now.ts";
import type { LockSql } from "./lock-sql.ts";

const now = nowMs.postgres;

// Served by the primary key. One statement: the unique index decides between two newcomers, the row's lock between two who
// find it expired. The same owner is answered again, for a repeat whose first answer was lost.
const acquire = `
INSERT INTO makegood.lock AS held (name, owner, fence, until_at)
VALUES ($1::text, $2::text, ${now}, ${now} + $3::bigint)
ON CONFLICT (name) DO UPDATE
   SET owner = EXCLUDED.owner, fence = GREATEST(held.fence + 1, EXCLUDED.fence), until_at = ${now} + $3::bigint
 WHERE held.until_at <= ${now} OR held.owner = EXCLUDED.owner
RETURNING fence`;

const look = `SELECT until_at - ${now} AS for_ms FROM makegood.lock WHERE name = $1::text`;

const renew = `
UPDATE makegood.lock SET until_at = ${now} + $4::bigint
 WHERE name = $1::text AND owner = $2::text AND fence = $3::bigint AND until_at > ${now}
RETURNING fence`;

// Nobody waits for the disk: a release that a power cut takes back costs the next holder the rest of the lease. What is set
// here holds until the transaction's end, which is where it counts.
const release = `
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE makegood.lock SET until_at = LEAST(until_at, ${now}) FROM relaxed
 WHERE name = $1::text AND owner = $2::text AND fence = $3::bigint`;

const prune = `
DELETE FROM makegood.lock WHERE name IN (
  SELECT name FROM makegood.lock WHERE until_at < ${now} - $1::bigint ORDER BY name LIMIT $2::integer FOR UPDATE SKIP LOCKED)
RETURNING name`;

export const lockPostgres: LockSql = {
  *acquire(name, owner, leaseMs) {
    const [won] = yield { sql: acquire, parameters: [name, owner, leaseMs] };
    if (won !== undefined) return { kind: "acquired", fence: Number(won["fence"]) };
    const [held] = yield { sql: look, parameters: [name] };
    return { kind: "held", forMs: Number(held?.["for_ms"] ?? 0) };
  },
  *renew(name, owner, fence, leaseMs) {
    return (yield { sql: renew, parameters: [name, owner, fence, leaseMs] }).length === 1;
  },
  *release(name, owner, fence) {
    yield { sql: release, parameters: [name, owner, fence] };
  },
  *prune(unusedMs, limit) {
    return (yield { sql: prune, parameters: [unusedMs, limit] }).length;
  },
};
