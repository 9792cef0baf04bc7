// A definition flattened: every state that a row can hold, and from each the events that lead on. Code, trigger, diagrams
// and documents all read this one table.
import { describeValue, OptionError } from "../errors.ts";
import { nearestKey } from "../options.ts";
import { parseSpec, type StateSpec, type SubSpec } from "./parse.ts";
import type { StateWork } from "./spec.ts";

/** One way out of a state, by an event of its own or of its main state. */
export interface Edge {
  readonly from: string;
  readonly event: string;
  readonly to: string;
  /** Final sub-states that are entered and left again on the way, in the same update. */
  readonly through: readonly string[];
  readonly guard: string | null;
}

export type EntryData = NonNullable<SubSpec["entry"]>;

export interface Graph {
  readonly name: string;
  /** The state in which a row begins: never a main state with sub-states, but its first sub-state. */
  readonly initial: string;
  /** Every state that a row can hold, in the order of the definition. */
  readonly states: readonly string[];
  readonly finals: ReadonlySet<string>;
  /** From a state, by an event, in the order in which their guards are asked. */
  readonly edges: ReadonlyMap<string, ReadonlyMap<string, readonly Edge[]>>;
  readonly entries: ReadonlyMap<string, EntryData>;
  readonly works: ReadonlyMap<string, StateWork>;
  /** The parsed definition: for diagrams. */
  readonly spec: readonly StateSpec[];
}

/**
 * Checks a definition and flattens it.
 *
 * @throws OPTION_INVALID naming the place: for a name that cannot be one, an initial state or a target that does not exist,
 *   a state that cannot be reached, a state that nothing leads out of and that is not marked final, a final state with
 *   events, a guard that is not given or not used, sub-states below sub-states, `onDone` that leads round in a circle.
 */
export function createGraph(
  name: string,
  initial: unknown,
  states: unknown,
  guards: Readonly<Record<string, unknown>> = {},
): Graph {
  const where = `machine ${name}`;
  const spec = parseSpec(where, states);
  const places = createPlaces(where, spec);
  const first = places.resolve(initial, null, "initial");
  const edges = new Map(
    places.leaves.map(({ path, main, sub }) => [path, edgesOf(path, main, sub, places.resolve)] as const),
  );
  const graph: Graph = {
    name,
    initial: places.settle(first, "initial").to,
    states: places.leaves.map(({ path }) => path),
    finals: new Set(places.leaves.filter(({ main, sub }) => (sub ?? main).final).map(({ path }) => path)),
    edges: settled(edges, places.settle),
    entries: new Map(places.leaves.flatMap(({ path, main, sub }) => named(path, (sub ?? main).entry))),
    works: new Map(places.leaves.flatMap(({ path, main, sub }) => named(path, (sub ?? main).work))),
    spec,
  };
  checkGuards(where, graph, guards);
  checkReach(where, graph, places);
  checkWorks(where, graph);
  return graph;
}

/** Where an event may lead, in the order in which guards are asked; undefined where it is illegal. */
export function edgesFrom(graph: Graph, state: string, event: string): readonly Edge[] | undefined {
  return graph.edges.get(state)?.get(event);
}

export function eventsFrom(graph: Graph, state: string): readonly string[] {
  return [...(graph.edges.get(state)?.keys() ?? [])];
}

/** Each pair of states that some event leads along, once. What the database's trigger lets pass. */
export function pairsOf(graph: Graph): readonly (readonly [from: string, to: string])[] {
  const pairs = new Map<string, readonly [string, string]>();
  for (const { from, to } of allEdges(graph)) if (from !== to) pairs.set(`${from} ${to}`, [from, to]);
  return [...pairs.values()];
}

export function allEdges(graph: Graph): readonly Edge[] {
  return [...graph.edges.values()].flatMap((byEvent) => [...byEvent.values()].flat());
}

export const isWithin = (state: string, name: string): boolean => state === name || state.startsWith(`${name}.`);

// ── Places ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Place {
  readonly path: string;
  readonly main: StateSpec;
  readonly sub: SubSpec | null;
}

type Resolve = (target: unknown, from: StateSpec | null, where: string) => string;
type Settle = (path: string, where: string) => { readonly to: string; readonly through: readonly string[] };

interface Places {
  readonly leaves: readonly Place[];
  /** The state that a target names: a sibling, a main state (then its first sub-state), or a path. */
  readonly resolve: Resolve;
  /** Where a row that enters a state comes to rest: final sub-states pass it on by `onDone`. */
  readonly settle: Settle;
}

