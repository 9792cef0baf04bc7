// State machines over rows of the user's own tables. What a move is stands in moving.ts; what a definition says, in
// core/machine/; the statements, in a file for each database.
import { describeValue, OptionError } from "../../core/errors.ts";
import { createGraph, eventsFrom, type Graph, isWithin } from "../../core/machine/graph.ts";
import { toMermaid } from "../../core/machine/mermaid.ts";
import { checkMachineName } from "../../core/machine/parse.ts";
import type { Columns, States } from "../../core/machine/spec.ts";
import { toXState } from "../../core/machine/xstate.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Mode, Participant } from "../../core/participant.ts";
import { type Base, baseOf } from "../base.ts";
import { namingUserTables } from "../own-tables.ts";
import { parseId } from "../parse-row.ts";
import { quoteColumns } from "../set-columns.ts";
import { ask, type Work } from "../work.ts";
import { createDriver } from "./drive.ts";
import { checkTable, migrateRows } from "./existing-rows.ts";
import { parseEntry } from "./history.ts";
import { type Moving, performMove, type Request } from "./moving.ts";
import { machineMysql } from "./mysql.ts";
import { parseState } from "./parse-state.ts";
import { machinePostgres } from "./postgres.ts";
import { pruneHistory } from "./prune.ts";
import { refusalError, repeatedRefusal } from "./refusals.ts";
import { type Given, maxActorChars, parseNote, parseRequest } from "./request.ts";
import { type MachineSql, type MachineTable, quoteMachineTable } from "./sql.ts";
import { machineSqlite } from "./sqlite.ts";
import { dropTriggerSql, triggerSql } from "./trigger.ts";
import type { Machine, MachineOptions, MoveResult } from "./types.ts";

const optionKeys = ["table", "id", "state", "version", "initial", "states", "guards", "refusals", "by"] as const;
const defaultHistory = 1_000;
const maxHistory = 100_000;
const maxNameChars = 40;

/**
 * A state machine over the rows of one table of the participant. `name` is stored with every row of the history: two
 * machines over one table have two names, and a machine keeps its own.
 *
 * Checked at once: every target is there, every state can be reached, what nothing leads out of is marked final.
 *
 * @throws OPTION_INVALID naming the place in the definition.
 */
export function stateMachine<Tx, M extends Mode, const S extends States>(
  on: Participant<Tx, M>,
  name: string,
  definition: MachineOptions<S>,
): Machine<S, Tx, M> {
  const base = baseOf(on, "stateMachine");
  checkName(name);
  const where = `machine ${name}`;
  checkOptions(definition, optionKeys, where);
  checkRefusals(definition.refusals, where);
  const { guards = {}, by } = definition;
  const graph = createGraph(name, definition.initial, definition.states, guards);
  const table = quoteMachineTable(name, base.dialect.name, definition);
  const sql = machineSqlOf(table);
  const quoteSet = setQuoter(table);
  const driver = createDriver(on, graph, sql, (tx, request) =>
    base.inside(tx, namingUserTables(performMove(moving, request))),
  );
  const moving: Moving = {
    graph,
    sql,
    guards,
    recordsRefusals: definition.refusals === "record",
    columnsOf: columnsOf(graph, quoteSet),
    entered: (edge, id, seq) => driver.entered(edge, id, seq),
  };
  const actor = actorOf(by, where);
  const moves = createMoves({ base, moving, table: definition.table, quoteSet, actor });

  const machine: Machine<States, Tx, M> = {
    name,
    states: graph.states,
    initial: graph.initial,
    parse: (value) => parseState(graph, value),
    is: ((state: string, within: string) => isWithin(state, within)) as Machine<States, Tx, M>["is"],
    eventsOf: (state) => eventsFrom(graph, parseState(graph, state)) as never,
    move: moves.move as never,
    tryMove: moves.tryMove as never,
    history: (tx, id, options = {}) => base.inside(tx, namingUserTables(readHistory(sql, where, id, options))) as never,
    drive: (app) => driver.drive(app),
    check: (tx) => base.inside(tx, namingUserTables(ask(checkTable(graph, sql)))),
    migrateRows: (map, options) => migrateRows(base, graph, sql, map, options, actor),
    pruneHistory: (options) => pruneHistory(base, sql, `${where}: pruneHistory`, options),
    triggerSql: () => triggerSql(graph, table),
    dropTriggerSql: () => dropTriggerSql(table),
    installTrigger: () =>
      base.alone(function* () {
        for (const statement of triggerSql(graph, table)) yield { sql: statement, parameters: [] };
      }),
    toMermaid: () => toMermaid(graph),
    toXState: () => toXState(graph),
  };
  return machine as unknown as Machine<S, Tx, M>;
}

