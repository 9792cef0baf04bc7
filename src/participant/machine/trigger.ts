// Triggers that make the database refuse what is no edge of the machine, whatever client, ORM or hand asks: a row is
// inserted in the initial state only, and its state changes along an edge only. The edges stand in the trigger's own text: a
// table of edges could be written to by whoever may write to tables, and would have to be kept in step with the trigger.
//
// They run after the row was written, so that no other trigger can change the state behind them, and only for changes of
// the state. Events and guards they do not see. An administrator passes them with a reason, which the history then bears:
//
//   PostgreSQL      SET LOCAL makegood.machine_override = 'ticket 4711: …'
//   MySQL, MariaDB  SET @makegood_machine_override = 'ticket 4711: …'   (and NULL afterwards)
//   SQLite          INSERT INTO makegood_machine_override (machine, reason) VALUES ('order', 'ticket 4711: …'), and DELETE it
//                   again before COMMIT: other connections never see it
import { type Graph, pairsOf } from "../../core/machine/graph.ts";
import { literal, quoteName } from "../identifiers.ts";
import type { MachineTable } from "./sql.ts";

/** The word that says: what is done here, makegood writes into the history itself. */
const recorded = "recorded";

export function triggerSql(graph: Graph, on: MachineTable): readonly string[] {
  switch (on.dialect) {
    case "postgres":
      return [...dropTriggerSql(on).slice(0, 2), ...createPostgres(graph, on)];
    case "sqlite":
      return [...dropTriggerSql(on), ...createSqlite(graph, on)];
    case "mysql":
      return [...dropTriggerSql(on), ...createMysql(graph, on)];
  }
}

export function dropTriggerSql(on: MachineTable): readonly string[] {
  const { inserted, updated } = namesOf(on);
  if (on.dialect === "postgres")
    return [
      `DROP TRIGGER IF EXISTS ${inserted} ON ${on.table}`,
      `DROP TRIGGER IF EXISTS ${updated} ON ${on.table}`,
      `DROP FUNCTION IF EXISTS ${functionOf(on)}()`,
    ];
  // A trigger lives in the schema of its table.
  const [schema] = schemaOf(on.table);
  return [`DROP TRIGGER IF EXISTS ${schema}${inserted}`, `DROP TRIGGER IF EXISTS ${schema}${updated}`];
}

function namesOf({ dialect, machine }: MachineTable) {
  return {
    inserted: quoteName(dialect, `makegood_${machine}_insert`, "name"),
    updated: quoteName(dialect, `makegood_${machine}_update`, "name"),
  };
}

const functionOf = ({ machine }: MachineTable): string =>
  `makegood.${quoteName("postgres", `machine_guard_${machine}`, "name")}`;

/** Quoted names hold no dot outside of their quotes but the one that parts them; a name with a dot cannot be given. */
function schemaOf(table: string): readonly [schema: string, table: string] {
  const at = table.indexOf(".");
  return at < 0 ? ["", table] : [table.slice(0, at + 1), table.slice(at + 1)];
}

const refusedInsert = (machine: string, initial: string): string =>
  `machine ${machine}: a row begins in state ${initial}`;

// ── PostgreSQL ─────────────────────────────────────────────────────────────────────────────────────────────────────

function createPostgres(graph: Graph, on: MachineTable): readonly string[] {
  const { machine, table, id, state } = on;
  const { inserted, updated } = namesOf(on);
  const pairs = pairsOf(graph).map(([from, to]) => `(${literal(from)}, ${literal(to)})`);
  const isEdge = pairs.length === 0 ? "false" : `(OLD.${state}::text, NEW.${state}::text) IN (${pairs.join(", ")})`;
  return [
    `CREATE OR REPLACE FUNCTION ${functionOf(on)}() RETURNS trigger LANGUAGE plpgsql AS $makegood$
DECLARE
  why constant text := nullif(current_setting('makegood.machine_override', true), '');
  was text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.${state}::text IS NOT DISTINCT FROM ${literal(graph.initial)} THEN RETURN NULL; END IF;
    IF why IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation',
        MESSAGE = ${literal(`${refusedInsert(machine, graph.initial)}, not in `)} || coalesce(quote_literal(NEW.${state}::text), 'NULL');
    END IF;
  ELSE
    was := OLD.${state}::text;
    IF coalesce(${isEdge}, false) THEN RETURN NULL; END IF;
    IF why IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'check_violation',
        MESSAGE = ${literal(`machine ${machine}: no event leads from state `)} || coalesce(quote_literal(was), 'NULL')
          || ' to ' || coalesce(quote_literal(NEW.${state}::text), 'NULL');
    END IF;
  END IF;
  IF why <> '${recorded}' THEN
    INSERT INTO makegood.machine_history (machine, entity, outcome, from_state, to_state, actor, reason)
    VALUES (${literal(machine)}, NEW.${id}::text, 'override', was, NEW.${state}::text, session_user::text, why);
  END IF;
  RETURN NULL;
END
$makegood$`,
    `CREATE TRIGGER ${inserted} AFTER INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${functionOf(on)}()`,
    `CREATE TRIGGER ${updated} AFTER UPDATE ON ${table} FOR EACH ROW
WHEN (OLD.${state} IS DISTINCT FROM NEW.${state}) EXECUTE FUNCTION ${functionOf(on)}()`,
  ];
}