function createPlaces(machine: string, spec: readonly StateSpec[]): Places {
  const mains = new Map(spec.map((main) => [main.name, main]));
  const leaves = spec.flatMap((main): readonly Place[] =>
    main.subs === null
      ? [{ path: main.name, main, sub: null }]
      : main.subs.map((sub) => ({ path: `${main.name}.${sub.name}`, main, sub })),
  );
  const byPath = new Map(leaves.map((place) => [place.path, place]));
  const known = [...mains.keys(), ...leaves.filter(({ sub }) => sub !== null).map(({ path }) => path)];

  const resolve: Resolve = (target, from, where) => {
    const at = `${machine}: ${where}`;
    if (typeof target !== "string")
      throw new OptionError(where, `${at}: expected the name of a state, found ${describeValue(target)}`);
    const isSibling = from?.subs?.some((sub) => sub.name === target) === true;
    const main = mains.get(target);
    if (isSibling && main !== undefined)
      throw new OptionError(
        where,
        `${at}: ${describeValue(target)} is a sub-state of ${from?.name} and a main state; rename one of them, or write "${from?.name}.${target}"`,
      );
    if (isSibling) return `${from?.name}.${target}`;
    if (byPath.has(target)) return target;
    if (main !== undefined) return `${main.name}.${main.initial}`;
    const near = nearestKey(target, [...known, ...(from?.subs?.map((sub) => sub.name) ?? [])]);
    throw new OptionError(
      where,
      `${at}: there is no state ${describeValue(target)}. ${near === undefined ? `States: ${known.join(", ")}` : `Did you mean ${near}?`}`,
    );
  };

  const settle: Settle = (path, where) => {
    const through: string[] = [];
    for (let to = path; ; ) {
      if (through.includes(to))
        throw new OptionError(
          where,
          `${machine}: ${where}: onDone leads round in a circle: ${[...through, to].join(" → ")}`,
        );
      const place = byPath.get(to);
      const onDone = place?.sub?.final === true ? place.main.onDone : null;
      if (place === undefined || onDone === null) return { to, through };
      through.push(to);
      to = resolve(onDone, null, `states.${place.main.name}.onDone`);
    }
  };
  return { leaves, resolve, settle };
}

/** The sub-state's own events stand before, and in place of, those of the same name that its main state has. */
function edgesOf(
  path: string,
  main: StateSpec,
  sub: SubSpec | null,
  resolve: Resolve,
): ReadonlyMap<string, readonly Edge[]> {
  const own =
    sub === null ? [] : sub.on.map((it) => ({ ...it, from: main, where: `states.${main.name}.states.${sub.name}.on` }));
  const inherited = main.on.map((it) => ({ ...it, from: null, where: `states.${main.name}.on` }));
  const edges = new Map<string, readonly Edge[]>();
  for (const { event, targets, from, where } of [...own, ...inherited]) {
    if (edges.has(event)) continue;
    const at = `${where}.${event}`;
    edges.set(
      event,
      targets.map(({ to, guard }) => ({ from: path, event, to: resolve(to, from, at), through: [], guard })),
    );
  }
  return edges;
}

function settled(edges: ReadonlyMap<string, ReadonlyMap<string, readonly Edge[]>>, settle: Settle): Graph["edges"] {
  return new Map(
    [...edges].map(([from, byEvent]) => [
      from,
      new Map(
        [...byEvent].map(([event, list]) => [
          event,
          list.map((edge) => ({ ...edge, ...settle(edge.to, `${from} on ${event}`) })),
        ]),
      ),
    ]),
  );
}

function named<T>(path: string, value: T | null): readonly (readonly [string, T])[] {
  return value === null ? [] : [[path, value]];
}

// ── Checks of the whole ────────────────────────────────────────────────────────────────────────────────────────────

function checkGuards(where: string, graph: Graph, guards: Readonly<Record<string, unknown>>): void {
  for (const [name, guard] of Object.entries(guards))
    if (typeof guard !== "function")
      throw new OptionError(
        `guards.${name}`,
        `${where}: guards.${name}: expected a function (row, payload) => boolean, found ${describeValue(guard)}`,
      );
  const used = new Set(allEdges(graph).flatMap(({ guard }) => (guard === null ? [] : [guard])));
  for (const name of used) {
    if (Object.hasOwn(guards, name)) continue;
    const near = nearestKey(name, Object.keys(guards));
    throw new OptionError(
      `guards.${name}`,
      `${where}: expected a guard ${describeValue(name)} in guards, found none.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    );
  }
  const idle = Object.keys(guards).find((name) => !used.has(name));
  if (idle !== undefined)
    throw new OptionError(
      `guards.${idle}`,
      `${where}: guards.${idle}: no event names this guard; remove it, or name it`,
    );
}

function checkReach(where: string, graph: Graph, { leaves, settle }: Places): void {
  const reached = new Set([graph.initial]);
  // Grows while it is walked.
  for (const state of reached)
    for (const edges of graph.edges.get(state)?.values() ?? []) for (const { to } of edges) reached.add(to);
  for (const { path, main, sub } of leaves) {
    const passesOn = settle(path, path).to !== path;
    if (!passesOn && !reached.has(path))
      throw new OptionError(
        `states.${path}`,
        `${where}: state ${path} cannot be reached from ${graph.initial}; let an event lead there, or remove it`,
      );
    const isFinal = (sub ?? main).final;
    const isStuck = graph.edges.get(path)?.size === 0 && !passesOn;
    if (isStuck && !(isFinal && sub === null))
      throw new OptionError(
        `states.${path}`,
        isFinal
          ? `${where}: nothing leads out of ${path}, the end of ${main.name}; give ${main.name} an onDone or an event, or make the end a main state`
          : `${where}: nothing leads out of state ${path}; give it an event, or mark it final: true`,
      );
  }
}

function checkWorks(where: string, graph: Graph): void {
  for (const [state, work] of graph.works)
    for (const [option, event] of [
      ["done", work.done],
      ["failed", work.failed],
    ] as const)
      if (event !== undefined && edgesFrom(graph, state, event) === undefined)
        throw new OptionError(
          `states.${state}.work.${option}`,
          `${where}: states.${state}.work.${option}: expected an event of ${state} (${eventsFrom(graph, state).join(", ")}), found ${describeValue(event)}`,
        );
}
