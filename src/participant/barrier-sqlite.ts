import type { BarrierMark } from "../core/participant.ts";
import { barrierId, parseBarrierRow, parseOps, transTypeOf } from "./barrier-row.ts";
import type { BarrierSql } from "./dialect.ts";
import { type Migration, missingOf } from "./migration.ts";

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

const pruneRows = `DELETE FROM makegood_barrier WHERE gid IN (SELECT value FROM json_each(?)) RETURNING op`;

const nowMs = `(CAST(round(unixepoch('subsec') * 1000) AS INTEGER))`;

const createMigrationTable = `
CREATE TABLE IF NOT EXISTS makegood_participant_migration (
  name       TEXT PRIMARY KEY,
  applied_at INTEGER NOT NULL DEFAULT ${nowMs}
) STRICT, WITHOUT ROWID`;

const migrations: readonly Migration[] = [
  {
    name: "0001-barrier",
    // DTM's columns; round and result are ours. create_time: epoch ms. Not WITHOUT ROWID: a row may hold a large result.
    statements: [
      `CREATE TABLE makegood_barrier (
         trans_type  TEXT NOT NULL,
         gid         TEXT NOT NULL,
         branch_id   TEXT NOT NULL,
         op          TEXT NOT NULL,
         barrier_id  TEXT NOT NULL,
         reason      TEXT NOT NULL,
         create_time INTEGER NOT NULL DEFAULT ${nowMs},
         round       INTEGER,
         result      BLOB,
         PRIMARY KEY (gid, branch_id, op, barrier_id)
       ) STRICT`,
    ],
  },
];

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
  *prune(executionIds) {
    return (yield { sql: pruneRows, parameters: [JSON.stringify(executionIds)] }).length;
  },
  *migrate() {
    yield { sql: createMigrationTable, parameters: [] };
    const missing = missingOf(
      migrations,
      yield { sql: "SELECT name FROM makegood_participant_migration", parameters: [] },
    );
    for (const { name, statements } of missing) {
      for (const sql of statements) yield { sql, parameters: [] };
      yield { sql: "INSERT INTO makegood_participant_migration (name) VALUES (?)", parameters: [name] };
    }
    return missing.map(({ name }) => name);
  },
};
