// A center's loop: fires what is due, then sleeps until the next is.
//
// The authority is the store. What is due is read without a lock, decided here, and fired by compare-and-set, so that any number
// of centers do this side by side, none is elected, and none that dies or is frozen holds anything. No fire is kept in
// memory: what was read and not fired is due again at the next look, here or elsewhere. The database's clock says what is due;
// this process's clocks only say when to look again, and a wrong one costs time, not fires.
//
//   look     a turn: ends of fixed delays, then what is due, until nothing is
//   lost     another center was first: look again a little later, so that two do not read the same rows for ever
//   unknown  an answer that never came: look again; the rows say what happened
//   bad      a row that cannot be decided or stored: set aside here for a while, so that it does not hold up the others
import { isPassing } from "../core/errors.ts";
import { Pause } from "../core/pause.ts";
import type { Clock, Log, Random, Tasks } from "../core/ports.ts";
import { type Decision, decideFires } from "../core/schedule/decide.ts";
import { Definitions, type ScheduleDefinition, seedOf } from "../core/schedule/definition.ts";
import type { Schedule } from "../core/schedule/schedule.ts";
import type { EndedSchedule, ScheduleMove, ScheduleRow, ScheduleStore } from "../core/schedule-store.ts";
import type { NewExecution } from "../core/store.ts";

/** One fire of a due row. */
export interface PlannedFire {
  readonly row: ScheduleRow;
  readonly definition: ScheduleDefinition;
  /** The planned time, without jitter. */
  readonly at: number;
  /** The database's clock. */
  readonly now: number;
}

export interface SchedulerOptions {
  readonly namespace: string;
  readonly store: ScheduleStore;
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  readonly random: Pick<Random, "next">;
  readonly log: Log;
  /** Names of the schedules whose code is here. */
  readonly names: () => readonly string[];
  /** One fire's execution. Rejects for one that cannot be made: it is passed over, and told. */
  readonly startOf: (fire: PlannedFire) => Promise<NewExecution> | NewExecution;
  /** There is work for workers. */
  readonly announce: () => void;
  /** Longest pause between looks. */
  readonly pollMs: number;
}

export interface SchedulerCounts {
  readonly firedCount: number;
  readonly skippedCount: number;
  /** Rows that another center moved first. */
  readonly lostCount: number;
}

interface Decided {
  readonly definition: ScheduleDefinition;
  readonly schedule: Schedule;
  readonly decision: Decision;
}

