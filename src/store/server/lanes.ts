// Connections that a store keeps, a fixed number of them at most, each used by one piece of work at a time.

export interface LaneWays<Lane> {
  open(): Promise<Lane>;
  isSound(lane: Lane): boolean;
  destroy(lane: Lane): void;
}

export class Lanes<Lane> {
  readonly #ways: LaneWays<Lane>;
  #freeCount: number;
  #idle: Lane[] = [];
  #queue: (() => void)[] = [];
  #isClosed = false;

  constructor(count: number, ways: LaneWays<Lane>) {
    this.#freeCount = count;
    this.#ways = ways;
  }

  /** Waits in line while all are in use. Must be given back. */
  async take(): Promise<Lane> {
    if (this.#freeCount > 0) this.#freeCount--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return this.#idleOne() ?? (await this.#ways.open());
    } catch (error) {
      this.#letNext();
      throw error;
    }
  }

  /** A lane of which anything is in doubt is destroyed. */
  give(lane: Lane, isSound: boolean): void {
    if (isSound && !this.#isClosed) this.#idle.push(lane);
    else this.#ways.destroy(lane);
    this.#letNext();
  }

  /** Lanes in use are destroyed when they are given back. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#idle.splice(0)) this.#ways.destroy(lane);
  }

  /** One may have broken while it was idle. */
  #idleOne(): Lane | undefined {
    for (let lane = this.#idle.pop(); lane !== undefined; lane = this.#idle.pop()) {
      if (this.#ways.isSound(lane)) return lane;
      this.#ways.destroy(lane);
    }
    return undefined;
  }

  #letNext(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#freeCount++;
    else next();
  }
}
