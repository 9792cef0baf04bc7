// To and from the configuration of XState 5, as plain data: this package does not import XState. Both machines then make
// the same moves of the same events; where they differ, the import refuses.
import { describeValue, OptionError } from "../errors.ts";
import type { Graph } from "./graph.ts";
import type { EventSpec, StateSpec, SubSpec } from "./parse.ts";

export interface XStateConfig {
  readonly id: string;
  readonly initial: string;
  readonly states: Readonly<Record<string, XStateNode>>;
}
export interface XStateNode {
  readonly type?: "final";
  readonly initial?: string;
  readonly on?: Readonly<Record<string, readonly XStateTransition[]>>;
  readonly onDone?: { readonly target: string };
  readonly states?: Readonly<Record<string, XStateNode>>;
}
export interface XStateTransition {
  readonly target: string;
  readonly guard?: string;
}

// ── Out ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every target is named by its id, `#order.paid`, which means the same from everywhere. */
export function toXState({ name, spec, initial }: Graph): XStateConfig {
  const [first = initial] = initial.split(".");
  return { id: name, initial: first, states: nodes(spec, (state) => mainNode(name, state)) };
}

function mainNode(machine: string, state: StateSpec): XStateNode {
  const { subs, initial, onDone } = state;
  const node = leafNode(machine, state, null);
  if (subs === null || initial === null) return node;
  return {
    ...node,
    initial,
    ...(onDone === null ? {} : { onDone: { target: targetOf(machine, null, onDone) } }),
    states: nodes(subs, (sub) => leafNode(machine, sub, state)),
  };
}

function leafNode(machine: string, { final, on }: SubSpec, within: StateSpec | null): XStateNode {
  return {
    ...(final ? { type: "final" as const } : {}),
    ...(on.length === 0
      ? {}
      : { on: Object.fromEntries(on.map((it) => [it.event, transitionsOf(machine, within, it)])) }),
  };
}

function transitionsOf(machine: string, within: StateSpec | null, { targets }: EventSpec): readonly XStateTransition[] {
  return targets.map(({ to, guard }) => ({
    target: targetOf(machine, within, to),
    ...(guard === null ? {} : { guard }),
  }));
}

function targetOf(machine: string, within: StateSpec | null, target: string): string {
  const isSibling = within?.subs?.some(({ name }) => name === target) === true;
  return `#${machine}.${isSibling ? `${within.name}.` : ""}${target}`;
}

function nodes<T extends { readonly name: string }>(
  list: readonly T[],
  make: (it: T) => XStateNode,
): Readonly<Record<string, XStateNode>> {
  return Object.fromEntries(list.map((it) => [it.name, make(it)]));
}

// ── In ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What `stateMachine` takes, as far as XState knows it. The names of states and events are not known to the types. */
export interface ImportedMachine {
  readonly initial: string;
  readonly states: Readonly<Record<string, ImportedState>>;
}
export interface ImportedState {
  readonly on?: Readonly<Record<string, readonly ImportedTarget[]>>;
  readonly final?: true;
  readonly initial?: string;
  readonly onDone?: string;
  readonly states?: Readonly<Record<string, ImportedState>>;
}
export interface ImportedTarget {
  readonly to: string;
  readonly guard?: string;
}

type Config = Readonly<Record<string, unknown>>;

/**
 * Reads a machine of XState 5, or its config, into a definition for `stateMachine`: `initial` and `states`; table and
 * guards are for the caller to add.
 *
 * @throws OPTION_INVALID naming the place, for what a row with one state cannot be: parallel states, history states,
 *   `invoke`, `after`, `always`, wildcard events, events without a target, inline guards, states below sub-states.
 *   Actions, `entry` and `exit` are refused as well: nothing would run them.
 */
export function fromXState(machine: unknown): ImportedMachine {
  const config = configOf(machine);
  const reader = createReader(config);
  refuse(config, "the machine");
  refuseKeys(config, ["on", "onDone"], "the machine");
  return { initial: textAt(config, "initial", "the machine"), states: reader.states(config["states"], null) };
}

/** A machine keeps the config that it was made of. */
function configOf(machine: unknown): Config {
  const config = isObject(machine) && isObject(machine["config"]) ? machine["config"] : machine;
  if (isObject(config)) return config;
  throw new OptionError(
    "machine",
    `fromXState: expected a machine of XState or its config, found ${describeValue(machine)}`,
  );
}

