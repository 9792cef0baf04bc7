// A context that does nothing: it writes down which steps a function would take, and gives back values that nobody knows.
import type { AnyJob, Context, Effect, StepName } from "../core/job.ts";
import { validateStepName } from "../core/keys.ts";
import { silentLog } from "../core/ports.ts";
import { createStub, DryRunStop, pathOf, type StubWorld } from "./stub.ts";

export type DryVerb = "tx" | "step" | "attempt" | "tcc" | "tcc-tx" | "pivot" | "start" | "child" | "sleep" | "wait";

/** One call of the context. */
export interface DryStep {
  readonly verb: DryVerb;
  /** As the journal has it: the name, or name:id. */
  readonly text: string;
  readonly name: string;
  /** Where in the code. */
  readonly site: string;
  readonly isBehindPivot: boolean;
  /** The participant's name. */
  readonly on: string | null;
  /** The functions and options of the step, as they were handed over. */
  readonly how: StepOptions;
}

export interface StepOptions {
  readonly run?: unknown;
  readonly compensate?: unknown;
  readonly try?: unknown;
  readonly confirm?: unknown;
  readonly cancel?: unknown;
  readonly irreversible?: string;
  readonly effect?: Effect;
  readonly retry?: { readonly maxAttempts?: number };
  readonly timeout?: unknown;
}

/** Steps that may change something. */
export const effectVerbs: readonly DryVerb[] = ["tx", "step", "attempt", "tcc", "tcc-tx"];

export interface DryRun {
  readonly steps: DryStep[];
  /** Paths of values that the function read. */
  readonly reads: Set<string>;
}

const executionId = "00000000-0000-7000-8000-000000000000";
/** As replay gives it back: the same in each run. */
const now = Date.UTC(2026, 0, 1);
const scheduledAtPath = "ctx.scheduledAt";
/** A loop goes round so often for what is not known. */
const maxTurns = 20;

/** `nulls`: results and inputs that are null, refused or timed out in this run. */
export function createDryContext(
  job: AnyJob,
  key: string,
  nulls: ReadonlySet<string>,
): { readonly context: Context; readonly run: DryRun; readonly world: StubWorld } {
  const run: DryRun = { steps: [], reads: new Set() };
  const world: StubWorld = { nulls, read: (path) => void run.reads.add(path) };
  let isBehindPivot = false;

  const note = (verb: DryVerb, name: StepName, how: StepOptions, on: string | null = null): string => {
    const site = callSite(note);
    if (run.steps.filter((one) => one.site === site).length >= maxTurns)
      throw new DryRunStop(`a loop around ${JSON.stringify(name)} ends when a value says so that is not known`);
    const named = verb === "pivot" ? { text: ":pivot", name: ":pivot" } : validateStepName(readName(name));
    run.steps.push({ verb, text: named.text, name: named.name, site, isBehindPivot, on, how });
    if (verb === "pivot") isBehindPivot = true;
    return `result of ${named.text}`;
  };
  const answer = (path: string, orElse: unknown = null, wrap = (stub: unknown) => stub): Promise<unknown> => {
    run.reads.add(path);
    return Promise.resolve(nulls.has(path) ? orElse : wrap(createStub(path, world)));
  };
  const error = { code: "ERROR", message: "dry run", retryable: true, effect: "unknown" };

  const context = {
    executionId,
    job: job.name,
    key,
    round: 0,
    get scheduledAt() {
      run.reads.add(scheduledAtPath);
      return nulls.has(scheduledAtPath) ? null : new Date(now);
    },
    now: new Date(now),
    signal: new AbortController().signal,
    log: silentLog,
    random: () => 0.5,
    progress() {},
    step: (name: StepName, how: StepOptions) => answer(note("step", name, how)),
    tx: (on: { readonly name: string }, name: StepName, how: StepOptions) => answer(note("tx", name, how, on.name)),
    attempt: (name: StepName, how: StepOptions) =>
      answer(note("attempt", name, how), { ok: false, error }, (value) => ({ ok: true, value })),
    tcc: (...args: readonly [StepName, StepOptions] | readonly [{ readonly name: string }, StepName, StepOptions]) =>
      answer(args.length === 2 ? note("tcc", args[0], args[1]) : note("tcc-tx", args[1], args[2], args[0].name)),
    pivot: () => {
      note("pivot", "pivot", {});
      return Promise.resolve();
    },
    sleep: (name: StepName) => {
      note("sleep", name, {});
      return Promise.resolve();
    },
    waitFor: (
      signal: { readonly name: string },
      options: { readonly timeout?: unknown; readonly name?: StepName } = {},
    ) => {
      const path = note("wait", options.name ?? ["wait for", signal.name], { timeout: options.timeout });
      if (options.timeout === undefined) return answer(path);
      return answer(path, { kind: "timed-out" }, (value) => ({ kind: "received", value }));
    },
    start: (child: AnyJob, _input: unknown, options: { readonly name?: StepName } = {}) => {
      const path = note("start", options.name ?? ["start", child.name], {});
      const result = () => answer(note("child", ["result of child", child.name], {}));
      return answer(path, { id: executionId, isNew: false, result }, () => ({ id: executionId, isNew: true, result }));
    },
  };
  return { context: context as unknown as Context, run, world };
}

/** What is not known yet is written into the id by where it comes from. */
function readName(name: StepName): StepName {
  const plain = (part: unknown): unknown => (pathOf(part) === undefined ? part : String(part));
  if (!Array.isArray(name)) return plain(name) as StepName;
  return name.map(plain) as unknown as StepName;
}

/** File, line and column from which the context's method was called that called `note`. */
function callSite(note: (...args: never[]) => unknown): string {
  const before = Error.stackTraceLimit;
  const holder: { stack?: string } = {};
  Error.stackTraceLimit = 2;
  Error.captureStackTrace(holder, note);
  Error.stackTraceLimit = before;
  return holder.stack?.split("\n").at(2)?.trim() ?? "?";
}
