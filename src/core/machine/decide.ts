// What becomes of an event, given the row as it is. A pure function: whoever calls it holds the row's lock, or compares and
// sets afterwards.
import type { Edge, Graph } from "./graph.ts";
import { edgesFrom, eventsFrom } from "./graph.ts";

/** What the caller says of the row; `undefined` where it does not say. */
export interface Asked {
  readonly state: string | undefined;
  readonly version: number | undefined;
  readonly event: string;
}
/** The row as it is. `version` is null where the table has none. */
export interface Found {
  readonly state: string;
  readonly version: number | null;
}

export type Decision =
  | { readonly kind: "move"; readonly edge: Edge }
  /** The row is no longer as the caller saw it. */
  | { readonly kind: "stale" }
  | { readonly kind: "illegal"; readonly legal: readonly string[] }
  /** The event is legal here, but each guard said no; `guard` is the last one asked. */
  | { readonly kind: "guarded"; readonly guard: string };

/** `agrees` is asked of guards in the order of the definition, and only until one agrees. */
export function decide(graph: Graph, asked: Asked, found: Found, agrees: (guard: string) => boolean): Decision {
  const isStale =
    (asked.state !== undefined && asked.state !== found.state) ||
    (asked.version !== undefined && found.version !== null && asked.version !== found.version);
  if (isStale) return { kind: "stale" };
  const edges = edgesFrom(graph, found.state, asked.event);
  if (edges === undefined) return { kind: "illegal", legal: eventsFrom(graph, found.state) };
  let refusedBy = "";
  for (const edge of edges) {
    if (edge.guard === null || agrees(edge.guard)) return { kind: "move", edge };
    refusedBy = edge.guard;
  }
  return { kind: "guarded", guard: refusedBy };
}
