// Accepts triggers and runs them: one lane for each job id, in which runs follow each other; lanes run side by side.
//
// The records are the authority, the lanes their shape in memory. A trigger is answered after its row is on the disk, so an
// accepted run outlives the process. What identifies a run is its logId. The end of a run is written once, before anybody is
// told of it; who tells the admin reads it from the records.
//
//     accepted ── lane free ──→ running ──→ done          a function returned, threw, was stopped
//        └─────── lane busy ──→ queued ──→ running …      or: done, when killed or covered while it waited
//
// After a crash: what was queued is queued again; a job that was running is found again in the engine; a function that was
// running is called back as failed, or run again if it may be; a script that was running is called back as failed.
import { assertNever } from "../../core/errors.ts";
import type { Clock, Log } from "../../core/ports.ts";
import { isHandlerType, type TriggerRequest } from "../../protocol/xxl-job/requests.ts";
import { type Answer, codes, failure, ok, payload } from "../../protocol/xxl-job/wire.ts";
import type { Runnable, RunnableScript, XxlHandler } from "./handler.ts";
import type { Performance, RunResult, StopOrder } from "./performance.ts";
import { type Records, type RunRow, scriptOf } from "./records.ts";
import type { RunLog, RunLogs } from "./run-logs.ts";

export interface LaneTools {
  readonly records: Records;
  readonly logs: RunLogs;
  readonly handlers: ReadonlyMap<string, XxlHandler>;
  /** Those that may be run. */
  readonly scripts: readonly RunnableScript[];
  readonly perform: (handler: Runnable, row: RunRow, log: RunLog) => Performance;
  /** The end of a run is on the disk. */
  readonly onEnded: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly stopGraceMs: number;
  readonly maxUnfinished: number;
}

interface Lane {
  current: Current | null;
  /** Of rows in state queued. */
  queue: RunRow[];
}

interface Current {
  readonly row: RunRow;
  readonly performance: Performance;
  /** Its end is on the disk, or left to the next process. */
  readonly settled: Promise<void>;
}

/** A logId is unique in the admin's database. With a time this far off it comes from another one, or one that was emptied. */
const sameTriggerMs = 3_600_000;
/** The admin may give up a run whose executor was away for this long, and start another in its place. */
const staleAfterMs = 600_000;
/** Within the admin's read timeout of 3 s. */
const killAnswerMs = 2_500;
const writePauseMs = 1_000;
/** For a script that was killed, beyond the grace. */
const lastWordsMs = 1_000;
const maxShownChars = 40;

export class Lanes {
  readonly #tools: LaneTools;
  readonly #lanes = new Map<number, Lane>();
  #isStopping = false;
  #isStopped = false;
  #unfinishedCount = 0;

  constructor(tools: LaneTools) {
    this.#tools = tools;
  }

