// Triggers by the end of other executions: what makes a graph of jobs.
//
// A schedule that follows others has no times. Each execution of what it follows that completes brings an arrival, in the
// same commit as its end; the arrival starts what is to start. Ends that belong together have the same occasion: the
// planned time of the fire that began it all, or the first execution's root where somebody began it by hand.
import { describeValue, OptionError } from "../errors.ts";
import type { AnyJob, Job } from "../job.ts";
import { validateJobName } from "../keys.ts";
import { checkOptions } from "../options.ts";
import type { Join } from "./schedule.ts";

/** An execution that completed, as the trigger's `input` sees it. */
export interface Ended<R> {
  readonly executionId: string;
  readonly job: string;
  readonly result: R;
  /** The planned time of the fire that began it all; null where somebody began it by hand. */
  readonly scheduledAt: Date | null;
}

/** Starts a job when others have completed. */
export interface CompletedTrigger<I> {
  readonly kind: "completed";
  /** Names of jobs, and references of schedules, which whoever stores the trigger looks up. */
  readonly of: readonly ({ readonly job: string } | { readonly ref: string })[];
  readonly join: Join;
  /** The job's input, of the ends in the order of `of`: all of them for `all`, else the one. Null: none. */
  readonly input: ((ends: readonly Ended<unknown>[]) => I) | null;
}

// biome-ignore lint/suspicious/noExplicitAny: variance; of any input
type ResultOf<J> = J extends Job<any, any, infer R> ? R : unknown;
type EndsOf<J extends readonly AnyJob[]> = { readonly [K in keyof J]: Ended<ResultOf<J[K]>> };

/** What may be followed: a job; a schedule, by its id or name, where schedules are made by `app.schedules`. */
type Followed = AnyJob | string;

// The signature with `input` stands first: see trigger.ts.

/**
 * For a job's `on`, and for `app.schedules.add`: starts it once for each execution that completes of any of these jobs. Throws
 * OPTION_INVALID.
 *
 *     onCompleted(load, { input: ({ result }) => ({ rows: result.rows }) })
 */
export function onCompleted<J extends AnyJob, I>(
  of: J | readonly J[],
  options: { readonly input: (end: Ended<ResultOf<J>>) => I },
): CompletedTrigger<I>;
export function onCompleted(of: Followed | readonly Followed[]): CompletedTrigger<void>;
export function onCompleted(of: Followed | readonly Followed[], options: object = {}): CompletedTrigger<unknown> {
  return trigger(Array.isArray(of) ? of : [of as Followed], "each", options, "onCompleted");
}

/** Like `onCompleted`, but once for an occasion: the first of these that completes starts it, the others change nothing. */
export function onAnyCompleted<const J extends readonly AnyJob[], I>(
  of: J,
  options: { readonly input: (end: Ended<ResultOf<J[number]>>) => I },
): CompletedTrigger<I>;
export function onAnyCompleted(of: readonly Followed[]): CompletedTrigger<void>;
export function onAnyCompleted(of: readonly Followed[], options: object = {}): CompletedTrigger<unknown> {
  return trigger(of, "any", options, "onAnyCompleted");
}

/** Like `onCompleted`, but once for an occasion, when all of these have completed. Where one never does, it is not started. */
export function onAllCompleted<const J extends readonly AnyJob[], I>(
  of: J,
  options: { readonly input: (ends: EndsOf<J>) => I },
): CompletedTrigger<I>;
export function onAllCompleted(of: readonly Followed[]): CompletedTrigger<void>;
export function onAllCompleted(of: readonly Followed[], options: object = {}): CompletedTrigger<unknown> {
  return trigger(of, "all", options, "onAllCompleted");
}

const maxFollowed = 100;

function trigger(
  of: readonly unknown[],
  join: Join,
  options: { readonly input?: unknown },
  where: string,
): CompletedTrigger<unknown> {
  checkOptions(options, ["input"], where);
  const { input } = options;
  if (!Array.isArray(of) || of.length === 0 || of.length > maxFollowed)
    throw new OptionError(
      where,
      `${where}: expected 1 to ${maxFollowed} jobs, or schedules by id or name, found ${Array.isArray(of) ? of.length : describeValue(of)}`,
    );
  if (input !== undefined && typeof input !== "function")
    throw new OptionError(
      "input",
      `${where}: expected input to be a function of what ended, found ${describeValue(input)}`,
    );
  const followed = of.map((one) => followedOf(one, where));
  const names = followed.map((one) => JSON.stringify(one));
  const twice = followed.find((_, at) => names.indexOf(names[at] as string) !== at);
  if (twice !== undefined)
    throw new OptionError(where, `${where}: expected each once, found ${Object.values(twice)[0]} twice`);
  const make = input as ((ends: unknown) => unknown) | undefined;
  return {
    kind: "completed",
    of: followed,
    join,
    input: make === undefined ? null : (ends) => make(join === "all" ? ends : ends[0]),
  };
}

function followedOf(one: unknown, where: string): CompletedTrigger<unknown>["of"][number] {
  if (typeof one === "string" && one.trim() !== "") return { ref: one };
  const { name, handler } = (typeof one === "object" && one !== null ? one : {}) as Partial<AnyJob>;
  if (typeof handler === "function") return { job: validateJobName(name) };
  throw new OptionError(
    where,
    `${where}: expected jobs made with job(…), or schedules by id or name, found ${describeValue(one)}`,
  );
}
