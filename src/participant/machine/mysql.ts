import type { Row, Script } from "../../core/script.ts";
import { nowMs } from "../migrations/now.ts";
import { parseNumber } from "../parse-number.ts";
import {
  type Change,
  type MachineSql,
  type MachineTable,
  moves,
  type Note,
  noteColumns,
  noteValues,
  parseFound,
  parsePlace,
  remembered,
} from "./sql.ts";

const history = "makegood_machine_history";
const seven = "?, ?, ?, ?, ?, ?, ?";
// Kept as bytes, since collations take "a1" and "A1" for one; read as text.
const textOf = (column: string): string => `CONVERT(${column} USING utf8mb4) AS ${column}`;
const noteTexts = ["outcome", "event", "from_state", "to_state", "event_id"].map(textOf).join(", ");

// The caller's transaction may be REPEATABLE READ, where a plain SELECT sees what was when it began: so whatever decides
// here is a locking read, which sees what is. Rows that are looked for by a whole key and are there lock no gap.

/** Of the user's table each statement is served by its primary key. */
export function machineMysql({ machine, table, id, state, version }: MachineTable): MachineSql {
  const seen = `CAST(${id} AS CHAR) AS makegood_entity, ${state} AS makegood_state, ${version ?? "NULL"} AS makegood_version`;
  const lock = `SELECT ${seen} FROM ${table} WHERE ${id} = ? FOR UPDATE`;
  const lockWhole = `SELECT ${table}.*, ${seen} FROM ${table} WHERE ${id} = ? FOR UPDATE`;
  const update = remembered((columns) => {
    const sets = columns.map((column) => `, ${column} = ?`).join("");
    const bump = version === null ? "" : `, ${version} = ${version} + 1`;
    const matches = version === null ? "? IS NULL" : `(? IS NULL OR ${version} = ?)`;
    return `UPDATE ${table} SET ${state} = ?${bump}${sets} WHERE ${id} = ? AND ${state} = ? AND ${matches}`;
  });
  // The history bears the id as the database writes it, which is mostly as the caller does. To demand that is cheaper than to
  // read it back: INSERT … SELECT costs the server twice an INSERT … VALUES, and holds the counter of the table until its end.
  const isWritten = `CAST(${id} AS CHAR) = CAST(? AS BINARY)`;
  const updateWritten = remembered((columns) => `${update(columns)} AND ${isWritten}`);
  // IGNORE makes the event id that is there no error, so the transaction goes on; lengths were checked before, since it
  // would also cut them silently.
  const note = `INSERT IGNORE INTO ${history} (machine, entity, ${noteColumns}) VALUES (?, ?, ${seven})`;
  const noteMoved = `INSERT INTO ${history} (machine, entity, ${noteColumns}) VALUES (?, ?, ${seven})`;
  const earlier = `
SELECT seq, ${noteTexts}, actor, reason, at FROM ${history}
 WHERE machine = ? AND entity = ? AND event_id = ? LOCK IN SHARE MODE`;
  const lastMove = `
SELECT seq FROM ${history} WHERE machine = ? AND entity = ? AND outcome IN ${moves}
 ORDER BY seq DESC LIMIT 1`;
  const readHistory = `
SELECT seq, ${noteTexts}, actor, reason, at FROM ${history}
 WHERE machine = ? AND entity = CAST(coalesce((SELECT CAST(${id} AS CHAR) FROM ${table} WHERE ${id} = ?), ?) AS BINARY)
 ORDER BY seq LIMIT ?`;
  // By primary key, through the lines of all machines; a later move by the index of event ids, line by line: an EXISTS may be
  // planned as a join. What is chosen is read without locks and deleted row by row, so movers are kept from no gap.
  const pageEnd = `SELECT max(seq) AS seq FROM (SELECT seq FROM ${history} WHERE seq > ? ORDER BY seq LIMIT ?) AS page`;
  const chooseOld = `
SELECT seq FROM ${history} AS old
 WHERE seq > ? AND seq <= ? AND machine = ? AND at < ${nowMs.mysql} - ?
   AND (SELECT 1 FROM ${history} AS later
         WHERE later.machine = old.machine AND later.entity = old.entity AND later.seq > old.seq AND later.outcome IN ${moves}
         LIMIT 1) = 1`;
  const deleteChosen = `
DELETE h FROM JSON_TABLE(?, '$[*]' COLUMNS (seq BIGINT PATH '$')) AS chosen
  STRAIGHT_JOIN ${history} AS h ON h.seq = chosen.seq`;
  const count = `SELECT ${state} AS state, count(*) AS count FROM ${table} GROUP BY ${state} ORDER BY ${state}`;
  const choose = `SELECT ${id} AS id, CAST(${id} AS CHAR) AS entity FROM ${table} WHERE ${state} = ? ORDER BY ${id} LIMIT ? FOR UPDATE`;
  const migrate = `UPDATE ${table} SET ${state} = ?${version === null ? "" : `, ${version} = ${version} + 1`} WHERE ${id} = ? AND ${state} = ?`;
  const noteMigrated = `INSERT INTO ${history} (machine, entity, outcome, from_state, to_state, actor, reason) VALUES (?, ?, 'migrated', ?, ?, ?, ?)`;

  /** `entity`: only if the id is written so. */
  function* change(given: Change, ...entity: readonly [] | readonly [string]): Script<boolean> {
    const { id: rowId, from, to, version: known, columns, values } = given;
    const guard = version === null ? [known] : [known, known];
    const sql = entity.length === 0 ? update(columns) : updateWritten(columns);
    return affected(yield { sql, parameters: [to, ...values, rowId, from, ...guard, ...entity] }) === 1;
  }
  function* addMove(entity: string, it: Note): Script<number> {
    return inserted(yield { sql: noteMoved, parameters: [machine, entity, ...noteValues(it)] });
  }

  return {
    *lock(rowId, whole) {
      return parseFound((yield { sql: whole ? lockWhole : lock, parameters: [rowId] })[0]);
    },
    *move(given, it) {
      const asGiven = String(given.id);
      if (yield* change(given, asGiven)) return yield* addMove(asGiven, it);
      const found = parseFound((yield { sql: lock, parameters: [given.id] })[0]);
      // Not as given: "A1" for "a1", 007 for 7. Else another state, or version.
      const isStale = found === null || found.entity === asGiven || !(yield* change(given));
      return isStale ? found : yield* addMove(found.entity, it);
    },
    *change(given) {
      yield* change({ ...given, version: null });
    },
    *note(entity, it) {
      const rows = yield { sql: note, parameters: [machine, entity, ...noteValues(it)] };
      return affected(rows) === 0 ? null : inserted(rows);
    },
    *earlier(entity, eventId) {
      return (yield { sql: earlier, parameters: [machine, entity, eventId] })[0] ?? null;
    },
    *lastMove(entity) {
      const [row] = yield { sql: lastMove, parameters: [machine, entity] };
      return row === undefined ? 0 : parseNumber(row["seq"], "seq");
    },
    *history(rowId, limit) {
      return yield { sql: readHistory, parameters: [machine, rowId, String(rowId), limit] };
    },
    *pageEnd({ seq }, limit) {
      return parsePlace((yield { sql: pageEnd, parameters: [seq, limit] })[0]);
    },
    *prune(after, upTo, keepMs) {
      const chosen = yield { sql: chooseOld, parameters: [after.seq, upTo.seq, machine, keepMs] };
      if (chosen.length === 0) return 0;
      const seqs = JSON.stringify(chosen.map((row) => parseNumber(row["seq"], "seq")));
      return affected(yield { sql: deleteChosen, parameters: [seqs] });
    },
    *count() {
      return yield { sql: count, parameters: [] };
    },
    // The trigger lets pass what is done under this variable, and leaves the history to us.
    *migrate(from, to, limit, { by, reason }) {
      yield { sql: "SET @makegood_machine_override = 'recorded'", parameters: [] };
      const chosen = yield { sql: choose, parameters: [from, limit] };
      for (const { id: rowId, entity } of chosen) {
        yield { sql: migrate, parameters: [to, rowId, from] };
        yield { sql: noteMigrated, parameters: [machine, entity, from, to, by, reason] };
      }
      yield { sql: "SET @makegood_machine_override = NULL", parameters: [] };
      return chosen.length;
    },
  };
}

const affected = (rows: readonly Row[]): number => parseNumber(rows[0]?.["affectedRows"], "affectedRows");
const inserted = (rows: readonly Row[]): number => parseNumber(rows[0]?.["insertId"], "insertId");
