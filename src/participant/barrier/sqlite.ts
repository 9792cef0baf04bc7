import type { BarrierMark } from "../../core/participant.ts";
import type { BarrierSql } from "../dialect.ts";
import { barrierId, parseBarrierRow, parseOps, transTypeOf } from "./row.ts";

// One writer at a time: the adapters begin with BEGIN IMMEDIATE, so no two of these transactions overlap.

// Served by the primary key. `WHERE true` keeps the parser from taking ON CONFLICT for the ON of a join.
const insertRows = `
INSERT INTO makegood_barrier (trans_type, gid, branch_id, op, barrier_id, reason, round)
SELECT ?, ?, ?, new.value, '${barrierId}', ?, ? FROM json_each(?) AS new WHERE true ORDER BY new.key
ON CONFLICT (gid, branch_id, op, barrier_id) DO NOTHING
RETURNING op`;

const readBranch = `
SELECT op, reason, result FROM makegood_barrier WHERE gid = ? AND branch_id = ? AND barrier_id = '${barrierId}'`;

const isMine = `gid = ? AND branch_id = ? AND op = ? AND barrier_id = '${barrierId}'`;
const keepResult = `UPDATE makegood_barrier SET result = ? WHERE ${isMine} RETURNING op`;
const lookUp = `SELECT op FROM makegood_barrier WHERE ${isMine}`;

const removeRow = `DELETE FROM makegood_barrier WHERE gid = ? AND branch_id = ? AND op = ? AND barrier_id = '${barrierId}' RETURNING op`;

const pruneRows = `DELETE FROM makegood_barrier WHERE gid IN (SELECT value FROM json_each(?)) RETURNING op`;

// An execution's id is a UUIDv7, so ids stand in the order in which the executions began. Served by the primary key.
const pruneOldRows = `
DELETE FROM makegood_barrier WHERE rowid IN (
  SELECT rowid FROM makegood_barrier WHERE gid < ? ORDER BY gid LIMIT ?)
RETURNING op`;

const keyOf = (mark: BarrierMark): readonly string[] => [mark.gid, mark.branch];

export const barrierSqlite: BarrierSql = {
  *insert(mark, ops, byOp) {
    const parameters = [transTypeOf(byOp), ...keyOf(mark), byOp, mark.round, JSON.stringify(ops)];
    return parseOps(yield { sql: insertRows, parameters });
  },
  *read(mark) {
    return (yield { sql: readBranch, parameters: keyOf(mark) }).map(parseBarrierRow);
  },
  // The transaction number of a row cannot be asked for here: the adapters find out by themselves whether it is still open.
  *keep(mark, op, result) {
    const key = [...keyOf(mark), op];
    const rows = yield result === null
      ? { sql: lookUp, parameters: key }
      : { sql: keepResult, parameters: [result, ...key] };
    return rows.length === 1;
  },
  *remove(mark, op) {
    yield { sql: removeRow, parameters: [...keyOf(mark), op] };
  },
  *prune(executionIds) {
    return (yield { sql: pruneRows, parameters: [JSON.stringify(executionIds)] }).length;
  },
  *pruneBefore(firstId, limit) {
    return (yield { sql: pruneOldRows, parameters: [firstId, limit] }).length;
  },
};
