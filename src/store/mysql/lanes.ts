// Connections that the store keeps, a fixed number of them at most, each used by one piece of work at a time.
import type { PoolConnection } from "mysql2";

export class Lanes {
  readonly #open: () => Promise<PoolConnection>;
  readonly #isSound: (lane: PoolConnection) => boolean;
  #freeCount: number;
  #idle: PoolConnection[] = [];
  #queue: (() => void)[] = [];
  #isClosed = false;

  constructor(count: number, open: () => Promise<PoolConnection>, isSound: (lane: PoolConnection) => boolean) {
    this.#freeCount = count;
    this.#open = open;
    this.#isSound = isSound;
  }

  /** Waits in line while all are in use. Must be given back. */
  async take(): Promise<PoolConnection> {
    if (this.#freeCount > 0) this.#freeCount--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return this.#idleOne() ?? (await this.#open());
    } catch (error) {
      this.#letNext();
      throw error;
    }
  }

  /** A lane of which anything is in doubt is destroyed. */
  give(lane: PoolConnection, isSound: boolean): void {
    if (isSound && !this.#isClosed) this.#idle.push(lane);
    else lane.destroy();
    this.#letNext();
  }

  /** Lanes in use are destroyed when they are given back. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#idle.splice(0)) lane.destroy();
  }

  /** One may have broken while it was idle. */
  #idleOne(): PoolConnection | undefined {
    for (let lane = this.#idle.pop(); lane !== undefined; lane = this.#idle.pop()) {
      if (this.#isSound(lane)) return lane;
      lane.destroy();
    }
    return undefined;
  }

  #letNext(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#freeCount++;
    else next();
  }
}