// ── SQLite ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function createSqlite(graph: Graph, on: MachineTable): readonly string[] {
  const { machine, id, state } = on;
  const { inserted, updated } = namesOf(on);
  const [schema, table] = schemaOf(on.table);
  const pairs = pairsOf(graph).map(([from, to]) => `(${literal(from)}, ${literal(to)})`);
  const isEdge = pairs.length === 0 ? "0" : `coalesce((OLD.${state}, NEW.${state}) IN (VALUES ${pairs.join(", ")}), 0)`;
  const why = `SELECT reason FROM makegood_machine_override WHERE machine = ${literal(machine)}`;
  const note = (was: string): string => `
  SELECT RAISE(ABORT, ${literal("MESSAGE")}) WHERE NOT EXISTS (${why});
  INSERT INTO makegood_machine_history (machine, entity, outcome, from_state, to_state, reason)
  SELECT machine, CAST(NEW.${id} AS TEXT), 'override', ${was}, NEW.${state}, reason
    FROM makegood_machine_override WHERE machine = ${literal(machine)} AND reason <> '${recorded}';`;
  // RAISE takes no expression before SQLite 3.47, so the message cannot name the states.
  return [
    `CREATE TRIGGER ${schema}${inserted} AFTER INSERT ON ${table} FOR EACH ROW
WHEN NEW.${state} IS NOT ${literal(graph.initial)} BEGIN${note("NULL").replace(literal("MESSAGE"), literal(refusedInsert(machine, graph.initial)))}
END`,
    `CREATE TRIGGER ${schema}${updated} AFTER UPDATE ON ${table} FOR EACH ROW
WHEN OLD.${state} IS NOT NEW.${state} AND NOT ${isEdge} BEGIN${note(`OLD.${state}`).replace(literal("MESSAGE"), literal(`machine ${machine}: no event leads from the state that the row is in to the new one`))}
END`,
  ];
}

// ── MySQL and MariaDB ──────────────────────────────────────────────────────────────────────────────────────────────

/** As bytes: collations take "Paid" and "paid ", of another case or with a space, for "paid". */
const bytesOf = (value: string): string => `CAST(CONVERT(${value} USING utf8mb4) AS BINARY)`;

function createMysql(graph: Graph, on: MachineTable): readonly string[] {
  const { machine, table, id, state } = on;
  const { inserted, updated } = namesOf(on);
  const [schema] = schemaOf(table);
  const isPair = pairsOf(graph).map(
    ([from, to]) =>
      `(${bytesOf(`OLD.${state}`)} = ${bytesOf(literal(from))} AND ${bytesOf(`NEW.${state}`)} = ${bytesOf(literal(to))})`,
  );
  const isEdge = isPair.length === 0 ? "FALSE" : `COALESCE(${isPair.join(" OR ")}, FALSE)`;
  const trigger = (name: string, event: string, isFine: string, was: string, message: string): string =>
    `CREATE TRIGGER ${schema}${name} AFTER ${event} ON ${table} FOR EACH ROW
BEGIN
  DECLARE makegood_message VARCHAR(128);
  IF NOT (${isFine}) THEN
    IF COALESCE(@makegood_machine_override, '') = '' THEN
      SET makegood_message = LEFT(${message}, 128);
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = makegood_message;
    END IF;
    IF @makegood_machine_override <> '${recorded}' THEN
      INSERT INTO makegood_machine_history (machine, entity, outcome, from_state, to_state, actor, reason)
      VALUES (${literal(machine)}, CAST(NEW.${id} AS CHAR), 'override', ${was}, NEW.${state}, SESSION_USER(), @makegood_machine_override);
    END IF;
  END IF;
END`;
  const found = (value: string): string => `COALESCE(${value}, 'NULL')`;
  return [
    trigger(
      inserted,
      "INSERT",
      `COALESCE(${bytesOf(`NEW.${state}`)} = ${bytesOf(literal(graph.initial))}, FALSE)`,
      "NULL",
      `CONCAT(${literal(`${refusedInsert(machine, graph.initial)}, not in `)}, ${found(`NEW.${state}`)})`,
    ),
    trigger(
      updated,
      "UPDATE",
      `${bytesOf(`OLD.${state}`)} <=> ${bytesOf(`NEW.${state}`)} OR ${isEdge}`,
      `OLD.${state}`,
      `CONCAT(${literal(`machine ${machine}: no event leads from state `)}, ${found(`OLD.${state}`)}, ' to ', ${found(`NEW.${state}`)})`,
    ),
  ];
}
