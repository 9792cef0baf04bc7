import { CatalogError, describeValue } from "../../core/errors.ts";
import type { Graph } from "../../core/machine/graph.ts";

/** @throws STATE_UNKNOWN */
export function parseState(graph: Graph, value: unknown): string {
  if (typeof value === "string" && graph.edges.has(value)) return value;
  throw new CatalogError(
    "STATE_UNKNOWN",
    `machine ${graph.name}: expected one of ${graph.states.join(", ")}, found ${describeValue(value)}. Rows of an older definition: see machine.check and machine.migrateRows`,
    { machine: graph.name },
  );
}
