import { literal } from "../identifiers.ts";
import { nowMs } from "../migrations/now.ts";
import { parseNumber } from "../parse-number.ts";
import {
  firstNumber,
  type MachineSql,
  type MachineTable,
  moves,
  noteColumns,
  noteValues,
  parseFound,
  remembered,
} from "./sql.ts";

const history = "makegood.machine_history";
const noteTypes = (from: number): string => Array.from({ length: 7 }, (_, at) => `$${from + at}::text`).join(", ");

/** Of the user's table each statement is served by its primary key; of the history by (machine, entity, seq) or by its event index. */
export function machinePostgres({ machine, table, id, state, version }: MachineTable): MachineSql {
  const seen = `${id}::text AS makegood_entity, ${state}::text AS makegood_state, ${version ?? "NULL"} AS makegood_version`;
  const read = `SELECT ${seen} FROM ${table} WHERE ${id} = $1`;
  const lock = `${read} FOR UPDATE`;
  const lockWhole = `SELECT *, ${seen} FROM ${table} WHERE ${id} = $1 FOR UPDATE`;

  // $1 id, $2 from, $3 to, then the columns, then the version where one is demanded. A parameter that is compared with a
  // column takes the column's type, so none of them is used for the history as well.
  const update = (columns: readonly string[], demandsVersion: boolean, returning: string): string => {
    const sets = columns.map((column, at) => `, ${column} = $${at + 4}`).join("");
    const bump = version === null ? "" : `, ${version} = ${version} + 1`;
    const matches = demandsVersion ? ` AND ${version} = $${columns.length + 4}::bigint` : "";
    return `UPDATE ${table} SET ${state} = $3${bump}${sets} WHERE ${id} = $1 AND ${state} = $2${matches} RETURNING ${returning}`;
  };
  // One statement: the history row is inserted for the row that the update returns, and for no other. Two movers of one row
  // meet in the update; the second finds another state and returns nothing.
  const moving = (columns: readonly string[], demandsVersion: boolean): string => {
    const from = columns.length + (demandsVersion ? 5 : 4);
    const given = Array.from({ length: 5 }, (_, at) => `$${from + at}::text`).join(", ");
    return update(columns, demandsVersion, `makegood.machine_moved(${literal(machine)}, ${id}::text, ${given}) AS seq`);
  };
  const moveOf = {
    any: remembered((columns) => moving(columns, false)),
    demanded: remembered((columns) => moving(columns, true)),
  };
  const change = remembered((columns) => update(columns, false, "1"));

  const note = `
INSERT INTO ${history} (machine, entity, ${noteColumns}) VALUES ($1::text, $2::text, ${noteTypes(3)})
ON CONFLICT (machine, entity, event_id) WHERE event_id IS NOT NULL DO NOTHING
RETURNING seq`;
  const earlier = `
SELECT seq, ${noteColumns}, at FROM ${history}
 WHERE machine = $1::text AND entity = $2::text AND event_id = $3::text`;
  const lastMove = `
SELECT max(seq) AS seq FROM ${history}
 WHERE machine = $1::text AND entity = $2::text AND outcome IN ${moves}`;
  // The id as the database writes it, if the row is still there: an uuid may be given in capitals.
  const readHistory = `
SELECT seq, ${noteColumns}, at FROM ${history}
 WHERE machine = $1::text AND entity = coalesce((SELECT ${id}::text FROM ${table} WHERE ${id} = $2), $3::text)
 ORDER BY seq LIMIT $4::integer`;
  // Both by primary key. The look for a later move is written as a value, which is asked for row by row: an EXISTS may be
  // planned as a join with the whole history.
  const pageEnd = `
SELECT entity, seq FROM (
  SELECT entity, seq FROM ${history} WHERE machine = $1::text AND (entity, seq) > ($2::text, $3::bigint)
   ORDER BY entity, seq LIMIT $4::integer) AS page
 ORDER BY entity DESC, seq DESC LIMIT 1`;
  const prune = `
DELETE FROM ${history} AS old
 WHERE machine = $1::text AND (entity, seq) > ($2::text, $3::bigint) AND (entity, seq) <= ($4::text, $5::bigint)
   AND at < ${nowMs.postgres} - $6::bigint
   AND (SELECT true FROM ${history} AS later
         WHERE later.machine = old.machine AND later.entity = old.entity AND later.seq > old.seq AND later.outcome IN ${moves}
         LIMIT 1)
RETURNING 1`;
  const count = `SELECT ${state}::text AS state, count(*)::text AS count FROM ${table} GROUP BY 1 ORDER BY 1`;
  const migrate = `
WITH chosen AS (
  SELECT ${id} AS chosen_id FROM ${table} WHERE ${state} = $1 ORDER BY ${id} LIMIT $2::integer FOR UPDATE
), moved AS (
  UPDATE ${table} AS t SET ${state} = $3${version === null ? "" : `, ${version} = t.${version} + 1`}
    FROM chosen WHERE t.${id} = chosen.chosen_id RETURNING t.${id}::text AS entity
)
INSERT INTO ${history} (machine, entity, outcome, from_state, to_state, actor, reason)
SELECT $4::text, entity, 'migrated', $5::text, $6::text, $7::text, $8::text FROM moved
RETURNING 1`;

  return {
    *lock(rowId, whole) {
      return parseFound((yield { sql: whole ? lockWhole : lock, parameters: [rowId] })[0]);
    },
    *move({ id: rowId, from, to, version: demanded, columns, values }, { event, from: was, to: is, by, reason }) {
      const isDemanded = version !== null && demanded !== null;
      const sql = moveOf[isDemanded ? "demanded" : "any"](columns);
      const known = isDemanded ? [demanded] : [];
      const parameters = [rowId, from, to, ...values, ...known, event, was, is, by, reason];
      return firstNumber(yield { sql, parameters }) ?? parseFound((yield { sql: read, parameters: [rowId] })[0]);
    },
    *change({ id: rowId, from, to, columns, values }) {
      yield { sql: change(columns), parameters: [rowId, from, to, ...values] };
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
    *pageEnd({ entity, seq }, limit) {
      const [row] = yield { sql: pageEnd, parameters: [machine, entity, seq, limit] };
      return row === undefined ? null : { entity: String(row["entity"]), seq: parseNumber(row["seq"], "seq") };
    },
    *prune(after, upTo, keepMs) {
      const parameters = [machine, after.entity, after.seq, upTo.entity, upTo.seq, keepMs];
      return (yield { sql: prune, parameters }).length;
    },
    *count() {
      return yield { sql: count, parameters: [] };
    },
    // The trigger lets pass what is done under this setting, and leaves the history to us.
    *migrate(from, to, limit, { by, reason }) {
      yield { sql: "SELECT set_config('makegood.machine_override', 'recorded', true)", parameters: [] };
      const rows = yield { sql: migrate, parameters: [from, limit, to, machine, from, to, by, reason] };
      yield { sql: "SELECT set_config('makegood.machine_override', '', true)", parameters: [] };
      return rows.length;
    },
  };
}