  /** Takes up what a former process left. */
  resume(): void {
    const rows = this.#tools.records.unfinished();
    this.#unfinishedCount = rows.length;
    for (const row of rows) {
      const why = this.#whyNotAgain(row);
      if (why === null) this.#laneOf(row.jobId).queue.push(row);
      else this.#settle(row, { code: codes.failed, message: why });
    }
    for (const jobId of [...this.#lanes.keys()]) this.#next(jobId);
  }

  /** Why what a former process left is not run; null if it is. */
  #whyNotAgain(row: RunRow): string | null {
    const handler = this.#handlerOf(row);
    const isOnce = row.script !== null || (handler?.kind === "function" && handler.afterCrash === "fail");
    if (row.state === "running" && isOnce)
      return "the executor's process ended while it ran; its effect is unknown, and it is not run again by itself";
    if (handler === undefined)
      return row.script === null
        ? `job handler [${row.handler}] is not here any more`
        : `scripts of type ${row.script.type} are not run here any more`;
    if (row.state === "queued" && this.#tools.clock.now() - row.acceptedAt > staleAfterMs)
      return "the executor was away for more than 10 minutes before it could run: the admin may have given it up";
    return null;
  }

  #handlerOf({ handler, script }: RunRow): Runnable | undefined {
    if (script === null) return this.#tools.handlers.get(handler);
    const type = this.#tools.scripts.find((it) => it === script.type);
    return type === undefined ? undefined : { kind: "script", type };
  }

  // ── Orders ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers after the run is on the disk, in one turn of the event loop. Throws what the records throw: then nothing was accepted. */
  accept(trigger: TriggerRequest, isNewest: boolean): Answer {
    const { records, clock } = this.#tools;
    const { logId, jobId } = trigger;
    const unknown = this.#whyUnknown(trigger);
    if (unknown !== null) return failure(unknown);
    const known = records.find(logId);
    if (known !== undefined && !isOfAnotherTime(known, trigger)) return this.#answerAgain(known, trigger);
    if (this.#isStopping) return failure("this executor is stopping");
    if (this.#unfinishedCount >= this.#tools.maxUnfinished)
      return failure(`this executor has ${this.#unfinishedCount} runs to end first`);
    if (known !== undefined && isUnfinished(known))
      return failure(`logId ${logId} is another run, which has not ended`);
    if (known !== undefined) records.delete(logId);
    const run = { trigger, isNewest, at: clock.now() };
    const lane = this.#laneOf(jobId);
    const isBusy = lane.current !== null || lane.queue.length > 0;
    if (isBusy && trigger.blockStrategy === "DISCARD_LATER") {
      const why = `block strategy DISCARD_LATER: job ${jobId} has an unfinished run here`;
      records.insertRefused(run, codes.failed, why);
      return failure(why);
    }
    const row = records.insert(run, isBusy ? "queued" : "running");
    this.#unfinishedCount++;
    if (isBusy && trigger.blockStrategy === "COVER_EARLY") this.#cover(jobId, lane, logId);
    lane.queue.push(row);
    this.#next(jobId);
    return ok;
  }

  #whyUnknown({ glueType, glueSource, handler }: TriggerRequest): string | null {
    const { handlers, scripts } = this.#tools;
    if (isHandlerType(glueType))
      return handlers.has(handler)
        ? null
        : `job handler [${handler}] not found; this executor has: ${[...handlers.keys()].join(", ")}`;
    const type = JSON.stringify(glueType.slice(0, maxShownChars));
    if (scripts.length === 0) return `glueType ${type}: expected BEAN; this executor runs no scripts`;
    if (scripts.every((it) => it !== glueType))
      return `glueType ${type}: expected BEAN or one of ${scripts.join(", ")}; this executor runs no others`;
    return glueSource.trim() === "" ? `glueType ${type}: expected a script as glueSource, found none` : null;
  }

  /** The same order once more: the same answer. */
  #answerAgain(known: RunRow, trigger: TriggerRequest): Answer {
    const script = scriptOf(trigger);
    const isSame =
      known.jobId === trigger.jobId &&
      known.handler === trigger.handler &&
      known.script?.type === script?.type &&
      known.script?.digest === script?.digest &&
      known.param === trigger.param &&
      known.shardIndex === trigger.shardIndex &&
      known.shardTotal === trigger.shardTotal;
    if (!isSame)
      return failure(
        `logId ${known.logId} was accepted before for another job, handler, script, parameter or shard; it is not run again`,
      );
    this.#tools.log.info({ logId: known.logId, state: known.state }, "a repeated trigger was answered from the record");
    return known.state === "refused" ? failure(known.message ?? "") : ok;
  }

  #cover(jobId: number, lane: Lane, by: number): void {
    const order = { code: codes.failed, message: `block strategy COVER_EARLY: covered by run ${by}` };
    this.#dropQueue(lane, order);
    lane.current?.performance
      .stop(order)
      .catch((error: unknown) => this.#tools.log.warn({ err: error, jobId }, "a covered run could not be stopped"));
  }

  /** Whether a run of the job is under way or waits. */
  isBusy(jobId: number): boolean {
    const lane = this.#lanes.get(jobId);
    return lane !== undefined && (lane.current !== null || lane.queue.length > 0);
  }

  /** Ends all that the job has here. The admin takes a 200 as "it failed", so it says so only where that will be true. */
  async kill(jobId: number): Promise<Answer> {
    const lane = this.#lanes.get(jobId);
    if (lane === undefined || !this.isBusy(jobId)) return payload("already killed: nothing of this job runs here");
    this.#dropQueue(lane, { code: codes.failed, message: "killed before it began" });
    if (lane.current === null) return ok;
    const { performance, row } = lane.current;
    const stopped = performance.stop({ code: codes.failed, message: "killed while it ran" });
    const answer = await this.#within(killAnswerMs, stopped);
    if (answer === true) return ok;
    if (answer === false)
      return failure(
        `run ${row.logId} has taken its decision (pivot): it can no longer be turned back, and will report its end`,
      );
    return failure(`run ${row.logId} was told to stop, and has not answered yet: its end will be reported`);
  }

  async #within(ms: number, stopped: Promise<boolean>): Promise<boolean | null> {
    const { clock, log } = this.#tools;
    const late = Promise.withResolvers<null>();
    const cancel = clock.after(ms, () => late.resolve(null));
    const judged = stopped.catch((error: unknown) => {
      log.warn({ err: error }, "a run could not be stopped");
      return null;
    });
    return Promise.race([judged, late.promise]).finally(cancel);
  }

