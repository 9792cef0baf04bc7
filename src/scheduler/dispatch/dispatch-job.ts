// The job behind every schedule of executors. Durable like any other: the center that runs it may die at any point, and
// another one goes on. It sends, waits to hear, and sends again if that is wanted; a broadcast is one child for each shard.

import { job, signal } from "../../core/define.ts";
import { dispatchJobName, failureCodes, mayRetry, pauseAfter, type RunEnd } from "../../core/dispatch.ts";
import { NonRetryableError } from "../../core/errors.ts";
import type { EndedRunState } from "../../core/executors.ts";
import type { Context, Job, Signal } from "../../core/job.ts";
import type { RemoteCall } from "../../core/schedule/definition.ts";
import { type Center, noExecutor, type Sent } from "./center.ts";

export interface DispatchResult {
  /** Of the last attempt; null for a broadcast. */
  readonly logId: number | null;
  readonly executor: string | null;
  readonly attempts: number;
  readonly message: string;
  /** For a broadcast: of each shard. */
  readonly shards?: readonly DispatchResult[];
}

/** One shard of a broadcast: `address` is fixed. */
export interface ShardOrder extends RemoteCall {
  readonly shardIndex: number;
  readonly shardTotal: number;
  readonly address: string;
}

export interface DispatchJobs {
  readonly dispatch: Job<RemoteCall, RemoteCall, DispatchResult>;
  readonly shard: Job<ShardOrder, ShardOrder, DispatchResult>;
}

/** Sent to an execution when its attempt ended. One for each attempt, so that a late word of one is not taken for another's. */
export const runEnded = (attempt: number): Signal<RunEnd> => signal<RunEnd>(`makegood.run-ended.${attempt}`);

/** Beyond the executor's own limit, before the center gives an attempt up. */
const graceMs = 30_000;
/** For an order without a limit: the keeper finds out what was lost; this only bounds the wait. */
const maxWaitMs = 3_600 * 24 * 365 * 1_000;
/** The steps are idempotent, and fail only with the store. */
const persistent = { maxAttempts: 1_000, backoff: { initial: "100ms", max: "30s" } } as const;

export function createDispatchJobs(center: Center): DispatchJobs {
  const shard = job<ShardOrder, ShardOrder, DispatchResult>(
    `${dispatchJobName}-shard`,
    { attemptTimeout: "5m" },
    (ctx, order) => attempts(center, ctx, order, order),
  );
  const dispatch = job<RemoteCall, RemoteCall, DispatchResult>(
    dispatchJobName,
    { attemptTimeout: "5m" },
    (ctx, order) =>
      order.route === "broadcast"
        ? broadcast(center, ctx, order, shard)
        : attempts(center, ctx, order, { shardIndex: 0, shardTotal: 1, address: null }),
  );
  return { dispatch, shard } as DispatchJobs;
}

interface Place {
  readonly shardIndex: number;
  readonly shardTotal: number;
  readonly address: string | null;
}

async function attempts(center: Center, ctx: Context, order: RemoteCall, place: Place): Promise<DispatchResult> {
  const ends: EndedRunState[] = [];
  for (let attempt = 1; ; attempt++) {
    const sent = (await ctx.step(["send", attempt], {
      run: () => center.send(order, { executionId: ctx.executionId, key: ctx.key, attempt, ...placeOf(place) }),
      irreversible: "what an executor has begun is ended by its keeper",
      retry: persistent,
    })) as Sent;
    const end = sent.kind === "ended" ? sent.end : await hear(center, ctx, order, sent.logId, attempt);
    if (end.state === "completed")
      return { logId: sent.logId, executor: sent.address, attempts: attempt, message: end.message };
    ends.push(end.state);
    if (!mayRetry(ends, order)) throw failure(end, sent, attempt);
    const pauseMs = pauseAfter(attempt, order);
    if (pauseMs > 0) await ctx.sleep(["before retry", attempt], pauseMs);
  }
}

const placeOf = ({ shardIndex, shardTotal, address }: Place): Place => ({ shardIndex, shardTotal, address });

async function hear(
  center: Center,
  ctx: Context,
  { timeoutMs }: RemoteCall,
  logId: number,
  attempt: number,
): Promise<RunEnd> {
  const timeout = timeoutMs === null ? maxWaitMs : timeoutMs + graceMs;
  const heard = await ctx.waitFor(runEnded(attempt), { timeout });
  if (heard.kind === "received") return heard.value;
  const tooLong: RunEnd = { state: "timed-out", code: null, message: `not ended after ${timeoutMs} ms` };
  return ctx.step(["give up", attempt], {
    run: () => center.giveUp(logId, tooLong),
    irreversible: "the attempt has timed out",
    retry: persistent,
  });
}

function failure({ state, message }: RunEnd, { address, logId }: Sent, attempt: number): NonRetryableError {
  const where = address === null ? "" : ` on ${address}`;
  const code = failureCodes[state as keyof typeof failureCodes];
  return new NonRetryableError(`attempt ${attempt}${where} ended as ${state}${message === "" ? "" : `: ${message}`}`, {
    code,
    details: { state, logId, executor: address, attempts: attempt },
  });
}

/** One parent, a child for each executor that is live now; it ends when all have. */
async function broadcast(
  center: Center,
  ctx: Context,
  order: RemoteCall,
  shard: Job<ShardOrder, ShardOrder, DispatchResult>,
): Promise<DispatchResult> {
  const addresses = await ctx.step("choose", {
    run: async () => (await center.liveOf(order)).map(({ address }) => address),
    irreversible: "it only looks",
    retry: persistent,
  });
  if (addresses.length === 0) throw new NonRetryableError(noExecutor(order), { code: failureCodes.refused });
  const shardTotal = addresses.length;
  const children = await Promise.all(
    addresses.map((address, shardIndex) =>
      ctx.start(shard, { ...order, shardIndex, shardTotal, address }, { name: ["shard", shardIndex] }),
    ),
  );
  const ends = await Promise.allSettled(children.map((child) => child.result()));
  const failed = ends.flatMap((end, at) =>
    end.status === "rejected" ? [`shard ${at}: ${messageOf(end.reason)}`] : [],
  );
  if (failed.length > 0)
    throw new NonRetryableError(`${failed.length} of ${shardTotal} shards failed: ${failed.join("; ")}`, {
      code: failureCodes.failed,
      details: { state: "failed", shards: shardTotal, failed: failed.length },
    });
  const shards = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  return { logId: null, executor: null, attempts: 1, message: `${shardTotal} shards`, shards };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
