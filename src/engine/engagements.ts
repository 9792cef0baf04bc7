// Callers that wait for an execution to end, or to be parked. Ends in this process are handed over at once; those elsewhere
// are asked for, all in one round trip, at a pace that slows down while nothing happens.

import { isTerminal } from "../core/execution.ts";
import type { ExecutionId } from "../core/ids.ts";
import type { Clock, Log } from "../core/ports.ts";
import type { ReadStore } from "../core/store.ts";
import { ChurningMap } from "./churning-map.ts";

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
  readonly #waiting = new ChurningMap<Waiter[]>();
  #cancelTimer: (() => void) | undefined;
  #paceMs = fastestMs;
  /** After how long the timer that is set fires. */
  #plannedMs = 0;
  #isAsking = false;
  /** Executions that this process runs itself: their end is handed over, so nobody asks for it. */
  isHeld: (id: ExecutionId) => boolean = () => false;

  constructor(reads: ReadStore, clock: Clock, log: Log) {
    this.#reads = reads;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the execution is terminal (or parked, if asked), null when it is not there. Rejects when the signal aborts. */
  wait(id: ExecutionId, alsoParked: boolean, signal?: AbortSignal): Promise<Ending | null> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#drop(id, (other) => other === waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        alsoParked,
        resolve: (ending) => {
          // The signal may outlive many waits.
          signal?.removeEventListener("abort", leave);
          resolve(ending);
        },
      };
      const others = this.#waiting.get(id);
      if (others === undefined) this.#waiting.set(id, [waiter]);
      else others.push(waiter);
      signal?.addEventListener("abort", leave, { once: true });
      if (!this.isHeld(id)) this.#hurry();
    });
  }

  /** An execution ended, or was parked, in this process. */
  settle(id: ExecutionId, ending: Ending | null): void {
    const isTold = ({ alsoParked }: Waiter): boolean => ending === null || ending.status !== "parked" || alsoParked;
    const told = this.#waiting.get(id)?.filter(isTold) ?? [];
    this.#drop(id, isTold);
    for (const waiter of told) waiter.resolve(ending);
  }

  /** This process runs it no longer, and does not know how it goes on. */
  released(id: ExecutionId): void {
    if (this.#waiting.has(id)) this.#hurry();
  }

  /** News of an execution from elsewhere: ask now rather than at the next turn. */
  hint(id: ExecutionId): void {
    if (!this.#waiting.has(id)) return;
    this.#paceMs = fastestMs;
    this.#unplan();
    void this.#ask();
  }

  close(): void {
    this.#unplan();
    this.#waiting.clear();
  }

  #drop(id: ExecutionId, isGone: (waiter: Waiter) => boolean): void {
    const rest = this.#waiting.get(id)?.filter((waiter) => !isGone(waiter)) ?? [];
    if (rest.length === 0) this.#waiting.delete(id);
    else this.#waiting.set(id, rest);
  }

  /** Somebody waits for news from elsewhere: at the fastest pace again. */
  #hurry(): void {
    if (this.#plannedMs > fastestMs) this.#unplan();
    this.#paceMs = fastestMs;
    this.#plan();
  }

  #plan(): void {
    if (this.#cancelTimer !== undefined || this.#isAsking || this.#waiting.size === 0) return;
    this.#plannedMs = this.#paceMs;
    this.#cancelTimer = this.#clock.after(this.#paceMs, () => {
      this.#cancelTimer = undefined;
      void this.#ask();
    });
    this.#paceMs = Math.min(slowestMs, this.#paceMs * 1.5);
  }

  #unplan(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const ids = this.#waiting.keys().filter((id) => !this.isHeld(id));
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
