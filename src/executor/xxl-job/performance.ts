// One run being carried out. What it ends with is decided once; what comes later is void.

import type { Clock } from "../../core/ports.ts";
import { toStoredError } from "../../core/stored-error.ts";
import { codes } from "../../protocol/xxl-job/wire.ts";
import type { XxlContext, XxlHandler, XxlRun } from "./handler.ts";
import type { RunRow } from "./records.ts";
import type { RunLog } from "./run-logs.ts";

export interface RunResult {
  readonly code: number;
  /** For the admin's page. */
  readonly message: string;
}

/** Why a run is told to stop. */
export interface StopOrder {
  readonly code: number;
  readonly message: string;
}

export interface Performance {
  /** What to call back; null when the executor stops before that is known, and the next process will find out. Never rejects. */
  readonly ended: Promise<RunResult | null>;
  /** Nothing of it runs any more. Comes with or after `ended`; never, for a function that does not return. */
  readonly gone: Promise<void>;
  /** False when it is too late: the job has passed its pivot and will end by itself. */
  stop(order: StopOrder): Promise<boolean>;
}

export function performFunction(
  handler: Extract<XxlHandler, { readonly kind: "function" }>,
  row: RunRow,
  log: RunLog,
  clock: Clock,
): Performance {
  const controller = new AbortController();
  const { promise: ended, resolve: decide } = Promise.withResolvers<RunResult>();
  const run = runOf(row);
  const ctx: XxlContext = {
    signal: controller.signal,
    log,
    shard: { index: run.shardIndex, total: run.shardTotal },
  };
  const call = async (): Promise<void> => {
    // The trigger is answered first: the admin waits 3 s, and a function may block for longer.
    await new Promise<void>((resolve) => clock.soon(resolve));
    if (controller.signal.aborted) return;
    try {
      decide({ code: codes.ok, message: textOf(await handler.run(run, ctx)) });
    } catch (error) {
      if (!controller.signal.aborted) log.error({ err: error }, "the handler failed");
      decide({ code: codes.failed, message: toStoredError(error).message });
    }
  };
  return {
    ended,
    gone: call(),
    stop: async (order) => {
      log.warn({}, order.message);
      decide(order);
      controller.abort(new StoppedError(order.message));
      return true;
    },
  };
}

/** The reason of a run's signal. */
class StoppedError extends Error {
  override readonly name = "AbortError";
}

export function runOf(row: RunRow): XxlRun {
  return {
    logId: row.logId,
    jobId: row.jobId,
    handler: row.handler,
    param: row.param,
    shardIndex: row.shardIndex,
    shardTotal: row.shardTotal,
    triggeredAt: new Date(row.logDateTime === 0 ? row.acceptedAt : row.logDateTime),
  };
}

/** A text as it is, nothing as nothing, anything else as JSON. */
export function textOf(result: unknown): string {
  if (typeof result === "string") return result;
  if (result === undefined || result === null) return "";
  try {
    return JSON.stringify(result, (_, value) => (typeof value === "bigint" ? `${value}` : value)) ?? "";
  } catch {
    return "(a result that cannot be shown)";
  }
}
