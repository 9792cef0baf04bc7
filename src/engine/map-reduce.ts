// A job that deals its work out in parts, to whatever processes there are, and puts the results together.
//
// Each part is an execution of its own, taken by whoever has room: a process that joins in the middle takes the next ones, and
// those of one that dies are taken over. The split is a step, so that its parts stay the same; parts are started by their
// numbers, so that a crash finds those that are there.
import type { Stored } from "../core/codec.ts";
import { job } from "../core/define.ts";
import { CatalogError, describeValue, OptionError } from "../core/errors.ts";
import type { Context, Job, JobOptions, StepInfo } from "../core/job.ts";
import { checkInteger } from "../core/options.ts";
import type { Awaitable } from "../core/participant.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { runOf } from "./context.ts";

/** Which part it is. */
export interface PartOf {
  /** From 0. */
  readonly index: number;
  readonly total: number;
}

export interface MapReduceOptions<I, O, P, M, R> extends JobOptions<I, O> {
  /** The parts, as many as the work has; recorded. At most half of `limits.maxSteps`, and together no more than a result may hold. */
  readonly split: (input: O, step: StepInfo) => Awaitable<readonly P[]>;
  /** Does one part, as an execution of the job `NAME/part`. What it returns for a part that it cannot do is its own matter. */
  readonly map: (ctx: Context, part: Stored<P>, of: PartOf) => Awaitable<M>;
  /** Puts the results together, in the order of the parts. */
  readonly reduce: (ctx: Context, results: readonly Stored<Awaited<M>>[], input: O) => Awaitable<R>;
  /** Parts that run at once, in all processes together. Default 64, 1 … 1 000. */
  readonly parallel?: number;
  /** Of a part whose function throws. Default: that of its steps alone. */
  readonly partRetry?: RetryPolicy;
}

const defaultParallel = 64;
const maxParallel = 1_000;
/** Calls of one execution besides those for its parts. */
const otherSteps = 100;

interface Part {
  readonly part: unknown;
  readonly of: PartOf;
}

/**
 * A job whose parts are shared by all processes that have it registered. It completes when all of its parts have; a part that
 * fails for good fails it with CHILD_FAILED: parts that run are canceled, no more are started, and those that completed stay
 * done. Killed and taken over in the middle it goes on with the parts that are left.
 *
 * @throws OPTION_INVALID, JOB_NAME_INVALID. An execution fails with PARTS_INVALID where `split` returns no list, or one that is too long.
 */
export function mapReduce<I = void, O = I, P = unknown, M = unknown, R = unknown>(
  name: string,
  options: MapReduceOptions<I, O, P, M, R>,
): Job<I, O, Stored<Awaited<R>>> {
  const { split, map, reduce, parallel = defaultParallel, partRetry, ...jobOptions } = options;
  const where = `mapReduce ${describeValue(name)}`;
  for (const [option, given] of Object.entries({ split, map, reduce }))
    if (typeof given !== "function")
      throw new OptionError(option, `${where}: ${option}: expected a function, found ${describeValue(given)}`);
  const laneCount = checkInteger(parallel, `${where}: parallel`, 1, maxParallel);
  const part = job<Part, Part, M>(
    `${name}/part`,
    { ...inherited(jobOptions), ...(partRetry === undefined ? {} : { retry: partRetry }) },
    (ctx, given) => map(ctx, given.part as Stored<P>, given.of),
  );
  const whole = job<I, O, R>(name, jobOptions, async (ctx, input) => {
    const parts = await ctx.step("split", {
      run: async (step) => checkParts(await split(input, step), runOf(ctx).env.limits.maxSteps, where),
      irreversible: "it only says what the parts are",
    });
    const results = await dealOut(ctx, part, parts, laneCount);
    return reduce(ctx, results as readonly Stored<Awaited<M>>[], input);
  });
  return { ...whole, companions: [part] };
}

/** What holds for the whole holds for its parts. */
const inherited = ({
  version,
  attemptTimeout,
  priority,
  retention,
}: Pick<JobOptions<never, never>, "version" | "attemptTimeout" | "priority" | "retention">) => ({
  ...(version === undefined ? {} : { version }),
  ...(attemptTimeout === undefined ? {} : { attemptTimeout }),
  ...(priority === undefined ? {} : { priority }),
  ...(retention === undefined ? {} : { retention }),
});

function checkParts<P>(parts: readonly P[], maxSteps: number, where: string): readonly P[] {
  const most = Math.floor((maxSteps - otherSteps) / 2);
  if (Array.isArray(parts) && parts.length <= most) return parts;
  const found = Array.isArray(parts) ? `${parts.length} parts` : describeValue(parts);
  throw new CatalogError(
    "PARTS_INVALID",
    `${where}: split: expected a list of at most ${most} parts, found ${found}. Make parts larger, or let each be a mapReduce of its own`,
    {},
  );
}

/** Lanes that take the next part when theirs is done. */
async function dealOut(
  ctx: Context,
  part: Job<Part, Part, unknown>,
  parts: readonly unknown[],
  laneCount: number,
): Promise<readonly unknown[]> {
  const results: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < parts.length; index = next++) {
      const given = { part: parts[index], of: { index, total: parts.length } };
      const child = await ctx.start(part, given, { name: ["part", index] });
      results[index] = await child.result();
    }
  };
  await Promise.all(Array.from({ length: Math.min(laneCount, parts.length) }, lane));
  return results;
}
