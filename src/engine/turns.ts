import type { Clock } from "../core/ports.ts";

/**
 * A turn lasts until everybody has heard of the promises that are settled now, and of those that they settle in turn. All
 * executions share one wake-up at its end.
 */
export class Turns {
  readonly #clock: Pick<Clock, "drained">;
  #number = 0;
  #isUnderWay = false;
  #waiting: (() => void)[] = [];

  constructor(clock: Pick<Clock, "drained">) {
    this.#clock = clock;
  }

  /** The turn that is under way now, begun by this call if none is. */
  enter(): number {
    if (!this.#isUnderWay) {
      this.#isUnderWay = true;
      this.#clock.drained(() => this.#end());
    }
    return this.#number;
  }

  hasEnded(turn: number): boolean {
    return turn !== this.#number;
  }

  /** Runs it at the end of the turn. */
  after(run: () => void): void {
    this.enter();
    this.#waiting.push(run);
  }

  #end(): void {
    this.#isUnderWay = false;
    this.#number++;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }
}
