import type { Row } from "../../core/script.ts";
import { firstRecordId, nextRecordId } from "../migrations/0008-expiry.ts";
import { nowMs } from "../migrations/now.ts";
import { parseRecordRow, type RecordSql, recordStatus } from "./record.ts";

// One writer at a time, so nobody waits for a key: whoever finds the file locked is told so by SQLite itself (BUSY).

const table = "makegood_execution_record";
const { processing, succeeded, failed, manual, open } = recordStatus;

// ── In the caller's transaction ────────────────────────────────────────────────────────────────────────────────────

/** Whose answer is only whether there was a row. */
const counted = (change: string) => ({ sql: `${change}\nRETURNING status`, change });

const enter = counted(`
INSERT INTO ${table} (id, scope, record_key, status, owner, fingerprint, expire_at)
VALUES (${nextRecordId(`${nowMs.sqlite} + ?`)}, ?, ?, ${succeeded}, ?, ?, ${nowMs.sqlite} + ?)
ON CONFLICT (scope, record_key) DO NOTHING`);

const read = `
SELECT status, attempts, fence, owner, held_until - ${nowMs.sqlite} AS held_for_ms, fingerprint, result, error
  FROM ${table} WHERE scope = ? AND record_key = ?`;

// A transaction has no number that could be asked for here: the adapters find out by themselves whether it is still open.
const isMine = "scope = ? AND record_key = ? AND owner = ?";
const keepResult = counted(`UPDATE ${table} SET result = ? WHERE ${isMine}`);
const lookUp = `SELECT status FROM ${table} WHERE ${isMine}`;
const takeBack = `DELETE FROM ${table} WHERE ${isMine}`;

// ── Under a lease ──────────────────────────────────────────────────────────────────────────────────────────────────

const claim = `
INSERT INTO ${table} AS r (id, scope, record_key, status, owner, fingerprint, held_until, expire_at)
VALUES (${nextRecordId(`${nowMs.sqlite} + ?6`)}, ?1, ?2, ${processing}, ?3, ?4, ${nowMs.sqlite} + ?5, ${nowMs.sqlite} + ?6)
ON CONFLICT (scope, record_key) DO UPDATE
   SET status = ${processing}, owner = excluded.owner, held_until = excluded.held_until, expire_at = excluded.expire_at,
       fence = r.fence + 1, attempts = r.attempts + 1, fingerprint = coalesce(excluded.fingerprint, r.fingerprint)
 WHERE r.status IN (${processing}, ${open}) AND r.held_until <= ${nowMs.sqlite} AND r.attempts < ?7
   AND (r.fingerprint = excluded.fingerprint OR r.fingerprint IS NULL OR excluded.fingerprint IS NULL)
RETURNING fence, attempts`;

const exhaust = `
UPDATE ${table} SET status = ${manual}, held_until = NULL, expire_at = NULL
 WHERE scope = ? AND record_key = ? AND status IN (${processing}, ${open})
   AND held_until <= ${nowMs.sqlite} AND attempts >= ?
RETURNING status`;

const isHeld = `scope = ?1 AND record_key = ?2 AND status = ${processing} AND fence = ?3 AND owner = ?4`;
const renew = `UPDATE ${table} SET held_until = ${nowMs.sqlite} + ?5 WHERE ${isHeld} RETURNING status`;
const end = `
UPDATE ${table}
   SET status = ?5, result = ?6, error = ?7, held_until = ${nowMs.sqlite} + ?8,
       expire_at = CASE WHEN ?5 = ${manual} THEN NULL ELSE expire_at END
 WHERE ${isHeld} RETURNING status`;
const release = `
UPDATE ${table}
   SET status = ${open}, held_until = ${nowMs.sqlite}, attempts = attempts - 1,
       fingerprint = CASE WHEN attempts = 1 THEN NULL ELSE fingerprint END
 WHERE ${isHeld} RETURNING status`;

const settle = `
UPDATE ${table}
   SET status = ?3, result = ?4, error = ?5, settled_by = ?6, expire_at = ${nowMs.sqlite} + ?7,
       held_until = CASE WHEN ?3 = ${open} THEN ${nowMs.sqlite} END, attempts = CASE WHEN ?3 = ${open} THEN 0 ELSE attempts END
 WHERE scope = ?1 AND record_key = ?2 AND status = ${manual} RETURNING status`;

// The ids up to this second's: of those only some of the last second, and what is under a lease, stay (see 0008-expiry.ts).
const prune = `
DELETE FROM ${table} WHERE id IN (
  SELECT id FROM ${table}
   WHERE id >= 0 AND id < ${firstRecordId(`${nowMs.sqlite} + 1000`)}
     AND expire_at <= ${nowMs.sqlite} AND (status IN (${succeeded}, ${failed}) OR held_until <= ${nowMs.sqlite})
   ORDER BY id LIMIT ?)
RETURNING status`;

const isOne = (rows: readonly Row[]): boolean => rows.length === 1;

export const recordsSqlite: RecordSql = {
  *enter({ scope, key, token, fingerprint, retainMs }) {
    const parameters = [retainMs, retainMs, scope, key, token, fingerprint, retainMs];
    return isOne(yield { ...enter, parameters }) ? { owner: token } : "taken";
  },
  isBusy: () => false,
  *read({ scope, key }) {
    const [row] = yield { sql: read, parameters: [scope, key] };
    return row === undefined ? undefined : parseRecordRow(row);
  },
  *keep({ scope, key }, owner, result) {
    const mine = [scope, key, owner];
    return isOne(
      yield result === null ? { sql: lookUp, parameters: mine } : { ...keepResult, parameters: [result, ...mine] },
    );
  },
  isTaken: () => false,
  *takeBack({ scope, key }, owner) {
    yield { sql: takeBack, parameters: [scope, key, owner] };
  },
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