  /**
   * Takes no more triggers and calls back as failed what has not begun. Resolves when nothing runs, or after `graceMs`;
   * then functions are told to stop. Jobs go on in the engine, here or elsewhere, and the next process finds them.
   */
  async stop(graceMs: number): Promise<void> {
    const { clock, log } = this.#tools;
    this.#isStopping = true;
    for (const lane of this.#lanes.values())
      this.#dropQueue(lane, { code: codes.failed, message: "not run: the executor stopped" });
    const gone = this.#all(({ performance }) => performance.gone);
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(graceMs, late.resolve);
    await Promise.race([gone, late.promise]).finally(cancel);
    const order = { code: codes.failed, message: "the executor stopped while it ran; its effect is unknown" };
    for (const { current } of this.#lanes.values()) {
      if (current === null || this.#handlerOf(current.row)?.kind === "job") continue;
      await current.performance
        .stop(order)
        .catch((error: unknown) => log.warn({ err: error }, "a run could not be stopped"));
    }
    await this.#scriptsGone();
  }

  /** A process would outlive this one. */
  async #scriptsGone(): Promise<void> {
    const { clock, stopGraceMs } = this.#tools;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(stopGraceMs + lastWordsMs, late.resolve);
    const gone = this.#all(({ row, performance }) => (row.script === null ? Promise.resolve() : performance.gone));
    await Promise.race([gone, late.promise]).finally(cancel);
  }

  /** Resolves when every end is on the disk or left to the next process. From then on nothing is written any more. */
  async settled(): Promise<void> {
    await this.#all(({ settled }) => settled);
    this.#isStopped = true;
  }

  #all(of: (current: Current) => Promise<unknown>): Promise<unknown> {
    return Promise.all([...this.#lanes.values()].map(({ current }) => (current === null ? null : of(current))));
  }

  #dropQueue(lane: Lane, order: StopOrder): void {
    const dropped = lane.queue;
    lane.queue = [];
    for (const row of dropped) this.#settle(row, order);
  }

  // ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #laneOf(jobId: number): Lane {
    const lane = this.#lanes.get(jobId) ?? { current: null, queue: [] };
    this.#lanes.set(jobId, lane);
    return lane;
  }

  #next(jobId: number): void {
    const lane = this.#lanes.get(jobId);
    if (lane === undefined || lane.current !== null || this.#isStopped) return;
    const row = lane.queue.shift();
    if (row === undefined) {
      this.#lanes.delete(jobId);
      return;
    }
    const handler = this.#handlerOf(row);
    if (handler !== undefined) this.#begin(jobId, lane, row, handler);
  }

