// The face that a run shows to the job's function.

import { type Duration, toMs } from "../core/duration.ts";
import { CatalogError, InvariantError, OptionError } from "../core/errors.ts";
import type { AnyJob, Context, SignalOf, StepName } from "../core/job.ts";
import { fingerprint } from "../core/keys.ts";
import { checkOptions } from "../core/options.ts";
import type { Participant } from "../core/participant.ts";
import type { Log } from "../core/ports.ts";
import { validateInput } from "../core/schema.ts";
import type { Ask, ErasedBranch, ErasedRemote, ErasedTx, ErasedTxBranch } from "./calls.ts";
import { prepare } from "./prepare.ts";
import { randomSequence } from "./random-sequence.ts";
import type { Run } from "./run.ts";

interface WaitOptions {
  readonly timeout?: Duration;
  readonly name?: StepName;
}
interface StartOptions {
  readonly delay?: Duration;
  readonly name?: StepName;
  readonly onUndo?: "cancel" | "leave";
}
// biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction; the public types have checked it
type AnyParticipant = Participant<any>;

export function createContext(run: Run): Context {
  // The erased signatures stand for the overloads of Context, which the compiler has checked at the call.
  return new RunContext(run) as unknown as Context;
}

/** For jobs of makegood's own, which need the engine behind it. Throws INVARIANT for a context of other making, such as a copy. */
export function runOf(context: Context): Run {
  return RunContext.runOf(context);
}

/**
 * Verbs and names are properties of the object itself, so that they can be taken out of it and copied with it. What lives
 * (`now`, `signal`, `log`) is not: an accessor of the object's own costs a microsecond and more, for every execution.
 */
class RunContext {
  readonly #run: Run;
  #log: Log | undefined;
  readonly executionId: string;
  readonly job: string;
  readonly key: string;
  readonly round: number;
  readonly scheduledAt: Date | null;
  readonly random: () => number;

  constructor(run: Run) {
    const { claimed } = run;
    this.#run = run;
    this.executionId = claimed.id;
    this.job = claimed.job;
    this.key = claimed.key ?? claimed.id;
    this.round = claimed.round;
    this.scheduledAt = claimed.scheduledAt === null ? null : new Date(claimed.scheduledAt);
    this.random = randomSequence(run.env.sha256, claimed.id);
  }

