// The shape of a definition, part by part. How the parts hang together is judged in graph.ts.
import { describeValue, OptionError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { Columns, StateWork } from "./spec.ts";

export interface TargetSpec {
  readonly to: string;
  readonly guard: string | null;
}
export interface EventSpec {
  readonly event: string;
  readonly targets: readonly TargetSpec[];
}
export interface SubSpec {
  readonly name: string;
  readonly on: readonly EventSpec[];
  readonly final: boolean;
  readonly entry: ((payload: unknown) => Columns) | null;
  readonly work: StateWork | null;
}
export interface StateSpec extends SubSpec {
  readonly initial: string | null;
  readonly onDone: string | null;
  readonly subs: readonly SubSpec[] | null;
}

/** ASCII, so that a state is the same text in every database, collation and diagram. No dot: that parts main and sub-state. */
const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const leafKeys = ["on", "final", "entry", "work"] as const;
const branchKeys = ["on", "initial", "onDone", "states"] as const;

/** Throws OPTION_INVALID naming the place. */
export function parseSpec(machine: string, states: unknown): readonly StateSpec[] {
  return entriesOf(machine, states, "states").map(([name, state]) => parseState(machine, name, state));
}

/** A name of a state, an event or a guard. */
export function checkMachineName(machine: string, name: unknown, where: string): asserts name is string {
  if (typeof name === "string" && namePattern.test(name)) return;
  throw new OptionError(
    where,
    `${machine}: ${where}: expected a name of 1 to 64 letters, digits, "-" and "_" (ASCII, without dots) that begins with a letter, found ${describeValue(name)}`,
  );
}

function parseState(machine: string, name: string, state: unknown): StateSpec {
  const where = `states.${name}`;
  checkMachineName(machine, name, where);
  if (typeof state !== "object" || state === null || !("states" in state))
    return { ...parseLeaf(machine, name, state, where), initial: null, onDone: null, subs: null };
  if ("final" in state)
    throw new OptionError(
      `${where}.final`,
      `${machine}: ${where}: a state with sub-states cannot be final; mark the sub-state that ends it, and give ${name} an onDone`,
    );
  checkOptions(state, branchKeys, `${machine}: ${where}`);
  const { on, initial, onDone, states } = state as Readonly<Record<string, unknown>>;
  const subs = entriesOf(machine, states, `${where}.states`).map(([sub, spec]) =>
    parseSub(machine, sub, spec, `${where}.states.${sub}`),
  );
  if (!subs.some((sub) => sub.name === initial))
    throw new OptionError(
      `${where}.initial`,
      `${machine}: ${where}.initial: expected one of ${subs.map((sub) => sub.name).join(", ")}, found ${describeValue(initial)}`,
    );
  if (onDone !== undefined && !subs.some((sub) => sub.final))
    throw new OptionError(
      `${where}.onDone`,
      `${machine}: ${where}.onDone: no sub-state of ${name} is final, so it would never come to that`,
    );
  return {
    name,
    on: parseEvents(machine, on, `${where}.on`),
    final: false,
    entry: null,
    work: null,
    initial: initial as string,
    onDone: (onDone as string | undefined) ?? null,
    subs,
  };
}

function parseSub(machine: string, name: string, state: unknown, where: string): SubSpec {
  checkMachineName(machine, name, where);
  if (typeof state === "object" && state !== null && "states" in state)
    throw new OptionError(
      `${where}.states`,
      `${machine}: ${where}: expected at most two levels, states and sub-states, found a third; flatten it`,
    );
  return parseLeaf(machine, name, state, where);
}

function parseLeaf(machine: string, name: string, state: unknown, where: string): SubSpec {
  checkOptions(state, leafKeys, `${machine}: ${where}`);
  const { on, final, entry, work } = state as Readonly<Record<string, unknown>>;
  if (final !== undefined && final !== true)
    throw new OptionError(
      `${where}.final`,
      `${machine}: ${where}.final: expected true or nothing, found ${describeValue(final)}`,
    );
  const events = parseEvents(machine, on, `${where}.on`);
  if (final === true && (events.length > 0 || work !== undefined))
    throw new OptionError(
      `${where}.on`,
      `${machine}: ${where}: a final state takes no events and has no work; remove them, or final`,
    );
  if (entry !== undefined && typeof entry !== "function")
    throw new OptionError(
      `${where}.entry`,
      `${machine}: ${where}.entry: expected a function (payload) => columns, found ${describeValue(entry)}`,
    );
  return {
    name,
    on: events,
    final: final === true,
    entry: (entry as SubSpec["entry"] | undefined) ?? null,
    work: work === undefined ? null : parseWork(machine, work, `${where}.work`),
  };
}

function parseEvents(machine: string, on: unknown, where: string): readonly EventSpec[] {
  if (on === undefined) return [];
  return Object.entries(plainObject(machine, on, where)).map(([event, transition]) => {
    const at = `${where}.${event}`;
    checkMachineName(machine, event, at);
    return { event, targets: parseTargets(machine, transition, at) };
  });
}

function parseTargets(machine: string, transition: unknown, where: string): readonly TargetSpec[] {
  const list = Array.isArray(transition) ? transition : [transition];
  if (list.length === 0) throw new OptionError(where, `${machine}: ${where}: expected a target, found an empty list`);
  const targets = list.map((target) => parseTarget(machine, target, where));
  const open = targets.findIndex(({ guard }) => guard === null);
  if (open >= 0 && open < targets.length - 1)
    throw new OptionError(
      where,
      `${machine}: ${where}: what stands behind a target without a guard can never be taken; put ${describeValue(targets[open]?.to)} last`,
    );
  return targets;
}

function parseTarget(machine: string, target: unknown, where: string): TargetSpec {
  if (typeof target === "string") return { to: target, guard: null };
  checkOptions(target, ["to", "guard"], `${machine}: ${where}`);
  const { to, guard } = target as Readonly<Record<string, unknown>>;
  if (typeof to !== "string")
    throw new OptionError(
      `${where}.to`,
      `${machine}: ${where}.to: expected the name of a state, found ${describeValue(to)}`,
    );
  if (guard === undefined) return { to, guard: null };
  checkMachineName(machine, guard, `${where}.guard`);
  return { to, guard };
}

function parseWork(machine: string, work: unknown, where: string): StateWork {
  checkOptions(work, ["job", "input", "done", "failed"], `${machine}: ${where}`);
  const { job, input } = work as Partial<StateWork>;
  if (typeof job !== "object" || job === null || typeof job.handler !== "function")
    throw new OptionError(
      `${where}.job`,
      `${machine}: ${where}.job: expected a job made with job(…), found ${describeValue(job)}`,
    );
  if (typeof input !== "function")
    throw new OptionError(
      `${where}.input`,
      `${machine}: ${where}.input: expected a function (row) => input, found ${describeValue(input)}`,
    );
  return work as StateWork;
}

function entriesOf(machine: string, value: unknown, where: string): readonly (readonly [string, unknown])[] {
  const entries = Object.entries(plainObject(machine, value, where));
  if (entries.length > 0) return entries;
  throw new OptionError(where, `${machine}: ${where}: expected at least one state, found none`);
}

function plainObject(machine: string, value: unknown, where: string): object {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new OptionError(where, `${machine}: ${where}: expected an object, found ${describeValue(value)}`);
}
