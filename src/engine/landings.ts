// The rows of steps that are on their way into the journal. They are sent and answered in the same order, as all writes of
// one execution are, so that a count of each tells what has landed.
import type { Call } from "./calls.ts";

export class Landings {
  #sentCount = 0;
  #answeredCount = 0;
  /** Up to which row the function may know what they came to. */
  #knownCount = 0;
  #aboutToBeKnown = 0;
  /** Calls that the function made knowing of what has not landed. */
  #held: Call[] = [];

  /** How many rows a call that is made now stands behind. */
  get knownCount(): number {
    return this.#knownCount;
  }
  get areAllAnswered(): boolean {
    return this.#answeredCount === this.#sentCount;
  }
  get holdsCalls(): boolean {
    return this.#held.length > 0;
  }

  /** Returns the row's number. */
  sent(): number {
    return ++this.#sentCount;
  }

  /**
   * The function is about to be told of a row. It hears of it by a microtask at the earliest, behind the one that is queued
   * here: what it asks for until then, such as the other steps of a `Promise.all`, does not know.
   */
  willBeKnown(number: number): void {
    const isQueued = this.#aboutToBeKnown > this.#knownCount;
    this.#aboutToBeKnown = number;
    if (isQueued) return;
    queueMicrotask(() => {
      this.#knownCount = this.#aboutToBeKnown;
    });
  }

  /** Whether a call may begin; one that may not is held until what was known when it was made has landed. */
  admits(call: Call): boolean {
    if (call.behind <= this.#answeredCount) return true;
    this.#held.push(call);
    return false;
  }

  /** The next row was answered. Returns the calls that may begin now. */
  answered(): readonly Call[] {
    this.#answeredCount++;
    if (this.#held.length === 0) return none;
    const mayBegin = this.#held.filter((call) => call.behind <= this.#answeredCount);
    this.#held = this.#held.filter((call) => call.behind > this.#answeredCount);
    return mayBegin;
  }
}

const none: readonly Call[] = [];