function createReader(root: Config) {
  const paths = pathsOf(root);
  /** A target as XState means it: `#id`, `.child`, or a sibling; of a main state's the siblings are the main states. */
  const resolve = (target: unknown, path: readonly string[], where: string): string => {
    if (typeof target !== "string")
      throw new OptionError(where, `fromXState: ${where}: expected a target, found ${describeValue(target)}`);
    const found = target.startsWith("#")
      ? byId(target.slice(1))
      : target.startsWith(".")
        ? [...path, ...target.slice(1).split(".")]
        : [...path.slice(0, -1), ...target.split(".")];
    const text = found?.join(".");
    if (text !== undefined && paths.all.has(text)) return text;
    throw new OptionError(where, `fromXState: ${where}: there is no state ${describeValue(target)}`);
  };
  const byId = (id: string): readonly string[] | undefined => {
    for (let cut = id.length; cut > 0; cut = id.lastIndexOf(".", cut - 1)) {
      const path = paths.ids.get(id.slice(0, cut));
      if (path !== undefined)
        return [
          ...path,
          ...id
            .slice(cut + 1)
            .split(".")
            .filter((part) => part !== ""),
        ];
    }
    return undefined;
  };

  const targets = (transition: unknown, path: readonly string[], where: string): readonly ImportedTarget[] => {
    const list = Array.isArray(transition) ? transition : [transition];
    return list.map((it: unknown) => {
      if (typeof it === "string") return { to: resolve(it, path, where) };
      if (!isObject(it) || it["target"] === undefined)
        throw new OptionError(
          where,
          `fromXState: ${where}: expected a target; an event that leads nowhere changes no row`,
        );
      refuseKeys(it, ["actions", "reenter", "cond", "in"], where);
      const to = resolve(
        Array.isArray(it["target"]) && it["target"].length === 1 ? it["target"][0] : it["target"],
        path,
        where,
      );
      const guard = it["guard"];
      if (guard === undefined) return { to };
      if (typeof guard !== "string")
        throw new OptionError(
          `${where}.guard`,
          `fromXState: ${where}: expected a guard by its name, found ${describeValue(guard)}; an inline guard can be neither shown nor recorded. Name it, and give it to stateMachine in guards`,
        );
      return { to, guard };
    });
  };

  const events = (on: unknown, path: readonly string[], where: string) => {
    if (on === undefined) return {};
    if (!isObject(on))
      throw new OptionError(where, `fromXState: ${where}: expected an object, found ${describeValue(on)}`);
    const entries = Object.entries(on).map(([event, transition]) => {
      if (event.includes("*"))
        throw new OptionError(
          `${where}.${event}`,
          `fromXState: ${where}: wildcard events are not supported; name each event`,
        );
      return [event, targets(transition, path, `${where}.${event}`)] as const;
    });
    return entries.length === 0 ? {} : { on: Object.fromEntries(entries) };
  };

  const state = (node: unknown, path: readonly string[]): ImportedState => {
    const where = `states.${path.join(".states.")}`;
    if (!isObject(node))
      throw new OptionError(where, `fromXState: ${where}: expected a state, found ${describeValue(node)}`);
    refuse(node, where);
    const on = events(node["on"], path, `${where}.on`);
    if (node["states"] === undefined) return { ...on, ...(node["type"] === "final" ? { final: true as const } : {}) };
    if (path.length > 1)
      throw new OptionError(
        where,
        `fromXState: ${where}: expected at most two levels, states and sub-states, found a third; flatten it`,
      );
    const onDone = node["onDone"] === undefined ? {} : { onDone: doneTarget(node["onDone"], path, `${where}.onDone`) };
    return { ...on, ...onDone, initial: textAt(node, "initial", where), states: states(node["states"], path) };
  };
  const doneTarget = (onDone: unknown, path: readonly string[], where: string): string => {
    const [first, ...others] = targets(onDone, path, where);
    if (first === undefined || others.length > 0 || first.guard !== undefined)
      throw new OptionError(where, `fromXState: ${where}: expected one target without a guard`);
    return first.to;
  };
  const states = (given: unknown, within: readonly string[] | null): Readonly<Record<string, ImportedState>> => {
    if (!isObject(given)) throw new OptionError("states", `fromXState: expected states, found ${describeValue(given)}`);
    return Object.fromEntries(
      Object.entries(given).map(([name, node]) => [name, state(node, [...(within ?? []), name])]),
    );
  };
  return { states };
}

/** Every state's path, and the ids by which targets may name them: given, or the machine's id with the path behind it. */
function pathsOf(root: Config) {
  const all = new Set<string>();
  const ids = new Map<string, readonly string[]>();
  const rootId = typeof root["id"] === "string" ? root["id"] : "(machine)";
  ids.set(rootId, []);
  const walk = (states: unknown, path: readonly string[]): void => {
    if (!isObject(states)) return;
    for (const [name, node] of Object.entries(states)) {
      const here = [...path, name];
      all.add(here.join("."));
      if (!isObject(node)) continue;
      if (typeof node["id"] === "string") ids.set(node["id"], here);
      walk(node["states"], here);
    }
  };
  walk(root["states"], []);
  return { all, ids };
}

const reasons: Readonly<Record<string, string>> = {
  invoke: "is not supported: nothing would run it. Name a job as the state's work",
  after: "is not supported: a row does not act by itself. Start a job with a delay that sends the event",
  always: "is not supported: a row changes by events only. Let the event lead where `always` would",
  entry:
    "is not supported: nothing would run its actions. Columns to write are `entry` of stateMachine, work is its job",
  exit: "is not supported: nothing would run its actions",
  on: "is not supported on the machine itself: give the event to each main state",
  onDone: "is not supported on the machine itself",
  actions: "are not supported: nothing would run them",
  reenter: "is not supported",
  cond: "is of XState 4; expected `guard`",
  in: "is of XState 4; expected `guard`",
};

function refuse(node: Config, where: string): void {
  const type = node["type"];
  if (type === "parallel")
    throw new OptionError(
      where,
      `fromXState: ${where}: parallel states are not supported: a row is in one state. Make a machine, with a column, of each region`,
    );
  if (type === "history" || node["history"] !== undefined)
    throw new OptionError(
      where,
      `fromXState: ${where}: history states are not supported: where a row was before is in its history, not in its state`,
    );
  refuseKeys(node, ["invoke", "after", "always", "entry", "exit"], where);
}

function refuseKeys(node: Config, keys: readonly string[], where: string): void {
  for (const key of keys)
    if (node[key] !== undefined && !isEmpty(node[key]))
      throw new OptionError(`${where}.${key}`, `fromXState: ${where}: ${key} ${reasons[key] ?? "is not supported"}`);
}

function textAt(node: Config, key: string, where: string): string {
  const value = node[key];
  if (typeof value === "string") return value;
  throw new OptionError(
    `${where}.${key}`,
    `fromXState: ${where}: expected ${key} to name a state, found ${describeValue(value)}`,
  );
}

const isObject = (value: unknown): value is Config =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);
