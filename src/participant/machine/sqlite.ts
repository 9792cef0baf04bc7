import type { Row, Script } from "../../core/script.ts";
import { nowMs } from "../migrations/now.ts";
import { parseNumber } from "../parse-number.ts";
import {
  type Change,
  firstNumber,
  type MachineSql,
  type MachineTable,
  moves,
  noteColumns,
  noteValues,
  parseFound,
  parsePlace,
  remembered,
} from "./sql.ts";

const history = "makegood_machine_history";
const seven = "?, ?, ?, ?, ?, ?, ?";

// One writer at a time: after our first write, and in a transaction begun IMMEDIATE from its begin, nobody else can write.
// A transaction begun otherwise that reads first is refused at its first write if another wrote in between (BUSY_SNAPSHOT).

export function machineSqlite({ machine, table, id, state, version }: MachineTable): MachineSql {
  const seen = `CAST(${id} AS TEXT) AS makegood_entity, ${state} AS makegood_state, ${version ?? "NULL"} AS makegood_version`;
  const read = `SELECT ${seen} FROM ${table} WHERE ${id} = ?`;
  const readWhole = `SELECT *, ${seen} FROM ${table} WHERE ${id} = ?`;
  // Placeholders without numbers: clients differ in what they take ?1 for.
  const update = remembered((columns) => {
    const sets = columns.map((column) => `, ${column} = ?`).join("");
    const bump = version === null ? "" : `, ${version} = ${version} + 1`;
    const matches = version === null ? "? IS NULL" : `(? IS NULL OR ${version} = ?)`;
    return `UPDATE ${table} SET ${state} = ?${bump}${sets} WHERE ${id} = ? AND ${state} = ? AND ${matches} RETURNING CAST(${id} AS TEXT) AS entity`;
  });
  function* change({ id: rowId, from, to, version: known, columns, values }: Change): Script<Row | undefined> {
    const guard = version === null ? [known] : [known, known];
    return (yield { sql: update(columns), parameters: [to, ...values, rowId, from, ...guard] })[0];
  }

  const note = `
INSERT INTO ${history} (machine, entity, ${noteColumns}) VALUES (?, ?, ${seven})
ON CONFLICT (machine, entity, event_id) DO NOTHING
RETURNING seq`;
  const earlier = `
SELECT seq, ${noteColumns}, at FROM ${history} WHERE machine = ? AND entity = ? AND event_id = ?`;
  const lastMove = `
SELECT max(seq) AS seq FROM ${history}
 WHERE machine = ? AND entity = ? AND outcome IN ${moves}`;
  const readHistory = `
SELECT seq, ${noteColumns}, at FROM ${history}
 WHERE machine = ? AND entity = coalesce((SELECT CAST(${id} AS TEXT) FROM ${table} WHERE ${id} = ?), ?)
 ORDER BY seq LIMIT ?`;
  // By primary key, through the lines of all machines (+ keeps the planner from the machine's index, which would read all of
  // its lines for each page); a later move by the index of event ids.
  const pageEnd = `SELECT max(seq) AS seq FROM (SELECT seq FROM ${history} WHERE seq > ? ORDER BY seq LIMIT ?)`;
  const prune = `
DELETE FROM ${history}
 WHERE seq > ? AND seq <= ? AND +machine = ? AND at < ${nowMs.sqlite} - ?
   AND EXISTS (SELECT 1 FROM ${history} AS later
                WHERE later.machine = ${history}.machine AND later.entity = ${history}.entity AND later.seq > ${history}.seq
                  AND later.outcome IN ${moves})
RETURNING 1`;
  const count = `SELECT ${state} AS state, count(*) AS count FROM ${table} GROUP BY 1 ORDER BY 1`;
  const migrate = `
UPDATE ${table} SET ${state} = ?${version === null ? "" : `, ${version} = ${version} + 1`}
 WHERE ${id} IN (SELECT ${id} FROM ${table} WHERE ${state} = ? ORDER BY ${id} LIMIT ?)
RETURNING CAST(${id} AS TEXT) AS entity`;
  const noteMigrated = `
INSERT INTO ${history} (machine, entity, outcome, from_state, to_state, actor, reason)
SELECT ?, moved.value, 'migrated', ?, ?, ?, ? FROM json_each(?) AS moved`;
  const open = "INSERT INTO makegood_machine_override (machine, reason) VALUES (?, 'recorded')";
  const close = "DELETE FROM makegood_machine_override WHERE machine = ?";

  return {
    *lock(rowId, whole) {
      return parseFound((yield { sql: whole ? readWhole : read, parameters: [rowId] })[0]);
    },
    *move(given, it) {
      const moved = yield* change(given);
      if (moved === undefined) return parseFound((yield { sql: read, parameters: [given.id] })[0]);
      return firstNumber(yield { sql: note, parameters: [machine, moved["entity"], ...noteValues(it)] });
    },
    *change(given) {
      yield* change({ ...given, version: null });
    },
    *note(entity, it) {
      return firstNumber(yield { sql: note, parameters: [machine, entity, ...noteValues(it)] });
    },
    *earlier(entity, eventId) {
      return (yield { sql: earlier, parameters: [machine, entity, eventId] })[0] ?? null;
    },
    *lastMove(entity) {
      const [row] = yield { sql: lastMove, parameters: [machine, entity] };
      return row?.["seq"] === null ? 0 : parseNumber(row?.["seq"], "seq");
    },
    *history(rowId, limit) {
      return yield { sql: readHistory, parameters: [machine, rowId, String(rowId), limit] };
    },
    *pageEnd({ seq }, limit) {
      return parsePlace((yield { sql: pageEnd, parameters: [seq, limit] })[0]);
    },
    *prune(after, upTo, keepMs) {
      return (yield { sql: prune, parameters: [after.seq, upTo.seq, machine, keepMs] }).length;
    },
    *count() {
      return yield { sql: count, parameters: [] };
    },
    *migrate(from, to, limit, { by, reason }) {
      yield { sql: open, parameters: [machine] };
      const moved = yield { sql: migrate, parameters: [to, from, limit] };
      yield { sql: close, parameters: [machine] };
      const entities = JSON.stringify(moved.map((row) => row["entity"]));
      yield { sql: noteMigrated, parameters: [machine, from, to, by, reason, entities] };
      return moved.length;
    },
  };
}
