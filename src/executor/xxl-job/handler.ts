// What users hand in: an engine job, or a plain function, under the name that the admin calls a JobHandler.
import { OptionError } from "../../core/errors.ts";
import type { AnyJob, Execution, Job } from "../../core/job.ts";
import { checkOptions } from "../../core/options.ts";
import type { Awaitable } from "../../core/participant.ts";
import type { Actor, Log } from "../../core/ports.ts";
import type { ScriptType } from "../../core/schedule/call-script.ts";

/** One order of the admin's: an attempt of one job on one shard. */
export interface XxlRun {
  /** Names this attempt: the admin's retry of it has another. */
  readonly logId: number;
  readonly jobId: number;
  readonly handler: string;
  /** As it stands in the admin, or as it was given for this run; empty if there is none. */
  readonly param: string;
  /** From 0; 0 where the route is not SHARDING_BROADCAST. */
  readonly shardIndex: number;
  /** 1 where the route is not SHARDING_BROADCAST. */
  readonly shardTotal: number;
  /** By the admin's clock. */
  readonly triggeredAt: Date;
}

export interface XxlContext {
  /** Aborts when the run is killed, covered by a later one, out of time, or the executor stops. Its reason says which. */
  readonly signal: AbortSignal;
  /** Lines for the admin's log page. */
  readonly log: Log;
  readonly shard: { readonly index: number; readonly total: number };
}

/** Its result becomes the message of the callback: a text as it is, anything else as JSON. Throwing fails the run. */
export type XxlFunction = (run: XxlRun, ctx: XxlContext) => Awaitable<unknown>;

export interface XxlFunctionOptions {
  /**
   * What becomes of a run whose process died in the middle. `fail` (default): it is called back as failed, its effect unknown,
   * and not run again. `repeat`: it is run again from the start, for functions that may be.
   */
  readonly afterCrash?: "fail" | "repeat";
}

export interface XxlJobOptions {
  /**
   * What a new trigger of a business key does whose execution has ended without success, everything undone. `restart`
   * (default): a new round, as the admin's retry means it. `return`: the old failure is called back.
   */
  readonly ifFailed?: "restart" | "return";
}

/** Made by `xxlHandler`. */
export type XxlHandler =
  | {
      readonly kind: "job";
      readonly job: AnyJob;
      readonly input: (run: XxlRun) => unknown;
      readonly ifFailed: "restart" | "return";
    }
  | { readonly kind: "function"; readonly run: XxlFunction; readonly afterCrash: "fail" | "repeat" };

/** What stands for a run whose trigger brought its own script. */
export interface ScriptHandler {
  readonly kind: "script";
  readonly type: RunnableScript;
}
export type Runnable = XxlHandler | ScriptHandler;

/** Those that an executor can run: Groovy needs a Java virtual machine. */
export const runnableScripts = [
  "GLUE_SHELL",
  "GLUE_PYTHON",
  "GLUE_PYTHON2",
  "GLUE_NODEJS",
  "GLUE_POWERSHELL",
  "GLUE_PHP",
] as const satisfies readonly ScriptType[];
export type RunnableScript = (typeof runnableScripts)[number];

/**
 * A handler that starts an engine job: each trigger is `app.start(job, input(run))`. A job with a key takes effect once per
 * key, whatever is triggered again; one without is started once per `logId`. Survives the process at any point.
 *
 * `input` may be called again for the same run after a crash, and should say the same. Throws OPTION_INVALID.
 */
export function xxlHandler<I, O, R>(
  job: Job<I, O, R>,
  input: (run: XxlRun) => NoInfer<I>,
  options?: XxlJobOptions,
): XxlHandler;
/**
 * A handler that calls a function: at most once per `logId`, over restarts too, unless it may be repeated (`afterCrash`).
 * Throws OPTION_INVALID.
 */
export function xxlHandler(run: XxlFunction, options?: XxlFunctionOptions): XxlHandler;
export function xxlHandler(
  what: AnyJob | XxlFunction,
  second: ((run: XxlRun) => unknown) | XxlFunctionOptions = {},
  third: XxlJobOptions = {},
): XxlHandler {
  if (typeof what === "function") return functionHandler(what, second as XxlFunctionOptions);
  if (typeof what?.handler !== "function" || typeof second !== "function")
    throw new OptionError(
      "xxlHandler",
      "xxlHandler: expected a job and a function (run) => input, or a function (run, ctx) => result, found something else",
    );
  checkOptions(third, ["ifFailed"], "xxlHandler");
  return { kind: "job", job: what, input: second, ifFailed: oneOf("ifFailed", third.ifFailed, ["restart", "return"]) };
}

function functionHandler(run: XxlFunction, options: XxlFunctionOptions): XxlHandler {
  checkOptions(options, ["afterCrash"], "xxlHandler");
  return { kind: "function", run, afterCrash: oneOf("afterCrash", options.afterCrash, ["fail", "repeat"]) };
}

/** The first is the default. */
function oneOf<T extends string>(name: string, value: T | undefined, allowed: readonly [T, ...T[]]): T {
  if (value === undefined) return allowed[0];
  if (allowed.includes(value)) return value;
  throw new OptionError(
    name,
    `xxlHandler: ${name}: expected one of ${allowed.join(", ")}, found ${JSON.stringify(value)}`,
  );
}

/** What the executor needs of an app; `makegood(…)` makes one. */
export interface XxlApp {
  start<I, O, R>(
    job: Job<I, O, R>,
    input: I,
    options?: {
      readonly ifExists?: "return" | "restart-failed";
      readonly scheduledAt?: Date;
      readonly actor?: Actor;
    },
  ): Promise<Execution<R>>;
  execution(id: string): Pick<Execution<unknown>, "id" | "outcome">;
  find(id: string): Promise<{ readonly state: string } | null>;
  cancel(id: string, options?: { readonly actor?: Actor; readonly note?: string }): Promise<void>;
  onLog(listener: (line: ExecutionLine) => void): () => void;
}

/** A line that a job wrote to `ctx.log`. */
export interface ExecutionLine {
  readonly executionId: string;
  readonly level: keyof Log;
  readonly fields: object;
  readonly message: string;
}
