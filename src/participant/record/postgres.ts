import { chainOf, propertyOf } from "../../core/error-chain.ts";
import type { Row } from "../../core/script.ts";
import { nowMs } from "../migrations/now.ts";
import { parseRecordRow, parseText, type RecordSql, recordStatus } from "./record.ts";

// Every parameter is cast where it stands: clients differ in the types that they announce for texts and numbers. All
// statements are served by the primary key, but pruning, which is served by the index on expire_at.

const table = "makegood.execution_record";
const { processing, succeeded, failed, manual, open } = recordStatus;

// ── In the caller's transaction ────────────────────────────────────────────────────────────────────────────────────

// In functions: migrations/0007-once.ts. The owner is the transaction's own number, the same within savepoints: another one
// later says that the effect ended it.
const enter = "SELECT makegood.begin_once($1::text, $2::text, $3::text) AS owner";
const tryEnter = "SELECT makegood.try_begin_once($1::text, $2::text, $3::text) AS owner";
const keep =
  "SELECT makegood.end_once($1::text, $2::text, $3::text, $4::text, $5::text, $6::bigint, $7::bytea) AS kept";
const uniqueViolation = "23505";

const read = `
SELECT status, attempts, fence, owner, held_until - ${nowMs.postgres} AS held_for_ms, fingerprint, result, error
  FROM ${table} WHERE scope = $1::text AND record_key = $2::text`;

// ── Under a lease ──────────────────────────────────────────────────────────────────────────────────────────────────

// One statement: the conflicting row is locked, and its newest version judged, before it is taken over.
const claim = `
INSERT INTO ${table} AS r (scope, record_key, status, owner, fingerprint, held_until, expire_at)
VALUES ($1::text, $2::text, ${processing}, $3::text, $4::text, ${nowMs.postgres} + $5::bigint, ${nowMs.postgres} + $6::bigint)
ON CONFLICT (scope, record_key) DO UPDATE
   SET status = ${processing}, owner = EXCLUDED.owner, held_until = EXCLUDED.held_until, expire_at = EXCLUDED.expire_at,
       fence = r.fence + 1, attempts = r.attempts + 1, fingerprint = coalesce(EXCLUDED.fingerprint, r.fingerprint)
 WHERE r.status IN (${processing}, ${open}) AND r.held_until <= ${nowMs.postgres} AND r.attempts < $7::integer
   AND (r.fingerprint = EXCLUDED.fingerprint OR r.fingerprint IS NULL OR EXCLUDED.fingerprint IS NULL)
RETURNING fence, attempts`;

const exhaust = `
UPDATE ${table} SET status = ${manual}, held_until = NULL, expire_at = NULL
 WHERE scope = $1::text AND record_key = $2::text AND status IN (${processing}, ${open})
   AND held_until <= ${nowMs.postgres} AND attempts >= $3::integer
RETURNING status`;

const isHeld = `scope = $1::text AND record_key = $2::text AND status = ${processing} AND fence = $3::bigint AND owner = $4::text`;
const renew = `UPDATE ${table} SET held_until = ${nowMs.postgres} + $5::bigint WHERE ${isHeld} RETURNING status`;
const end = `
UPDATE ${table}
   SET status = $5::smallint, result = $6::bytea, error = $7::bytea, held_until = ${nowMs.postgres} + $8::bigint,
       expire_at = CASE WHEN $5::smallint = ${manual} THEN NULL ELSE expire_at END
 WHERE ${isHeld} RETURNING status`;
const release = `
UPDATE ${table}
   SET status = ${open}, held_until = ${nowMs.postgres}, attempts = attempts - 1,
       fingerprint = CASE WHEN attempts = 1 THEN NULL ELSE fingerprint END
 WHERE ${isHeld} RETURNING status`;

const settle = `
UPDATE ${table}
   SET status = $3::smallint, result = $4::bytea, error = $5::bytea, settled_by = $6::text,
       expire_at = ${nowMs.postgres} + $7::bigint,
       held_until = CASE WHEN $3::smallint = ${open} THEN ${nowMs.postgres} END,
       attempts = CASE WHEN $3::smallint = ${open} THEN 0 ELSE attempts END
 WHERE scope = $1::text AND record_key = $2::text AND status = ${manual} RETURNING status`;

// Rows that somebody works on are skipped, not waited for.
const prune = `
DELETE FROM ${table} AS r
 USING (SELECT scope, record_key FROM ${table}
         WHERE expire_at <= ${nowMs.postgres} AND (status IN (${succeeded}, ${failed}) OR held_until <= ${nowMs.postgres})
         ORDER BY expire_at LIMIT $1::integer FOR UPDATE SKIP LOCKED) AS old
 WHERE r.scope = old.scope AND r.record_key = old.record_key
RETURNING r.status`;

const isOne = (rows: readonly Row[]): boolean => rows.length === 1;

export const recordsPostgres: RecordSql = {
  *enter({ scope, key, token }, ifBusy) {
    const parameters = [scope, key, token];
    const [row] = yield { sql: ifBusy === "wait" ? enter : tryEnter, parameters };
    const owner = parseText(row?.["owner"]);
    return owner === null || owner === "taken" ? "taken" : owner === "busy" ? "busy" : { owner };
  },
  isBusy: () => false,
  *read({ scope, key }) {
    const [row] = yield { sql: read, parameters: [scope, key] };
    return row === undefined ? undefined : parseRecordRow(row);
  },
  *keep({ scope, key, token, fingerprint, retainMs }, owner, result) {
    const [row] = yield { sql: keep, parameters: [scope, key, token, owner, fingerprint, retainMs, result] };
    return row?.["kept"] === true;
  },
  isTaken: (error) => chainOf(error).some((cause) => propertyOf(cause, "code") === uniqueViolation),
  // Nothing was written yet.
  *takeBack() {},
  *claim({ scope, key, owner, fingerprint, leaseMs, retainMs, maxAttempts }) {
    const parameters = [scope, key, owner, fingerprint, leaseMs, retainMs, maxAttempts];
    const [row] = yield { sql: claim, parameters };
    return row && { fence: Number(row["fence"]), attempt: Number(row["attempts"]) };
  },
  *exhaust({ scope, key }, maxAttempts) {
    return isOne(yield { sql: exhaust, parameters: [scope, key, maxAttempts] });
  },
  *renew({ scope, key, fence, owner }, leaseMs) {
    return isOne(yield { sql: renew, parameters: [scope, key, fence, owner, leaseMs] });
  },
  *end({ scope, key, fence, owner }, ending) {
    const { status } = ending;
    const result = status === succeeded ? ending.result : null;
    const error = status === succeeded ? null : ending.error;
    const restMs = status === open ? ending.restMs : null;
    return isOne(yield { sql: end, parameters: [scope, key, fence, owner, status, result, error, restMs] });
  },
  *release({ scope, key, fence, owner }) {
    return isOne(yield { sql: release, parameters: [scope, key, fence, owner] });
  },
  *settle({ scope, key }, settling, by, retainMs) {
    const result = settling.status === succeeded ? settling.result : null;
    const error = settling.status === failed ? settling.error : null;
    return isOne(yield { sql: settle, parameters: [scope, key, settling.status, result, error, by, retainMs] });
  },
  *prune(limit) {
    return (yield { sql: prune, parameters: [limit] }).length;
  },
};
