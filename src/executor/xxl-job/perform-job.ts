// A run that is an execution of the engine. The engine owns the work: this only starts it, or finds it again, waits for its
// end, and puts that into the admin's words. Nothing here must survive a crash but the execution's id, and even that is
// found again by the key.
import { assertNever, isCodedError, type StoredError } from "../../core/errors.ts";
import type { AnyJob, Execution, Outcome } from "../../core/job.ts";
import type { Actor, Clock, Log } from "../../core/ports.ts";
import { codes } from "../../protocol/xxl-job/wire.ts";
import type { ExecutionLines } from "./execution-lines.ts";
import type { XxlApp, XxlHandler } from "./handler.ts";
import { type Performance, type RunResult, runOf, type StopOrder, textOf } from "./performance.ts";
import type { RunRow } from "./records.ts";
import type { RunLog } from "./run-logs.ts";

export interface JobTools {
  readonly app: XxlApp;
  readonly appname: string;
  readonly lines: ExecutionLines;
  readonly clock: Clock;
  readonly log: Log;
  /** Writes down which execution the run is. */
  readonly bind: (executionId: string) => void;
  /** Aborts when the executor stops. */
  readonly signal: AbortSignal;
}

type JobHandler = Extract<XxlHandler, { readonly kind: "job" }>;
type Handle = Pick<Execution<unknown>, "id" | "outcome">;

/** Between attempts to start while the engine's store is away. */
const startPauseMs = 1_000;
/** Ended without success, with nothing left of it. A killed one has not: its effects are a person's to judge. */
const restartable = ["failed", "compensated", "canceled", "timed-out"];

export function performJob(handler: JobHandler, row: RunRow, log: RunLog, tools: JobTools): Performance {
  const actor: Actor = { kind: "system", id: `xxl-job:${tools.appname}` };
  const halt = new AbortController();
  let order: StopOrder | null = null;
  const started = startOrFind(handler, row, log, tools, actor, halt.signal);
  const ended = (async (): Promise<RunResult | null> => {
    try {
      const execution = await started;
      if (execution === null) return order;
      try {
        return resultOf(await execution.outcome({ signal: tools.signal }), order);
      } finally {
        tools.lines.disconnect(execution.id, log);
      }
    } catch (error) {
      if (tools.signal.aborted || isClosing(error)) return null;
      log.error({ err: error }, "the job could not be run");
      return { code: codes.failed, message: failureText(error) };
    }
  })();
  return {
    ended,
    gone: ended.then(() => {}),
    stop: async (why) => {
      order = why;
      halt.abort();
      const execution = await started.catch(() => null);
      if (execution === null) return true;
      try {
        await tools.app.cancel(execution.id, { actor, note: why.message });
      } catch (error) {
        if (!isCodedError(error) || error.code !== "EXECUTION_STATE") throw error;
        order = null;
        // It may have ended meanwhile, which is as good as stopped.
        return !(await isUnfinished(tools.app, execution.id));
      }
      log.warn({}, why.message);
      return true;
    },
  };
}

/** Null when it was told to stop before there was anything. */
async function startOrFind(
  handler: JobHandler,
  row: RunRow,
  log: RunLog,
  tools: JobTools,
  actor: Actor,
  halt: AbortSignal,
): Promise<Handle | null> {
  if (row.executionId !== null) {
    tools.lines.connect(row.executionId, log);
    return tools.app.execution(row.executionId);
  }
  const job = namedJob(handler.job, tools.appname, row);
  for (;;) {
    if (halt.aborted) return null;
    tools.signal.throwIfAborted();
    try {
      const execution = await tools.lines.during(log, () => start(tools.app, handler, job, row, actor));
      if (!execution.isNew)
        log.info({}, `execution ${execution.id} of the same key was started before; its end is this run's`);
      tools.bind(execution.id);
      return execution;
    } catch (error) {
      if (!isCodedError(error) || !error.code.startsWith("STORE_") || !error.retryable) throw error;
      tools.log.warn({ err: error, logId: row.logId }, "a run could not be started yet; trying again");
    }
    await pause(tools.clock, startPauseMs, [halt, tools.signal]);
  }
}

async function start(
  app: XxlApp,
  handler: JobHandler,
  job: AnyJob,
  row: RunRow,
  actor: Actor,
): Promise<Execution<unknown>> {
  const run = runOf(row);
  const input = handler.input(run);
  const of = { actor, scheduledAt: run.triggeredAt };
  const found = await app.start(job, input, of);
  if (found.isNew || handler.ifFailed === "return") return found;
  const state = (await app.find(found.id))?.state ?? "";
  return restartable.includes(state) ? app.start(job, input, { ...of, ifExists: "restart-failed" }) : found;
}

/** A job without a key is started once for each order: the order is the key, so that a start whose answer was lost is found again. */
function namedJob(job: AnyJob, appname: string, { logId, logDateTime }: RunRow): AnyJob {
  if (job.options.key !== undefined) return job;
  return { ...job, options: { ...job.options, key: () => `xxl-job/${appname}/${logId}/${logDateTime}` } };
}

function resultOf(outcome: Outcome<unknown>, order: StopOrder | null): RunResult {
  switch (outcome.state) {
    case "completed":
      return { code: codes.ok, message: textOf(outcome.result) };
    case "canceled":
      return order === null
        ? { code: codes.failed, message: `canceled, and undone: ${errorText(outcome.error)}` }
        : { code: order.code, message: `${order.message}; what it had done is undone` };
    case "timed-out":
      return { code: codes.timedOut, message: errorText(outcome.error) };
    case "failed":
      return { code: codes.failed, message: errorText(outcome.error) };
    case "compensated":
      return { code: codes.failed, message: `failed, and undone: ${errorText(outcome.error)}` };
    case "discarded":
      return { code: codes.failed, message: "given up: another execution of its concurrency key is unfinished" };
    case "parked":
      return { code: codes.failed, message: `waits for a person: incident ${outcome.incidentId ?? "unknown"}` };
    case "killed":
      return {
        code: codes.failed,
        message: `killed without undoing anything: incident ${outcome.incidentId ?? "unknown"}`,
      };
    default:
      return assertNever(outcome);
  }
}

/** A message that the job's author wrote stands alone; the code of an error of ours tells what to look up. */
function errorText({ code, message }: StoredError): string {
  return code === "ERROR" || message.startsWith(code) ? message : `${code}: ${message}`;
}

function failureText(error: unknown): string {
  if (isCodedError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

const isClosing = (error: unknown): boolean => isCodedError(error) && error.code === "APP_CLOSED";

async function isUnfinished(app: XxlApp, id: string): Promise<boolean> {
  const state = (await app.find(id))?.state;
  return state !== undefined && ["ready", "running", "waiting", "parked", "compensating", "confirming"].includes(state);
}

/** Ends early when one of the signals aborts. */
export function pause(clock: Clock, ms: number, signals: readonly AbortSignal[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  const cancel = clock.after(ms, resolve);
  any.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(cancel);
}