  static runOf(context: object): Run {
    if (#run in context) return context.#run;
    throw new InvariantError("Expected the context that the engine made, found another object");
  }

  get now(): Date {
    return new Date(this.#run.nowMs);
  }
  get signal(): AbortSignal {
    return this.#run.signal;
  }
  get log(): Log {
    this.#log ??= logOf(this.#run);
    return this.#log;
  }

  readonly progress = (fraction: number, note?: string) => this.#run.progress(fraction, note ?? null);
  readonly step = (name: StepName, step: ErasedRemote) =>
    this.#run.call(name, checked("step", step, runOnly, { kind: "step", step }));
  readonly attempt = (name: StepName, step: ErasedRemote) =>
    this.#run.call(name, checked("attempt", step, runOnly, { kind: "attempt", step }));
  readonly tx = (on: AnyParticipant, name: StepName, step: ErasedTx) =>
    this.#run.call(name, checked("tx", step, runOnly, { kind: "tx", on: portOf(on), step }));
  readonly tcc = (...args: TccArguments) => reserve(this.#run, args);
  readonly pivot = () => this.#run.call("pivot", { kind: "pivot" });
  readonly sleep = (name: StepName, duration: Duration) =>
    this.#run.call(name, { kind: "sleep", ms: toMs(duration, "sleep") });
  readonly waitFor = (signal: SignalOf<unknown>, options: WaitOptions = {}) => waitFor(this.#run, signal, options);
  readonly start = (job: AnyJob, input: unknown, options: StartOptions = {}) =>
    startChild(this.#run, job, input, options);
}

const runOnly = ["run"] as const;
const ofBranch = ["try", "confirm", "cancel"] as const;

type TccArguments = readonly [StepName, ErasedBranch] | readonly [AnyParticipant, StepName, ErasedTxBranch];

function reserve(run: Run, args: TccArguments): Promise<unknown> {
  if (run.isBehindPivot)
    return Promise.reject(
      new CatalogError(
        "PIVOT_MISUSE",
        "expected ctx.tcc before ctx.pivot(), found it behind: a refused reservation could not go back. Reserve first, then pass the pivot",
        {},
      ),
    );
  if (args.length === 2) return run.call(args[0], checked("tcc", args[1], ofBranch, { kind: "tcc", branch: args[1] }));
  const [on, name, branch] = args;
  return run.call(name, checked("tcc", branch, ofBranch, { kind: "tcc-tx", on: portOf(on), branch }));
}

function waitFor(run: Run, signal: SignalOf<unknown>, options: WaitOptions): Promise<unknown> {
  checkOptions(options, ["timeout", "name"], "waitFor");
  const { schema } = signal;
  const read = async (payload: unknown): Promise<unknown> => {
    if (schema === null) return payload;
    const parsed = await validateInput(schema, payload, { what: `signal ${signal.name}` });
    if (!parsed.ok) throw parsed.error;
    return parsed.value;
  };
  const timeoutMs = options.timeout === undefined ? null : toMs(options.timeout, "timeout");
  const name = options.name ?? ["wait for", signal.name];
  return run.call(name, { kind: "wait", signal: signal.name, timeoutMs, read });
}

function startChild(run: Run, job: AnyJob, input: unknown, options: StartOptions): Promise<unknown> {
  checkOptions(options, ["delay", "name", "onUndo"], "start");
  const { env, claimed } = run;
  const ready = (async () =>
    prepare(env, job, input, {
      delay: options.delay,
      actor: { kind: "system", id: `execution:${claimed.id}` },
      parent: { id: claimed.id, root: claimed.root },
      traceContext: claimed.traceContext ?? undefined,
    }))();
  ready.catch(() => {});
  // Named by what is started; a job without a key needs a name of its own for the second one.
  const ask: Ask = { kind: "start", prepare: () => ready, onUndo: options.onUndo ?? "cancel" };
  if (options.name !== undefined) return run.call(options.name, ask);
  return ready.then((child) =>
    run.call(["start", child.key === null ? job.name : readableId(run, `${job.name}/${child.key}`)], ask),
  );
}

function portOf(on: AnyParticipant): AnyParticipant["port"] {
  if (typeof on?.port?.own !== "function")
    throw new OptionError(
      "participant",
      "expected a participant made with participant(name, adapter) as the first argument, found something else",
    );
  return on.port;
}

function checked<A extends Ask>(verb: string, step: unknown, functions: readonly string[], ask: A): A {
  for (const name of functions)
    if (typeof (step as Record<string, unknown> | null | undefined)?.[name] !== "function")
      throw new OptionError(
        name,
        `ctx.${verb}: expected an object with a function ${name}, found ${typeof (step as Record<string, unknown> | null | undefined)?.[name]}`,
      );
  return ask;
}

/** Lines carry the execution; during replay they were written before. Marked values of the input are taken out. */
function logOf(run: Run): Log {
  const about = { executionId: run.id, job: run.claimed.job, key: run.claimed.key ?? undefined };
  const clean = (value: unknown): unknown => (typeof value === "string" ? run.scrub(value) : value);
  const line =
    (level: keyof Log) =>
    (fields: object, message?: string): void => {
      if (run.isReplaying || run.isDead) return;
      const [given, text] = typeof fields === "string" ? [{}, fields as string] : [fields, message ?? ""];
      const cleaned = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, clean(value)]));
      const shown = run.scrub(text).slice(0, run.env.limits.maxLogLineBytes);
      run.env.log[level]({ ...cleaned, ...about }, shown);
      for (const tell of run.env.logListeners) tell({ executionId: run.id, level, fields: cleaned, message: shown });
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

const plainId = /^[\x21-\x7e]{1,200}$/;
/** As it is where it fits a step's id, else its fingerprint. */
const readableId = (run: Run, text: string): string => (plainId.test(text) ? text : fingerprint(run.env.sha256, text));