  #begin(jobId: number, lane: Lane, row: RunRow, handler: Runnable): void {
    const { records, clock } = this.#tools;
    const begunAt = row.begunAt ?? clock.now();
    if (row.state === "queued") {
      try {
        records.begin(row.logId, begunAt);
      } catch (error) {
        // Not begun on the disk is not begun: a crash would run it again.
        this.#tools.log.error({ err: error, logId: row.logId }, "a run could not be recorded as begun; trying again");
        lane.queue.unshift(row);
        clock.after(writePauseMs, () => this.#next(jobId));
        return;
      }
    }
    const begun: RunRow = { ...row, state: "running", begunAt };
    const log = this.#tools.logs.open(row);
    const performance = this.#tools.perform(handler, begun, log);
    const cancelTimer = this.#limitTime(begun, performance);
    const settled = this.#attend(begun, performance, log);
    lane.current = { row: begun, performance, settled };
    settled
      .finally(cancelTimer)
      .then(() => this.#leave(begun, performance))
      .then(() => {
        lane.current = null;
        this.#next(jobId);
      })
      .catch((error: unknown) => this.#tools.log.error({ err: error, logId: row.logId }, "a lane came to a halt"));
  }

  async #attend(row: RunRow, performance: Performance, log: RunLog): Promise<void> {
    const result = await performance.ended;
    await log.close();
    // Null: the executor stops, and the run goes on elsewhere; its row stays as it is.
    if (result !== null) this.#settle(row, result);
  }

  /** The next run waits for a function that was told to stop, but not for ever. */
  async #leave(row: RunRow, performance: Performance): Promise<void> {
    const { clock, log, stopGraceMs } = this.#tools;
    const late = Promise.withResolvers<boolean>();
    const cancel = clock.after(stopGraceMs, () => late.resolve(true));
    const isLate = await Promise.race([performance.gone.then(() => false), late.promise]).finally(cancel);
    if (isLate)
      log.warn(
        { logId: row.logId, handler: row.script?.type ?? row.handler },
        "a function was told to stop and still runs; the next run of its job begins beside it",
      );
  }

  #limitTime(row: RunRow, performance: Performance): () => void {
    const { clock, log } = this.#tools;
    if (row.timeoutSeconds === 0) return () => {};
    const limitMs = row.timeoutSeconds * 1_000;
    const spentMs = Math.max(0, clock.now() - (row.begunAt ?? clock.now()));
    const order = { code: codes.timedOut, message: `timed out after ${row.timeoutSeconds} s` };
    return clock.after(Math.max(0, limitMs - spentMs), () => {
      performance
        .stop(order)
        .catch((error: unknown) =>
          log.warn({ err: error, logId: row.logId }, "a run that is out of time could not be stopped"),
        );
    });
  }

  /** Writes the end down; again and again where the disk refuses. */
  #settle(row: RunRow, result: RunResult): void {
    if (this.#isStopped) return;
    const { records, clock, log, onEnded } = this.#tools;
    try {
      records.finish(row.logId, result.code, result.message, clock.now());
    } catch (error) {
      log.error({ err: error, logId: row.logId }, "the end of a run could not be recorded; trying again");
      clock.after(writePauseMs, () => this.#settle(row, result));
      return;
    }
    this.#unfinishedCount--;
    onEnded();
  }
}

function isOfAnotherTime(known: RunRow, trigger: TriggerRequest): boolean {
  if (known.logDateTime === 0 || trigger.logDateTime === 0) return false;
  return Math.abs(known.logDateTime - trigger.logDateTime) > sameTriggerMs;
}

function isUnfinished({ state }: RunRow): boolean {
  switch (state) {
    case "queued":
    case "running":
      return true;
    case "done":
    case "refused":
      return false;
    default:
      return assertNever(state);
  }
}
