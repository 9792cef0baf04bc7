import type { BarrierMark } from "../../core/participant.ts";
import type { BarrierSql } from "../dialect.ts";
import { barrierId, parseBarrierRow, parseOps, transTypeOf } from "./row.ts";

// Every parameter is cast where it stands: clients differ in the types that they announce for texts and numbers.
// Arrays and JSON are passed as text, since clients differ in how they encode them.

/**
 * A process that is frozen while it holds the barrier row would block its own rescue for as long as it sleeps, so the
 * server ends such a transaction after `maxIdleMs` between two statements. A time set for the session wins. The sub-select
 * has a volatile function in its list, so the planner may neither flatten it nor leave it out.
 */
const maxIdleMs = 30_000;

// Served by the primary key. RETURNING says which rows are new; a conflicting row of an open transaction is waited for.
const insertRows = `
INSERT INTO makegood.barrier (trans_type, gid, branch_id, op, barrier_id, reason, round)
SELECT $1::text, $2::text, $3::text, new.op, '${barrierId}', $4::text, $5::integer
  FROM (SELECT CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0'
                    THEN set_config('idle_in_transaction_session_timeout', '${maxIdleMs}', true) END) AS bounded,
       unnest(string_to_array($6::text, ',')) WITH ORDINALITY AS new (op, place)
 ORDER BY new.place
ON CONFLICT (gid, branch_id, op, barrier_id) DO NOTHING
RETURNING op`;

const readBranch = `
SELECT op, reason, result FROM makegood.barrier
 WHERE gid = $1::text AND branch_id = $2::text AND barrier_id = '${barrierId}'`;

// xmin is the transaction that wrote the row: another one than the present says that the body ended the first by itself.
const isMine = `gid = $1::text AND branch_id = $2::text AND op = $3::text AND barrier_id = '${barrierId}'
   AND xmin = pg_current_xact_id()::xid`;
const keepResult = `UPDATE makegood.barrier SET result = $4::bytea WHERE ${isMine} RETURNING op`;
const lookUp = `SELECT op FROM makegood.barrier WHERE ${isMine}`;

const removeRow = `DELETE FROM makegood.barrier WHERE gid = $1::text AND branch_id = $2::text AND op = $3::text AND barrier_id = '${barrierId}' RETURNING op`;

const pruneRows = `DELETE FROM makegood.barrier WHERE gid = ANY (string_to_array($1::text, ',')) RETURNING op`;

// An execution's id is a UUIDv7, so ids stand in the order in which the executions began. Served by the primary key.
const pruneOldRows = `
DELETE FROM makegood.barrier WHERE ctid IN (
  SELECT ctid FROM makegood.barrier WHERE gid < $1::text ORDER BY gid LIMIT $2::integer FOR UPDATE SKIP LOCKED)
RETURNING op`;

const keyOf = (mark: BarrierMark): readonly string[] => [mark.gid, mark.branch];

export const barrierPostgres: BarrierSql = {
  *insert(mark, ops, byOp) {
    const parameters = [transTypeOf(byOp), ...keyOf(mark), byOp, mark.round, ops.join(",")];
    return parseOps(yield { sql: insertRows, parameters });
  },
  *read(mark) {
    return (yield { sql: readBranch, parameters: keyOf(mark) }).map(parseBarrierRow);
  },
  *keep(mark, op, result) {
    const key = [...keyOf(mark), op];
    const rows = yield result === null
      ? { sql: lookUp, parameters: key }
      : { sql: keepResult, parameters: [...key, result] };
    return rows.length === 1;
  },
  *remove(mark, op) {
    yield { sql: removeRow, parameters: [...keyOf(mark), op] };
  },
  *prune(executionIds) {
    return (yield { sql: pruneRows, parameters: [executionIds.join(",")] }).length;
  },
  *pruneBefore(firstId, limit) {
    return (yield { sql: pruneOldRows, parameters: [firstId, limit] }).length;
  },
};
