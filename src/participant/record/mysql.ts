import { chainOf, propertyOf } from "../../core/error-chain.ts";
import { affectedOf } from "../affected.ts";
import { nowMs } from "../migrations/now.ts";
import { parseRecordRow, type RecordKey, type RecordSql, recordStatus } from "./record.ts";

// MySQL has no RETURNING, and MariaDB none for updates: affectedRows tells, so each update changes a column for certain.
// Lengths are checked before they come here, since INSERT IGNORE cuts off what is too long.

const table = "makegood_execution_record";
const { processing, succeeded, failed, manual, open } = recordStatus;
const now = nowMs.mysql;

// ── In the caller's transaction ────────────────────────────────────────────────────────────────────────────────────

// A conflicting row of an open transaction is waited for; the loser then holds a shared lock on it. Where three meet and the
// first rolls back, one of the other two is rolled back for a deadlock.
const enter = `
INSERT IGNORE INTO ${table} (scope, record_key, status, owner, fingerprint, expire_at)
VALUES (?, ?, ${succeeded}, ?, ?, ${now} + ?)`;
// MariaDB does not wait at all. MySQL, whose shortest wait is a second, looks first: only two that are new in the same
// instant can still wait for each other there. The look locks nothing that is not there, at READ COMMITTED.
const tryEnter = `/*M! SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ ${enter.trim()}`;
const look = `SELECT status FROM ${table} WHERE scope = ? AND record_key = ? /*!80001 FOR SHARE NOWAIT */`;
const busyNumbers: readonly unknown[] = [1205, 3572];

// A locking read sees what is committed now; a plain one in a transaction at REPEATABLE READ sees its snapshot, in which the
// record that stood in the way may not be. Shared, as the lock that the insert has left: two who hold that would deadlock
// over an exclusive one. `FOR SHARE` is MySQL's alone.
const read = `
SELECT status, attempts, fence, owner, held_until - ${now} AS held_for_ms, fingerprint, result, error
  FROM ${table} WHERE scope = ? AND record_key = ? LOCK IN SHARE MODE`;

// MariaDB tells whether a transaction is open. MySQL does not: there an effect that commits by itself is found out when it
// takes back its record, not when it succeeds; both its effect and the record are committed then.
const isMine = "scope = ? AND record_key = ? AND owner = ? /*M! AND @@in_transaction = 1 */";
const keepResult = `UPDATE ${table} SET result = ? WHERE ${isMine}`;
const lookUp = `SELECT status FROM ${table} WHERE ${isMine}`;
const takeBack = `DELETE FROM ${table} WHERE ${isMine}`;

// ── Under a lease ──────────────────────────────────────────────────────────────────────────────────────────────────

// Not INSERT IGNORE and then an update: two who meet hold the shared lock each, and deadlock over the exclusive one, which
// this statement takes at once. Assignments are carried out from left to right, and later ones see what earlier ones did.
// So the condition is judged once, for the owner, whose name is new in each claim; held_until, which keeps a repeat
// of the same claim from counting twice, comes last.
const isClaimed = `owner = VALUES(owner) AND held_until <= ${now}`;
const claim = `
INSERT INTO ${table} (scope, record_key, status, owner, fingerprint, held_until, expire_at)
VALUES (?, ?, ${processing}, ?, ?, ${now} + ?, ${now} + ?)
ON DUPLICATE KEY UPDATE
  owner = IF(status IN (${processing}, ${open}) AND held_until <= ${now} AND attempts < ?
             AND (fingerprint = VALUES(fingerprint) OR fingerprint IS NULL OR VALUES(fingerprint) IS NULL),
             VALUES(owner), owner),
  fence = IF(${isClaimed}, fence + 1, fence),
  attempts = IF(${isClaimed}, attempts + 1, attempts),
  fingerprint = IF(${isClaimed}, COALESCE(VALUES(fingerprint), fingerprint), fingerprint),
  expire_at = IF(${isClaimed}, VALUES(expire_at), expire_at),
  status = IF(${isClaimed}, ${processing}, status),
  held_until = IF(${isClaimed}, VALUES(held_until), held_until)`;
const readClaim = `
SELECT fence, attempts FROM ${table} WHERE scope = ? AND record_key = ? AND owner = ? AND status = ${processing}`;

const exhaust = `
UPDATE ${table} SET status = ${manual}, held_until = NULL, expire_at = NULL
 WHERE scope = ? AND record_key = ? AND status IN (${processing}, ${open}) AND held_until <= ${now} AND attempts >= ?`;

const isHeld = `scope = ? AND record_key = ? AND status = ${processing} AND fence = ? AND owner = ?`;
// Where clients count changed rows only, a renewal within the same millisecond must still change something.
const renew = `UPDATE ${table} SET renewals = renewals + 1, held_until = ${now} + ? WHERE ${isHeld}`;
const end = `
UPDATE ${table}
   SET status = ?, result = ?, error = ?, held_until = ${now} + ?, expire_at = IF(status = ${manual}, NULL, expire_at)
 WHERE ${isHeld}`;
