// The constructors that users call. Everything a user can get wrong in a definition is refused here, at start-up.

import type { Stored } from "./codec.ts";
import { type Duration, toMs } from "./duration.ts";
import { OptionError } from "./errors.ts";
import {
  type AnyJob,
  type Concurrency,
  checkPoints,
  consistencyLevels,
  type Declarations,
  type Handler,
  type Job,
  type JobOptions,
  type Signal,
} from "./job.ts";
import { validateJobName } from "./keys.ts";
import { checkInteger, checkOptions } from "./options.ts";
import { type Marks, parseMarks } from "./redact.ts";
import { type ResolvedRetry, resolveRetry } from "./retry.ts";
import { checkSchema, type Schema } from "./schema.ts";
import { type BlockingStrategy, blockingStrategies } from "./store.ts";
import { checkTriggers, type Trigger } from "./trigger.ts";

const dayMs = 86_400_000;
const maxVersion = 2 ** 31 - 1;
const jobOptionKeys: readonly (keyof JobOptions<never, never>)[] = [
  "input",
  "key",
  "version",
  "timeout",
  "attemptTimeout",
  "retry",
  "onFailure",
  "results",
  "priority",
  "group",
  "concurrency",
  "retention",
  "keyRetention",
  "redact",
  "attributes",
  "effect",
  "checklist",
  "on",
];
const effects = ["natural", "keyed", "recorded", "irreversible"];

export const defaultJobSettings = {
  attemptTimeoutMs: 60_000,
  priority: 5,
  retainMs: 30 * dayMs,
  keyRetainMs: 90 * dayMs,
} as const;

/** A job's options with their defaults, in the units that the engine counts in. */
export interface JobSettings {
  readonly timeoutMs: number | null;
  /** 0 = none. */
  readonly attemptTimeoutMs: number;
  readonly retry: ResolvedRetry;
  /** Whether a function that throws by itself is run again. */
  readonly retriesFunction: boolean;
  readonly onFailure: "compensate" | "park";
  /** The function is handed a step's result before its row has landed. */
  readonly hearsEarly: boolean;
  readonly priority: number;
  readonly concurrency: Concurrency<unknown> | null;
  readonly retainMs: number;
  readonly keyRetainMs: number;
  readonly marks: Marks;
  readonly triggers: readonly Trigger<unknown>[];
}

/**
 * Defines a job. Nothing runs and nothing is written until an app has it registered.
 *
 * Throws JOB_NAME_INVALID and OPTION_INVALID. The handler is called once per execution in the normal case, and again from
 * the start after a crash, a long wait or a hand-over, with the results of recorded steps in place of the steps.
 */
export function job<I = void, O = I, R = unknown>(
  name: string,
  options: JobOptions<I, O>,
  handler: Handler<O, R>,
): Job<I, O, Stored<Awaited<R>>> {
  validateJobName(name);
  const where = `job ${name}`;
  checkOptions(options, jobOptionKeys, where);
  if (typeof handler !== "function")
    throw new OptionError(
      "handler",
      `${where}: expected a function (ctx, input) => result as the last argument, found ${typeof handler}`,
    );
  if (options.input !== undefined) checkSchema(options.input, `${where}: input`);
  const version = options.version === undefined ? 1 : checkInteger(options.version, `${where}: version`, 1, maxVersion);
  const defined = { name, version, options, handler };
  resolveJobSettings(defined);
  return defined;
}

/** Throws OPTION_INVALID for options out of range or that contradict each other. */
export function resolveJobSettings(defined: AnyJob): JobSettings {
  const { name, options } = defined;
  const at = (option: string): string => `job ${name}: ${option}`;
  const ms = (value: Duration | undefined, option: string, fallback: number): number =>
    value === undefined ? fallback : toMs(value, at(option));
  for (const option of ["key", "attributes"] as const)
    if (options[option] !== undefined && typeof options[option] !== "function")
      throw new OptionError(option, `${at(option)}: expected a function of the input, found ${typeof options[option]}`);
  oneOf(options.onFailure, ["compensate", "park"], at("onFailure"));
  oneOf(options.results, ["recorded", "early"], at("results"));
  oneOf(options.effect, effects, at("effect"));
  checkDeclarations(options.checklist, at("checklist"));
  const concurrency: Concurrency<unknown> | undefined =
    typeof options.concurrency === "string" ? { strategy: options.concurrency } : options.concurrency;
  if (concurrency !== undefined) {
    checkOptions(concurrency, ["strategy", "key"], at("concurrency"));
    oneOf(concurrency.strategy, blockingStrategies as readonly BlockingStrategy[], at("concurrency.strategy"));
  }
  return {
    timeoutMs: options.timeout === undefined ? null : toMs(options.timeout, at("timeout"), { min: 1 }),
    attemptTimeoutMs: ms(options.attemptTimeout, "attemptTimeout", defaultJobSettings.attemptTimeoutMs),
    retry: resolveRetry(options.retry, undefined, at("retry")),
    retriesFunction: options.retry !== undefined,
    onFailure: options.onFailure ?? "compensate",
    hearsEarly: options.results === "early",
    priority:
      options.priority === undefined
        ? defaultJobSettings.priority
        : checkInteger(options.priority, at("priority"), 0, 9),
    concurrency: concurrency ?? null,
    retainMs: ms(options.retention, "retention", defaultJobSettings.retainMs),
    keyRetainMs: ms(options.keyRetention, "keyRetention", defaultJobSettings.keyRetainMs),
    marks: parseMarks(options.redact, at("redact")),
    triggers: checkTriggers(options.on, at("on")),
  };
}

function checkDeclarations(declared: Declarations | undefined, where: string): void {
  if (declared === undefined) return;
  checkOptions(declared, ["level", ...checkPoints], where);
  oneOf(declared.level, consistencyLevels, `${where}.level`);
  for (const point of checkPoints) {
    const why: unknown = declared[point];
    if (why !== undefined && (typeof why !== "string" || why.trim() === ""))
      throw new OptionError(
        where,
        `${where}: ${point}: expected a text that says why all is well, found ${JSON.stringify(why)}`,
      );
  }
}

function oneOf(value: unknown, allowed: readonly string[], where: string): void {
  if (value !== undefined && !allowed.includes(value as string))
    throw new OptionError(where, `${where}: expected one of ${allowed.join(", ")}, found ${JSON.stringify(value)}`);
}

/** Names a message that executions wait for, with the type of its payload. Throws JOB_NAME_INVALID, OPTION_INVALID. */
export function signal<I = void, O = I>(name: string, schema?: Schema<I, O>): Signal<I, O> {
  validateJobName(name);
  if (schema !== undefined) checkSchema(schema, `signal ${name}`);
  return { name, schema: schema ?? null };
}
