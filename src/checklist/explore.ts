// Runs a job's function without effects, again and again, with one value after the other missing, so that it shows its
// branches. No body of a step is called. What stands outside of steps runs, as it does in every replay.
import { setTimeout as wait } from "node:timers/promises";
import type { AnyJob } from "../core/job.ts";
import { createDryContext, type DryRun, type DryStep } from "./dry-context.ts";
import { atAnotherTime } from "./other-time.ts";
import { readHandler } from "./source.ts";
import { createStub, DryRunStop, pathOf } from "./stub.ts";

/** The key of a start, made twice. */
export type KeySeen =
  | { readonly kind: "none" }
  | { readonly kind: "made"; readonly texts: readonly string[]; readonly isOfInput: boolean }
  | { readonly kind: "unstable"; readonly one: string; readonly other: string }
  | { readonly kind: "failed"; readonly why: string };

export interface Exploration {
  readonly key: KeySeen;
  /** What executions can be found by beside it: whether there are attributes, and of the input. */
  readonly attributes: "none" | "constant" | "of the input";
  /** Each run's calls in their order. */
  readonly runs: readonly (readonly DryStep[])[];
  /** Every call that was reached, each place in the code once. */
  readonly steps: readonly DryStep[];
  /** Names of steps that are others at another time: in one run, and in the other. */
  readonly unstable: readonly (readonly [one: string, other: string])[];
  /** Why there may be more than was seen; empty: every call in the function's source was reached. */
  readonly gaps: readonly string[];
}

interface Ended {
  readonly run: DryRun;
  readonly end: "returned" | "threw" | "cut";
  readonly why: string;
}

/** More would take long, and show little: each is a run with one value missing. */
const maxFlips = 60;
const patienceMs = 1_000;
/** Another day of the week, month, year and hour. */
const shiftMs = (400 * 24 + 5) * 3_600_000 + 1_234;

/**
 * `samples`: inputs as the handler gets them; without any, one that nobody knows. `twin`: the same job, of a module that was
 * loaded once more; what it calls differently is other in each process.
 */
export async function explore(job: AnyJob, samples: readonly unknown[], twin: AnyJob = job): Promise<Exploration> {
  const inputs: readonly Input[] = samples.length === 0 ? [unknownInput] : samples.map((sample) => () => sample);
  const ended: Ended[] = [];
  const bases: Ended[] = [];
  const unstable: (readonly [string, string])[] = [];
  for (const input of inputs) {
    const base = await atAnotherTime(0, 0.25, () => dryRun(job, input, new Set()));
    const later = await atAnotherTime(shiftMs, 0.75, () => dryRun(twin, input, new Set()));
    unstable.push(...differences(base.run.steps, later.run.steps));
    bases.push(base);
    ended.push(base);
    const paths = [...base.run.reads];
    const results = paths.filter((path) => path.startsWith("result of "));
    for (const nulls of [results, ...paths.slice(0, maxFlips).map((path) => [path])])
      ended.push(await dryRun(job, input, new Set(nulls)));
  }
  const steps = placesOf(ended.flatMap(({ run }) => run.steps));
  return {
    key: await readKey(job, twin, inputs),
    attributes: readAttributes(job),
    runs: ended.map(({ run }) => run.steps),
    steps,
    unstable,
    gaps: gapsOf(job, steps, bases),
  };
}

type Input = (world: Parameters<typeof createStub>[1]) => unknown;
const unknownInput: Input = (world) => createStub("input", world);

async function dryRun(job: AnyJob, input: Input, nulls: ReadonlySet<string>): Promise<Ended> {
  const { context, run, world } = createDryContext(job, "dry-run", nulls);
  const giveUp = new AbortController();
  try {
    const handled = (async () => job.handler(context, input(world)))();
    const tooLate = wait(patienceMs, true, { signal: giveUp.signal, ref: true }).catch(() => false);
    const isLate = await Promise.race([handled.then(() => false), tooLate]);
    return isLate
      ? { run, end: "cut", why: "it waits for something outside of the context" }
      : { run, end: "returned", why: "" };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { run, end: error instanceof DryRunStop ? "cut" : "threw", why };
  } finally {
    giveUp.abort();
  }
}

/** Of a name that is another one at another time, both. */
function differences(one: readonly DryStep[], other: readonly DryStep[]): readonly (readonly [string, string])[] {
  const at = one.findIndex((step, n) => step.text !== other[n]?.text);
  if (at < 0 && one.length === other.length) return [];
  const place = at < 0 ? one.length : at;
  return [[one[place]?.text ?? "(none)", other[place]?.text ?? "(none)"]];
}

function placesOf(steps: readonly DryStep[]): readonly DryStep[] {
  const places = new Map<string, DryStep>();
  for (const step of steps) if (!places.has(`${step.site} ${step.verb}`)) places.set(`${step.site} ${step.verb}`, step);
  return [...places.values()];
}

/** `bases`: the runs in which nothing is missing. */
function gapsOf(job: AnyJob, steps: readonly DryStep[], bases: readonly Ended[]): readonly string[] {
  const { callCount, why } = readHandler(job.handler);
  if (callCount === null) return [why];
  const reached = new Set(steps.filter(({ verb }) => verb !== "child").map(({ site }) => site)).size;
  if (reached >= callCount) return [];
  const first = bases.find(({ end }) => end !== "returned");
  const because =
    first === undefined ? "branches depend on values that are not known" : `a run ended early: ${first.why}`;
  return [`${reached} of ${callCount} calls in its source were reached; ${because}. A sample input may lead there`];
}

async function readKey(job: AnyJob, twin: AnyJob, inputs: readonly Input[]): Promise<KeySeen> {
  const make = job.options.key;
  const makeAgain = twin.options.key;
  if (make === undefined || makeAgain === undefined) return { kind: "none" };
  const texts: string[] = [];
  for (const input of inputs) {
    const world = { nulls: new Set<string>(), read: () => undefined };
    try {
      const one = await atAnotherTime(0, 0.25, async () => textOfKey(make(input(world))));
      const other = await atAnotherTime(shiftMs, 0.75, async () => textOfKey(makeAgain(input(world))));
      if (one !== other) return { kind: "unstable", one, other };
      texts.push(one);
    } catch (error) {
      return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
    }
  }
  return { kind: "made", texts, isOfInput: readsInput(make) };
}

/** Whether a function asks anything of the input, or is the input. */
function readsInput(make: (input: never) => unknown): boolean {
  let hasRead = false;
  const read = (): void => {
    hasRead = true;
  };
  const input = createStub("input", { nulls: new Set(), read });
  let made: unknown;
  try {
    made = make(input as never);
  } catch {
    // It did something to the input that an unknown one does not bear.
    return true;
  }
  return hasRead || made === input || String(made).includes("‹input");
}

function readAttributes({ options }: AnyJob): Exploration["attributes"] {
  const make = options.attributes;
  if (make === undefined) return "none";
  if (readsInput(make as (input: never) => unknown)) return "of the input";
  const made: unknown = make(undefined as never);
  return typeof made === "object" && made !== null && Object.keys(made).length > 0 ? "constant" : "none";
}

function textOfKey(key: unknown): string {
  if (typeof key === "string" || pathOf(key) !== undefined) return String(key);
  throw new DryRunStop(`expected a text, found ${typeof key}`);
}
