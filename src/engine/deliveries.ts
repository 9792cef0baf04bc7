// Results reach the function in the order of their seq, one at a time, each after the microtasks of the one before have
// drained: replay from the journal does the same, so that whatever the function does next is the same as well.
import type { Turns } from "./turns.ts";

export interface Place {
  /** undefined: not known yet; null: nothing to deliver. */
  deliver: (() => void) | null | undefined;
}

export class Deliveries {
  readonly #turns: Turns;
  #line: Place[] = [];
  /** The turn of the last delivery. */
  #turn = -1;
  #isWaiting = false;
  #isStopped = false;

  constructor(turns: Turns) {
    this.#turns = turns;
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

  /** Whether what is delivered now may reach the function at once. If so, it must be, and counts as the last delivery. */
  passes(): boolean {
    if (this.#isStopped || this.#line.length > 0 || this.isBeingHeard) return false;
    this.#turn = this.#turns.enter();
    return true;
  }

  /** The function may not have done all it can with the last one. */
  get isBeingHeard(): boolean {
    return !this.#turns.hasEnded(this.#turn);
  }

  get isEmpty(): boolean {
    return this.#line.length === 0 && !this.isBeingHeard;
  }

  /** Nothing is delivered any more. */
  stop(): void {
    this.#isStopped = true;
    this.#line = [];
  }

  #drain(): void {
    while (!this.#isStopped) {
      const first = this.#line[0];
      if (first?.deliver === undefined) return;
      if (first.deliver !== null && this.isBeingHeard) {
        this.#drainLater();
        return;
      }
      this.#line.shift();
      if (first.deliver === null) continue;
      this.#turn = this.#turns.enter();
      first.deliver();
    }
  }

  #drainLater(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#turns.after(() => {
      this.#isWaiting = false;
      this.#drain();
    });
  }
}