// The fingerprint first: it looks at the attempts as they were.
const release = `
UPDATE ${table}
   SET fingerprint = IF(attempts = 1, NULL, fingerprint), attempts = attempts - 1, status = ${open}, held_until = ${now}
 WHERE ${isHeld}`;

const settle = `
UPDATE ${table}
   SET status = ?, result = ?, error = ?, settled_by = ?, expire_at = ${now} + ?,
       held_until = IF(status = ${open}, ${now}, NULL), attempts = IF(status = ${open}, 0, attempts)
 WHERE scope = ? AND record_key = ? AND status = ${manual}`;

// Found without a lock, then deleted key by key in a join that begins with them: a range that is locked while it is read, as
// MariaDB does for a list of pairs, would stop inserts beside it.
const findOld = `
SELECT scope, record_key FROM ${table}
 WHERE expire_at <= ${now} AND (status IN (${succeeded}, ${failed}) OR held_until <= ${now})
 ORDER BY expire_at LIMIT ?`;
const pruneRows = (count: number): string => `
DELETE r FROM (${Array(count).fill("SELECT ? AS scope, ? AS record_key").join(" UNION ALL ")}) AS old
  STRAIGHT_JOIN ${table} AS r ON r.scope = old.scope AND r.record_key = old.record_key
 WHERE r.expire_at <= ${now} AND (r.status IN (${succeeded}, ${failed}) OR r.held_until <= ${now})`;

const encoder = new TextEncoder();
/** As bytes, which no character set of a connection can change. */
const keyOf = ({ scope, key }: RecordKey): readonly Uint8Array[] => [encoder.encode(scope), encoder.encode(key)];

export const recordsMysql: RecordSql = {
  *enter(entry, ifBusy) {
    const { token, fingerprint, retainMs } = entry;
    if (ifBusy === "refuse" && (yield { sql: look, parameters: keyOf(entry) }).length > 0) return "taken";
    const sql = ifBusy === "refuse" ? tryEnter : enter;
    const rows = yield { sql, parameters: [...keyOf(entry), token, fingerprint, retainMs] };
    return affectedOf(rows).affectedRows === 1 ? { owner: token } : "taken";
  },
  isBusy: (error) => chainOf(error).some((at) => busyNumbers.includes(propertyOf(at, "errno"))),
  *read(at) {
    const [row] = yield { sql: read, parameters: keyOf(at) };
    return row === undefined ? undefined : parseRecordRow(row);
  },
  *keep(at, owner, result) {
    const mine = [...keyOf(at), owner];
    if (result === null) return (yield { sql: lookUp, parameters: mine }).length === 1;
    return affectedOf(yield { sql: keepResult, parameters: [result, ...mine] }).affectedRows === 1;
  },
  isTaken: () => false,
  *takeBack(at, owner) {
    yield { sql: takeBack, parameters: [...keyOf(at), owner] };
  },
  *claim(request) {
    const { owner, fingerprint, leaseMs, retainMs, maxAttempts } = request;
    yield { sql: claim, parameters: [...keyOf(request), owner, fingerprint, leaseMs, retainMs, maxAttempts] };
    const [row] = yield { sql: readClaim, parameters: [...keyOf(request), owner] };
    return row && { fence: Number(row["fence"]), attempt: Number(row["attempts"]) };
  },
  *exhaust(at, maxAttempts) {
    return affectedOf(yield { sql: exhaust, parameters: [...keyOf(at), maxAttempts] }).affectedRows === 1;
  },
  *renew(held, leaseMs) {
    const parameters = [leaseMs, ...keyOf(held), held.fence, held.owner];
    return affectedOf(yield { sql: renew, parameters }).affectedRows === 1;
  },
  *end(held, ending) {
    const { status } = ending;
    const result = status === succeeded ? ending.result : null;
    const error = status === succeeded ? null : ending.error;
    const restMs = status === open ? ending.restMs : null;
    const parameters = [status, result, error, restMs, ...keyOf(held), held.fence, held.owner];
    return affectedOf(yield { sql: end, parameters }).affectedRows === 1;
  },
  *release(held) {
    const parameters = [...keyOf(held), held.fence, held.owner];
    return affectedOf(yield { sql: release, parameters }).affectedRows === 1;
  },
  *settle(at, settling, by, retainMs) {
    const { status } = settling;
    const result = status === succeeded ? settling.result : null;
    const error = status === failed ? settling.error : null;
    const parameters = [status, result, error, by, retainMs, ...keyOf(at)];
    return affectedOf(yield { sql: settle, parameters }).affectedRows === 1;
  },
  *prune(limit) {
    const old = yield { sql: findOld, parameters: [limit] };
    if (old.length === 0) return 0;
    const parameters = old.flatMap((row) => [row["scope"], row["record_key"]]);
    return affectedOf(yield { sql: pruneRows(old.length), parameters }).affectedRows;
  },
};
