// Callers that wait for an execution to end, or to be parked. Ends in this process are handed over at once; those elsewhere
// are asked for, all in one round trip, at a pace that slows down while nothing happens.

import { isTerminal } from "../core/execution.ts";
import type { ExecutionId } from "../core/ids.ts";
import type { Clock, Log } from "../core/ports.ts";
import type { ReadStore } from "../core/store.ts";

/** What `ReadStore.outcomes` says of one execution. */
export type Ending = ReturnType<Awaited<ReturnType<ReadStore["outcomes"]>>["get"]> & object;

interface Waiter {
  readonly alsoParked: boolean;
  readonly resolve: (ending: Ending | null) => void;
}

const fastestMs = 10;
const slowestMs = 1_000;
const askLimit = 500;

export class Engagements {
  readonly #reads: ReadStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<ExecutionId, Set<Waiter>>();
  #cancelTimer: (() => void) | undefined;
  #paceMs = fastestMs;
  #isAsking = false;
  /** Executions that this process runs itself: their end is handed over, so nobody asks for it. */
  isHeld: (id: ExecutionId) => boolean = () => false;

  constructor(reads: ReadStore, clock: Clock, log: Log) {
    this.#reads = reads;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the execution is terminal (or parked, if asked), null when it is not there. The second function gives up waiting. */
  wait(id: ExecutionId, alsoParked: boolean): { readonly ending: Promise<Ending | null>; readonly leave: () => void } {
    let waiter: Waiter | undefined;
    const ending = new Promise<Ending | null>((resolve) => {
      waiter = { alsoParked, resolve };
      const others = this.#waiting.get(id);
      if (others === undefined) this.#waiting.set(id, new Set([waiter]));
      else others.add(waiter);
    });
    this.#paceMs = fastestMs;
    this.#plan();
    return { ending, leave: () => waiter !== undefined && this.#drop(id, waiter) };
  }

  /** An execution ended, or was parked, in this process. */
  settle(id: ExecutionId, ending: Ending | null): void {
    for (const waiter of this.#waiting.get(id) ?? []) {
      if (ending !== null && ending.status === "parked" && !waiter.alsoParked) continue;
      this.#drop(id, waiter);
      waiter.resolve(ending);
    }
  }

  /** News of an execution from elsewhere: ask now rather than at the next turn. */
  hint(id: ExecutionId): void {
    if (!this.#waiting.has(id)) return;
    this.#paceMs = fastestMs;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    void this.#ask();
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#waiting.clear();
  }

  #drop(id: ExecutionId, waiter: Waiter): void {
    const waiters = this.#waiting.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiting.delete(id);
  }

  #plan(): void {
    if (this.#cancelTimer !== undefined || this.#isAsking || this.#waiting.size === 0) return;
    this.#cancelTimer = this.#clock.after(this.#paceMs, () => {
      this.#cancelTimer = undefined;
      void this.#ask();
    });
    this.#paceMs = Math.min(slowestMs, this.#paceMs * 1.5);
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const ids = [...this.#waiting.keys()].filter((id) => !this.isHeld(id));
      for (let from = 0; from < ids.length; from += askLimit) {
        const page = ids.slice(from, from + askLimit);
        const endings = await this.#reads.outcomes(page);
        for (const id of page) {
          const ending = endings.get(id);
          if (ending === undefined) this.settle(id, null);
          else if (isTerminal(ending.status) || ending.status === "parked") this.settle(id, ending);
        }
      }
    } catch (error) {
      this.#log.debug({ err: error }, "could not ask for outcomes; will ask again");
    } finally {
      this.#isAsking = false;
      this.#plan();
    }
  }
}
