// From a job and an input to the rows of a new execution. Everything a caller can get wrong is refused here, before
// anything is written.
import { canonicalText } from "../core/codec.ts";
import { type Duration, toMs } from "../core/duration.ts";
import type { ValueFormat } from "../core/envelope.ts";
import { OptionError } from "../core/errors.ts";
import type { AnyJob } from "../core/job.ts";
import { fingerprint, validateBusinessKey } from "../core/keys.ts";
import { checkInteger } from "../core/options.ts";
import type { Awaitable } from "../core/participant.ts";
import type { Actor } from "../core/ports.ts";
import { validateInput } from "../core/schema.ts";
import type { NewExecution } from "../core/store.ts";
import { mapMaybe } from "./attempts.ts";
import type { Env } from "./env.ts";

export interface Preparation {
  readonly delay?: Duration | undefined;
  readonly priority?: number | undefined;
  readonly traceContext?: string | undefined;
  readonly actor: Actor;
  /** Of a job that has no key of its own. */
  readonly key?: string | undefined;
  /** In place of the job's own: of a fire of a schedule. Null: none. */
  readonly ownKey?: string | null | undefined;
  readonly scheduled?: NewExecution["scheduled"] | undefined;
  readonly parent?: { readonly id: string; readonly root: string } | undefined;
  /** The worker that is to have it from the start, if it may be had; asked last, when nothing can fail any more. */
  readonly claimFor?: ((job: string, version: number) => string | null) | undefined;
}

const maxAttributeBytes = 255;
const maxAttributes = 20;

/** The input as the job declares it (not parsed); a promise only where the job has a schema. May throw at once. */
export function prepare(env: Env, job: AnyJob, input: unknown, how: Preparation): Awaitable<NewExecution> {
  const stored = env.formats.input.store(input, "input");
  return mapMaybe(parseInput(env, job, stored.value), (parsed) => newExecution(env, job, stored, parsed, how));
}

function newExecution(
  env: Env,
  job: AnyJob,
  stored: ReturnType<ValueFormat["store"]>,
  parsed: unknown,
  how: Preparation,
): NewExecution {
  const { settings } = env.registry.resolve(job);
  const { options } = job;
  const id = env.newId();
  const key = how.ownKey === undefined ? keyOf(env, job, parsed, how) : how.ownKey;
  const group = typeof options.group === "function" ? options.group(parsed) : options.group;
  const { concurrency } = settings;
  const delayMs = how.delay === undefined ? 0 : toMs(how.delay, "delay");
  return {
    id,
    namespace: env.namespace,
    job: job.name,
    version: job.version,
    key,
    fingerprint:
      key === null
        ? null
        : fingerprint(
            env.sha256,
            canonicalText(stored.value, "input", { maxBytes: env.limits.maxInputBytes, maxDepth: env.limits.maxDepth }),
          ),
    replacesRound: null,
    input: stored.bytes,
    priority: how.priority === undefined ? settings.priority : checkInteger(how.priority, "priority", 0, 9),
    group: group ?? null,
    concurrencyKey:
      concurrency === null
        ? null
        : concurrency.key === undefined
          ? ""
          : validateBusinessKey(concurrency.key(parsed), env.limits.maxKeyBytes),
    blocking: concurrency?.strategy ?? null,
    delayMs,
    timeoutMs: settings.timeoutMs,
    retainMs: settings.retainMs,
    keyRetainMs: settings.keyRetainMs,
    parent: how.parent?.id ?? null,
    root: how.parent?.root ?? id,
    traceContext: how.traceContext ?? null,
    attributes: options.attributes === undefined ? {} : checkAttributes(job.name, options.attributes(parsed)),
    actor: how.actor,
    claimFor: delayMs === 0 && concurrency === null ? (how.claimFor?.(job.name, job.version) ?? null) : null,
    ...(how.scheduled === undefined ? {} : { scheduled: how.scheduled }),
  };
}

const keyOf = (env: Env, { options }: AnyJob, parsed: unknown, how: Preparation): string | null =>
  options.key === undefined ? (how.key ?? null) : validateBusinessKey(options.key(parsed), env.limits.maxKeyBytes);

/** The schema's output. Throws INPUT_INVALID. */
export function parseInput(env: Env, job: AnyJob, input: unknown): Awaitable<unknown> {
  return job.options.input === undefined ? input : parseBy(job.options.input, env, job, input);
}

async function parseBy(schema: NonNullable<AnyJob["options"]["input"]>, env: Env, job: AnyJob, input: unknown) {
  const { settings } = env.registry.resolve(job);
  const checked = await validateInput(schema, input, { what: `input of ${job.name}`, marks: settings.marks });
  if (!checked.ok) throw checked.error;
  return checked.value;
}

function checkAttributes(job: string, attributes: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(attributes ?? {});
  const isFine = (text: unknown): boolean =>
    typeof text === "string" && text !== "" && new TextEncoder().encode(text).length <= maxAttributeBytes;
  for (const [name, value] of entries)
    if (!isFine(name) || !isFine(value))
      throw new OptionError(
        "attributes",
        `job ${job}: attributes: expected names and values of 1 to ${maxAttributeBytes} bytes, found ${JSON.stringify(name)} with ${typeof value}`,
      );
  if (entries.length > maxAttributes)
    throw new OptionError(
      "attributes",
      `job ${job}: attributes: expected at most ${maxAttributes}, found ${entries.length}`,
    );
  return Object.fromEntries(entries) as Record<string, string>;
}