const dueBatch = 2_000;
/** Executions in one commit; one schedule that catches up may bring more by itself. */
const startBatch = 1_000;
/** Commits under way at once, of rows that no two share: while one waits for the disk, the other has the processor. */
const fireLanes = 2;
/** After many at once, others come soon: they are gathered for this long. */
const gatherMs = 5;
const manyFires = 20;
/** Ends of fixed delays are nowhere announced. */
const endsEveryMs = 250;
const asideMs = 60_000;
/** What is set aside beyond this is forgotten, and complained of again. */
const maxAside = 1_000;
const firstPauseMs = 20;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #definitions = new Definitions();
  /** Rows that failed, by id and version, and until when they are left alone. */
  #aside = new Map<string, number>();
  #isPoked = false;
  readonly #pause: Pause;
  #looking: Promise<void> = Promise.resolve();
  #endsLookedAt = Number.NEGATIVE_INFINITY;
  #errorPauseMs = firstPauseMs;
  #counts = { firedCount: 0, skippedCount: 0, lostCount: 0 };

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#pause = new Pause(options.clock);
  }

  /** Since the process began. */
  get counts(): SchedulerCounts {
    return { ...this.#counts };
  }

  start(tasks: Tasks): void {
    tasks.start("schedules", (signal) => {
      this.#looking = this.#loop(signal);
      return this.#looking;
    });
  }

  /** A schedule was made or changed: look now. */
  poke(): void {
    this.#isPoked = true;
    this.#pause.wake();
  }

  /** One look: fires all that is due now. Answers how long to pause, in ms. */
  async turn(): Promise<number> {
    await this.#moveEnded();
    const { namespace, store, names } = this.#options;
    const limit = dueBatch + this.#aside.size;
    const { now, schedules, nextInMs } = await store.due({ namespace, names: names(), limit });
    const moves = await this.#movesOf(schedules, now);
    const lostCount = await this.#fireAll(moves);
    // One that another center holds is his. He may be about to fire more of what this one would read.
    if (lostCount * 2 > moves.length) return 5 + 25 * this.#options.random.next();
    if (nextInMs === 0) return 0;
    const soonest = moves.length > manyFires ? gatherMs : 1;
    return Math.min(
      this.#jittered(this.#options.pollMs),
      Math.max(soonest, (nextInMs ?? Number.POSITIVE_INFINITY) + 1),
    );
  }

  // ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isPoked = false;
      const pauseMs = await this.#carefulTurn();
      if (!this.#isPoked) await this.#pause.take(Math.min(pauseMs, this.#endsPauseMs()), signal);
    }
  }

  async #carefulTurn(): Promise<number> {
    try {
      const pauseMs = await this.turn();
      this.#errorPauseMs = firstPauseMs;
      return pauseMs;
    } catch (error) {
      const { log } = this.#options;
      if (isPassing(error)) log.debug({ err: error }, "schedules could not be fired; looking again");
      else log.error({ err: error }, "schedules could not be fired; looking again");
      this.#errorPauseMs = Math.min(this.#options.pollMs, this.#errorPauseMs * 2);
      return this.#jittered(this.#errorPauseMs);
    }
  }

  #jittered(ms: number): number {
    return ms * (0.75 + this.#options.random.next() / 2);
  }

  // ── Fixed delays ─────────────────────────────────────────────────────────────────────────────────────────────────

  #endsPauseMs(): number {
    return Math.max(1, this.#endsLookedAt + endsEveryMs - this.#options.clock.monotonicMs());
  }

  /** An execution has ended: its schedule's next time is known. Looked for, not told, so that no crash can lose it. */
  async #moveEnded(): Promise<void> {
    const { namespace, store, names, clock } = this.#options;
    if (clock.monotonicMs() - this.#endsLookedAt < endsEveryMs) return;
    const ended = await store.ended({ namespace, names: names(), limit: dueBatch + this.#aside.size });
    if (ended.length < dueBatch) this.#endsLookedAt = clock.monotonicMs();
    const moves = ended.map((one) => this.#attempt(one.schedule, () => this.#moveAfterEnd(one)));
    await this.#fireAll(moves.filter((move) => move !== null));
  }

  #moveAfterEnd({ schedule: row, endedAt }: EndedSchedule): ScheduleMove {
    // At the beginning of time nothing is due: the decision only says when.
    const { nextDueAt } = this.#decide({ ...row, lastEndedAt: endedAt }, Number.NEGATIVE_INFINITY).decision;
    return { ...seenOf(row), nextAt: nextDueAt, awaits: null, lastEndedAt: endedAt, firedAt: null, starts: [] };
  }

  // ── What is due ──────────────────────────────────────────────────────────────────────────────────────────────────

  #decide(row: ScheduleRow, now: number): Decided {
    const { definition, schedule } = this.#definitions.read(row.definition, seedOf(row));
    const { enabledAt, lastFiredAt: lastFireAt, lastEndedAt } = row;
    const { misfire } = definition;
    return {
      definition,
      schedule,
      decision: decideFires({ schedule, misfire, lastFireAt, enabledAt, lastEndedAt, now }),
    };
  }

  async #movesOf(schedules: readonly ScheduleRow[], now: number): Promise<readonly ScheduleMove[]> {
    const moves: ScheduleMove[] = [];
    for (const row of schedules) {
      const decided = this.#attempt(row, () => this.#decide(row, now));
      if (decided === null) continue;
      const { definition, schedule, decision } = decided;
      this.#tellSkipped(row, decision);
      const starts: NewExecution[] = [];
      for (const { at } of decision.fires) {
        const start = await this.#startOf({ row, definition, at, now });
        if (start !== null) starts.push(start);
      }
      const { lastFireAt, nextDueAt } = decision;
      const move = { ...seenOf(row), nextAt: nextDueAt, awaits: null, firedAt: lastFireAt, starts };
      const isAnswered = schedule.timing.kind === "delay" && decision.fires.length > 0;
      moves.push(isAnswered ? this.#awaitEnd(row, move, now) : { ...move, lastEndedAt: row.lastEndedAt });
    }
    return moves;
  }

  /** A fixed delay counts on from the end of what it has started; where nothing came of the fire, from now. */
  #awaitEnd(row: ScheduleRow, move: Omit<ScheduleMove, "lastEndedAt">, now: number): ScheduleMove {
    const [start] = move.starts;
    if (start !== undefined) return { ...move, awaits: start.id, lastEndedAt: null };
    const fired = { ...row, lastFiredAt: move.firedAt, lastEndedAt: now };
    return { ...move, nextAt: this.#decide(fired, Number.NEGATIVE_INFINITY).decision.nextDueAt, lastEndedAt: now };
  }

  async #startOf(fire: PlannedFire): Promise<NewExecution | null> {
    try {
      return await this.#options.startOf(fire);
    } catch (error) {
      const { row, at } = fire;
      this.#options.log.error(
        { err: error, schedule: row.name ?? row.id, at },
        "a fire was passed over: its execution could not be made",
      );
      return null;
    }
  }

  #tellSkipped(row: ScheduleRow, { skippedCount }: Decision): void {
    if (skippedCount === 0) return;
    this.#counts.skippedCount += skippedCount;
    this.#options.log.warn(
      { schedule: row.name ?? row.id, count: skippedCount },
      "planned times passed while nothing could fire them; they are left out",
    );
  }

  /** Null for a row that is set aside, now or before. */
  #attempt<T>(row: ScheduleRow, decide: () => T): T | null {
    const until = this.#aside.get(asideKey(row));
    if (until !== undefined && until > this.#options.clock.monotonicMs()) return null;
    try {
      return decide();
    } catch (error) {
      this.#setAside(row, error);
      return null;
    }
  }

  #setAside(row: Pick<ScheduleRow, "id" | "version">, error: unknown): void {
    if (this.#aside.size >= maxAside) this.#aside = new Map();
    this.#aside.set(asideKey(row), this.#options.clock.monotonicMs() + asideMs);
    this.#options.log.error(
      { err: error, schedule: row.id },
      "a schedule cannot be fired by this process; it is tried again in a minute",
    );
  }

  // ── Firing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns how many were lost to others. No batch is under way any more when it does, or when it rejects. */
  async #fireAll(moves: readonly ScheduleMove[]): Promise<number> {
    const batches = inBatches(moves);
    let [next, lostCount] = [0, 0];
    const lane = async (): Promise<void> => {
      for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
        const lost = await this.#fire(batch);
        lostCount += lost;
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: fireLanes }, lane));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return lostCount;
  }

  /** One bad row must not hold up its neighbors: halves until it is alone, and then it is set aside. */
  async #fire(moves: readonly ScheduleMove[]): Promise<number> {
    if (moves.length === 0) return 0;
    try {
      const outcomes = await this.#options.store.fire(moves);
      const fired = moves.filter((_, i) => outcomes[i]?.kind === "fired");
      const startCount = fired.reduce((count, { starts }) => count + starts.length, 0);
      const lostCount = moves.length - fired.length;
      this.#counts.firedCount += startCount;
      this.#counts.lostCount += lostCount;
      if (startCount > 0) this.#options.announce();
      return lostCount;
    } catch (error) {
      if (isPassing(error)) throw error;
      const [only] = moves;
      if (moves.length === 1 && only !== undefined) {
        this.#setAside(only, error);
        return 0;
      }
      const half = Math.ceil(moves.length / 2);
      return (await this.#fire(moves.slice(0, half))) + (await this.#fire(moves.slice(half)));
    }
  }
}

const seenOf = ({ id, version, nextAt, awaits }: ScheduleRow) => ({
  ...{ id, version, seenAt: nextAt, seenAwaits: awaits },
});

const asideKey = ({ id, version }: Pick<ScheduleRow, "id" | "version">): string => `${id} ${version}`;

function inBatches(moves: readonly ScheduleMove[]): readonly (readonly ScheduleMove[])[] {
  const batches: ScheduleMove[][] = [];
  let startCount = Number.POSITIVE_INFINITY;
  for (const move of moves) {
    const batch = batches.at(-1);
    startCount += Math.max(1, move.starts.length);
    if (batch !== undefined && startCount <= startBatch) batch.push(move);
    else {
      batches.push([move]);
      startCount = Math.max(1, move.starts.length);
    }
  }
  return batches;
}
