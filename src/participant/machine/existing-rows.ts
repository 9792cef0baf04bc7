// Rows that are older than the definition.
import { CatalogError, describeValue, OptionError } from "../../core/errors.ts";
import type { Graph } from "../../core/machine/graph.ts";
import { checkInteger, checkOptions, nearestKey } from "../../core/options.ts";
import type { Mode } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { Base } from "../base.ts";
import { parseNumber } from "../parse-number.ts";
import { maxActorChars, maxReasonChars, parseNote } from "./request.ts";
import type { MachineSql } from "./sql.ts";
import type { MigrateOptions, TableCheck } from "./types.ts";

const defaultBatch = 500;
const maxBatch = 10_000;

export function* checkTable(graph: Graph, sql: MachineSql): Script<TableCheck> {
  const states = (yield* sql.count()).map((row) => ({
    state: row["state"] === null ? null : String(row["state"]),
    count: parseNumber(row["count"], "a count of rows"),
  }));
  return {
    rowCount: states.reduce((sum, { count }) => sum + count, 0),
    unknown: states.filter(({ state }) => state === null || !graph.edges.has(state)),
  };
}

export async function migrateRows<Tx, M extends Mode>(
  base: Base<Tx, M>,
  graph: Graph,
  sql: MachineSql,
  map: unknown,
  options: MigrateOptions = {},
  actor: () => string | null,
): Promise<number> {
  const where = `machine ${graph.name}: migrateRows`;
  checkOptions(options, ["by", "reason", "batch"], where);
  const batch = checkInteger(options.batch ?? defaultBatch, `${where}: batch`, 1, maxBatch);
  const by = options.by === undefined ? actor() : parseNote(options.by, maxActorChars, `${where}: by`);
  const reason = options.reason === undefined ? null : parseNote(options.reason, maxReasonChars, `${where}: reason`);
  const targets = parseMap(graph, map, where);
  refuseUnmapped(graph, await base.alone(() => checkTable(graph, sql)), targets, where);
  let movedCount = 0;
  for (const [from, to] of targets)
    for (let moved = batch; moved === batch; ) {
      moved = await base.alone(() => sql.migrate(from, to, batch, { by, reason }));
      movedCount += moved;
    }
  return movedCount;
}

function parseMap(graph: Graph, map: unknown, where: string): ReadonlyMap<string, string> {
  if (typeof map !== "object" || map === null)
    throw new OptionError(
      "map",
      `${where}: expected an object from old states to new ones, found ${describeValue(map)}`,
    );
  const targets = new Map<string, string>();
  for (const [from, target] of Object.entries(map)) {
    const to = restingPlace(graph, target);
    if (to === undefined) {
      const near = nearestKey(String(target), graph.states);
      throw new OptionError(
        `map.${from}`,
        `${where}: ${describeValue(from)}: expected a state of the machine, found ${describeValue(target)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
      );
    }
    targets.set(from, to);
  }
  // Else rows would be moved twice, or round and round.
  for (const [from, to] of targets)
    if (targets.has(to))
      throw new OptionError(
        `map.${from}`,
        `${where}: ${from} is to become ${to}, which is to become ${targets.get(to)}; move those of ${to} by a call of its own, before`,
      );
  return targets;
}

/** A main state stands for its first sub-state, as in the definition. */
function restingPlace(graph: Graph, target: unknown): string | undefined {
  if (typeof target !== "string") return undefined;
  if (graph.edges.has(target)) return target;
  const main = graph.spec.find(({ name }) => name === target);
  return main === undefined || main.initial === null ? undefined : `${main.name}.${main.initial}`;
}

function refuseUnmapped(
  graph: Graph,
  { unknown }: TableCheck,
  targets: ReadonlyMap<string, string>,
  where: string,
): void {
  const unmapped = unknown.filter(({ state }) => state === null || !targets.has(state));
  if (unmapped.length === 0) return;
  const shown = unmapped.map(({ state, count }) => `${describeValue(state)} (${count} rows)`).join(", ");
  throw new CatalogError(
    "STATE_UNMAPPED",
    `${where}: expected a mapping for every state that the machine does not know, found none for ${shown}; nothing was moved`,
    { machine: graph.name, states: unmapped.map(({ state }) => state) },
  );
}