export function machineSqlOf(table: MachineTable): MachineSql {
  switch (table.dialect) {
    case "postgres":
      return machinePostgres(table);
    case "sqlite":
      return machineSqlite(table);
    case "mysql":
      return machineMysql(table);
  }
}

interface Moves<Tx, M extends Mode> {
  readonly base: Base<Tx, M>;
  readonly moving: Moving;
  /** As the user names it. */
  readonly table: string;
  readonly quoteSet: (set: Columns) => Columns;
  readonly actor: () => string | null;
}

function createMoves<Tx, M extends Mode>({ base, moving, table, quoteSet, actor }: Moves<Tx, M>) {
  const { graph } = moving;
  const read = (given: Given): Request => {
    const request = parseRequest(graph, given, actor());
    // What is quoted here is quoted again with what the states entered say; this is to refuse it before the row is locked.
    quoteSet(request.set);
    return request;
  };
  function* tryMove(given: Given): Work<MoveResult<string>> {
    return yield* performMove(moving, read(given));
  }
  function* move(given: Given): Work<string> {
    return yield* moveOrThrow(moving, table, read(given));
  }
  return {
    tryMove: (tx: Tx, row: unknown, event: unknown, options?: unknown) =>
      base.inside(tx, namingUserTables(tryMove({ row, event, options }))),
    move: (tx: Tx, row: unknown, event: unknown, options?: unknown) =>
      base.inside(tx, namingUserTables(move({ row, event, options }))),
  };
}

function* moveOrThrow(moving: Moving, table: string, request: Request): Work<string> {
  const { graph } = moving;
  const result: MoveResult<string> = yield* performMove(moving, request);
  if (result.kind === "moved") return result.to;
  if (result.kind !== "duplicate") throw refusalError(graph.name, table, request, result);
  const { from, to } = result.first;
  if (to !== null) return to;
  throw repeatedRefusal(graph.name, request, result, eventsFrom(graph, from));
}

function* readHistory(
  sql: MachineSql,
  machine: string,
  id: unknown,
  options: { readonly limit?: number },
): Work<readonly unknown[]> {
  const where = `${machine}: history`;
  checkOptions(options, ["limit"], where);
  const limit = checkInteger(options.limit ?? defaultHistory, `${where}.limit`, 1, maxHistory);
  return (yield* ask(sql.history(parseId(id, where), limit))).map(parseEntry);
}

/** What the states that are entered say, in their order, then what the call says. */
function columnsOf(graph: Graph, quoteSet: Moves<never, Mode>["quoteSet"]): Moving["columnsOf"] {
  return ({ through, to }, { payload, set }) => {
    let columns: Columns = set;
    for (const entered of [to, ...through.toReversed()]) {
      const entry = graph.entries.get(entered);
      if (entry !== undefined) columns = { ...entry(payload), ...columns };
    }
    return quoteSet(columns);
  };
}

/** Throws OPTION_INVALID for what cannot be written, and for columns that the machine itself writes. */
function setQuoter({ machine, dialect, id, state, version }: MachineTable): (set: Columns) => Columns {
  const reserved = version === null ? [id, state] : [id, state, version];
  return (set) => quoteColumns(dialect, set, reserved, `machine ${machine}: set`);
}

function actorOf(by: unknown, where: string): () => string | null {
  if (by === undefined) return () => null;
  if (typeof by === "string") {
    const actor = parseNote(by, maxActorChars, `${where}: by`);
    return () => actor;
  }
  if (typeof by === "function") return () => parseNote(by(), maxActorChars, `${where}: by`);
  throw new OptionError("by", `${where}: by: expected a text or a function that gives one, found ${describeValue(by)}`);
}

/** Shorter than other names: it is part of the names of triggers. */
function checkName(name: unknown): void {
  checkMachineName("stateMachine", name, "name");
  if (name.length > maxNameChars)
    throw new OptionError(
      "name",
      `stateMachine: expected a name of at most ${maxNameChars} characters, found ${name.length}`,
    );
}

function checkRefusals(refusals: unknown, where: string): void {
  if (refusals === undefined || refusals === "record" || refusals === "forget") return;
  throw new OptionError(
    "refusals",
    `${where}: refusals: expected "record" or "forget", found ${describeValue(refusals)}`,
  );
}
