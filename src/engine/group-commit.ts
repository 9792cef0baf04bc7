// Group commit. Every start and every fenced write of this process goes out through here. What arrives while a commit is
// under way rides in the next one, without a timer; at most `flushLanes` commits are in flight. The store is the authority:
// nothing is acknowledged before it has committed.
//
// Writes of one execution go out one after another, in the order in which they were handed over: a later one waits while
// an earlier one is in flight, since both would need the same guard row. Records that wait side by side are folded into one,
// and into the end that follows them. Where one with records fails, those behind it fail with it: they were handed over in
// the belief that it lands.
//
// What a failure does to callers:
//   busy                  sent again in the next flush; the others of the batch are done
//   STORE_CONFLICT        nothing happened: the batch is repeated, jittered
//   STORE_UNAVAILABLE     nothing happened: repeated with back-off until the store is back or this is closed
//   STORE_OUTCOME_UNKNOWN the same batch is repeated; starts and writes are idempotent
//   anything else         the batch is split until the one bad element is alone; that one's caller gets the error
import { CatalogError, isPassing } from "../core/errors.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import type { ExecutionStore, NewExecution, StartOutcome, Write, WriteOutcome } from "../core/store.ts";
import { ChurningMap } from "./churning-map.ts";

export type Settled = Exclude<WriteOutcome, { readonly kind: "busy" }>;

/** Who waits for the answer to a write. Exactly one of the two is called, once; neither may throw. */
export interface Hearer {
  heard(outcome: Settled): void;
  failed(error: unknown): void;
}

interface PendingStart {
  readonly execution: NewExecution;
  readonly resolve: (outcome: StartOutcome) => void;
  readonly reject: (error: unknown) => void;
}
/** One write to be sent, and who waits for its answer. */
interface PendingWrite {
  write: Write;
  readonly hearer: Hearer;
  /** Those whose writes were folded into this one. */
  others: Hearer[] | undefined;
  /** Under way, or resting before it is sent again: nothing can be folded into it. */
  isOut: boolean;
  /** The next one of the same execution. */
  next: PendingWrite | undefined;
}

export interface GroupCommitOptions {
  readonly store: ExecutionStore;
  readonly lanes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Elements per commit. */
  readonly maxBatch?: number;
}

