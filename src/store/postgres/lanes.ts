// Connections that the store keeps, a fixed number of them at most, each used by one flush at a time.
import type pg from "pg";

export class Lanes {
  readonly #open: () => Promise<pg.PoolClient>;
  readonly #isSound: (lane: pg.PoolClient) => boolean;
  #freeCount: number;
  #idle: pg.PoolClient[] = [];
  #queue: (() => void)[] = [];
  #isClosed = false;

  constructor(count: number, open: () => Promise<pg.PoolClient>, isSound: (lane: pg.PoolClient) => boolean) {
    this.#freeCount = count;
    this.#open = open;
    this.#isSound = isSound;
  }

  /** Waits in line while all are in use. Must be given back. */
  async take(): Promise<pg.PoolClient> {
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
  give(lane: pg.PoolClient, isSound: boolean): void {
    if (isSound && !this.#isClosed) this.#idle.push(lane);
    else lane.release(true);
    this.#letNext();
  }

  /** Lanes in use are destroyed when they are given back. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#idle.splice(0)) lane.release(true);
  }

  /** One may have broken while it was idle. */
  #idleOne(): pg.PoolClient | undefined {
    for (let lane = this.#idle.pop(); lane !== undefined; lane = this.#idle.pop()) {
      if (this.#isSound(lane)) return lane;
      lane.release(true);
    }
    return undefined;
  }

  #letNext(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#freeCount++;
    else next();
  }
}
