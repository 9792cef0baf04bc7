// Results reach the function in the order of their seq, one at a time, each after the microtasks of the one before have
// drained: replay from the journal does the same, so that whatever the function does next is the same as well.
import type { Clock } from "../core/ports.ts";

export interface Place {
  /** undefined: not known yet; null: nothing to deliver. */
  deliver: (() => void) | null | undefined;
}

export class Deliveries {
  readonly #clock: Clock;
  #line: Place[] = [];
  #isResting = false;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the next place in line; call when a seq is assigned. */
  reserve(): Place {
    const place: Place = { deliver: undefined };
    this.#line.push(place);
    return place;
  }

  settle(place: Place, deliver: (() => void) | null): void {
    place.deliver = deliver;
    this.#drain();
  }

  get isEmpty(): boolean {
    return this.#line.length === 0 && !this.#isResting;
  }

  /** Nothing is delivered any more. */
  stop(): void {
    this.#isStopped = true;
    this.#line = [];
  }

  #drain(): void {
    while (!this.#isResting && !this.#isStopped) {
      const first = this.#line[0];
      if (first?.deliver === undefined) return;
      this.#line.shift();
      if (first.deliver === null) continue;
      first.deliver();
      if (this.#line.length === 0) return;
      // Others wait behind it: their turn comes when the function has done all it can with this one.
      this.#isResting = true;
      this.#clock.soon(() => {
        this.#isResting = false;
        this.#drain();
      });
    }
  }
}