const busyPauseMs = 2;
const firstPauseMs = 5;
const maxPauseMs = 1_000;
const defaultMaxBatch = 1_000;
/** Not worth sharing out: a commit of its own costs more than the wait for the one before. */
const smallBatch = 64;

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #maxBatch: number;
  #starts: PendingStart[] = [];
  /** The first write of each execution; the others of that execution hang on it in the order of arrival. */
  readonly #lines = new ChurningMap<PendingWrite>();
  /** Firsts that may go out. */
  #ready: PendingWrite[] = [];
  #flights = 0;
  #isScheduled = false;
  #isClosed = false;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#maxBatch = options.maxBatch ?? defaultMaxBatch;
  }

  start(execution: NewExecution): Promise<StartOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed());
      this.#starts.push({ execution, resolve, reject });
      this.#schedule();
    });
  }

  write(write: Write): Promise<Settled> {
    return new Promise((heard, failed) => this.send(write, { heard, failed }));
  }

  /** Like `write`, for those who need no promise. */
  send(write: Write, hearer: Hearer): void {
    if (this.#isClosed) {
      hearer.failed(closed());
      return;
    }
    const id = write.lease.executionId;
    const pending: PendingWrite = { write, hearer, others: undefined, isOut: false, next: undefined };
    let last = this.#lines.get(id);
    if (last === undefined) {
      this.#lines.set(id, pending);
      this.#ready.push(pending);
      this.#schedule();
      return;
    }
    while (last.next !== undefined) last = last.next;
    if (!last.isOut && canFold(last.write, write)) {
      last.write = fold(last.write, write);
      last.others = [...(last.others ?? []), hearer];
    } else last.next = pending;
  }

  /** Whether anything is pending or in flight. */
  get isIdle(): boolean {
    return this.#flights === 0 && this.#starts.length === 0 && this.#lines.size === 0;
  }

  /** Resolves when nothing is pending. */
  drained(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** What is still pending is rejected with APP_CLOSED; what is in flight ends as the store answers. */
  close(): void {
    this.#isClosed = true;
    for (const start of this.#starts) start.reject(closed());
    this.#starts = [];
    const ready = this.#ready;
    this.#ready = [];
    for (const first of ready) this.#failLine(first, closed());
    this.#wakeIdle();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#flights >= this.#options.lanes) return;
    this.#isScheduled = true;
    this.#options.clock.soon(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  /** Fills every free lane. Shared out among them, so that this process works on one answer while the store works on the next batch. */
  #flush(): void {
    if (this.#pendingCount === 0) this.#wakeIdle();
    for (let free = this.#options.lanes - this.#flights; free > 0 && this.#pendingCount > 0; free--)
      this.#fly(Math.min(this.#maxBatch, Math.max(smallBatch, Math.ceil(this.#pendingCount / free))));
  }

  #fly(size: number): void {
    const starts = this.#starts.splice(0, Math.max(size - this.#ready.length, Math.ceil(size / 2)));
    const writes = this.#ready.splice(0, size - starts.length);
    for (const pending of writes) pending.isOut = true;
    this.#flights++;
    void this.#commit(starts, writes).finally(() => {
      this.#flights--;
      if (this.#pendingCount > 0) this.#schedule();
      else this.#wakeIdle();
    });
  }

  get #pendingCount(): number {
    return this.#starts.length + this.#ready.length;
  }

  async #commit(starts: readonly PendingStart[], writes: readonly PendingWrite[]): Promise<void> {
    const newExecutions = starts.map((start) => start.execution);
    const batch = writes.map((pending) => pending.write);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
      try {
        const outcomes = await this.#options.store.commit(newExecutions, batch);
        for (let i = 0; i < starts.length; i++) starts[i]?.resolve(outcomes.starts[i] as StartOutcome);
        for (let i = 0; i < writes.length; i++)
          this.#settle(writes[i] as PendingWrite, outcomes.writes[i] as WriteOutcome);
        return;
      } catch (error) {
        if (this.#isClosed || !isPassing(error)) return this.#split(starts, writes, error);
        if (pauseMs === maxPauseMs)
          this.#options.log.warn(
            { err: error, elements: starts.length + writes.length },
            "journal waits for the store",
          );
        await this.#pause(pauseMs);
      }
    }
  }

  /** One bad element must not fail its neighbors: halves until it is alone. */
  async #split(starts: readonly PendingStart[], writes: readonly PendingWrite[], error: unknown): Promise<void> {
    if (this.#isClosed || starts.length + writes.length === 1) {
      for (const start of starts) start.reject(error);
      for (const pending of writes) this.#fail(pending, error);
      return;
    }
    const half = (n: number): number => Math.ceil(n / 2);
    if (starts.length > 0 && writes.length > 0) {
      await this.#commit(starts, []);
      await this.#commit([], writes);
    } else {
      await this.#commit(starts.slice(0, half(starts.length)), writes.slice(0, half(writes.length)));
      await this.#commit(starts.slice(half(starts.length)), writes.slice(half(writes.length)));
    }
  }

  #settle(pending: PendingWrite, outcome: WriteOutcome): void {
    if (outcome.kind === "busy") {
      void this.#pause(busyPauseMs).then(() => this.#makeReady(pending));
      return;
    }
    this.#leave(pending);
    pending.hearer.heard(outcome);
    for (const other of pending.others ?? []) other.heard(outcome);
  }

  /** The first of a line has its answer; the next one may go. */
  #leave({ write, next }: PendingWrite): void {
    const id = write.lease.executionId;
    if (next === undefined) this.#lines.delete(id);
    else {
      this.#lines.set(id, next);
      this.#makeReady(next);
    }
  }

  /** Notes of attempts and progress matter to nobody behind them. */
  #fail(pending: PendingWrite, error: unknown): void {
    const { records, transition } = pending.write;
    if (this.#isClosed || records !== undefined || transition !== undefined) this.#failLine(pending, error);
    else {
      this.#leave(pending);
      tellFailed(pending, error);
    }
  }

  #failLine(first: PendingWrite, error: unknown): void {
    this.#lines.delete(first.write.lease.executionId);
    for (let pending: PendingWrite | undefined = first; pending !== undefined; pending = pending.next)
      tellFailed(pending, error);
  }

  #makeReady(pending: PendingWrite): void {
    pending.isOut = false;
    this.#ready.push(pending);
    this.#schedule();
  }

  #pause(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => void clock.after(ms * (0.5 + random.next() / 2), resolve));
  }

  #wakeIdle(): void {
    if (!this.isIdle) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const wake of waiting) wake();
  }
}

const closed = (): Error =>
  new CatalogError("APP_CLOSED", "this app is stopped: the write was not sent. Start a new app to go on", {});

function tellFailed({ hearer, others = [] }: PendingWrite, error: unknown): void {
  hearer.failed(error);
  for (const other of others) other.failed(error);
}

/** Plain records and attempts of the same direction share their fate, so they may share a write. */
const isPlain = (write: Write): boolean =>
  write.transition === undefined && write.children === undefined && write.seenInbox === undefined;
/** Completes it, or decides to: refused only by a cancel, after which the execution turns back, knowing what was not recorded. */
const isCompletion = ({ transition, seenInbox }: Write): boolean =>
  (transition?.name === "complete" || transition?.name === "confirm") && seenInbox === undefined;
const canFold = (a: Write, b: Write): boolean =>
  isPlain(a) && (isPlain(b) || isCompletion(b)) && a.direction === b.direction && a.lease.token === b.lease.token;

function fold(a: Write, b: Write): Write {
  const { records = a.records, attempts = a.attempts, takes = a.takes, progress = a.progress } = b;
  return {
    ...b,
    ...(records && { records: join(a.records, records) }),
    ...(attempts && { attempts: join(a.attempts, attempts) }),
    ...(takes && { takes: join(a.takes, takes) }),
    ...(progress && { progress }),
  };
}

const join = <T>(a: readonly T[] | undefined, b: readonly T[]): readonly T[] =>
  a === undefined || a === b ? b : [...a, ...b];
