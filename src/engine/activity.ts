// What moves in a run: whether it may be suspended, and when its steps have come to rest.
import type { Clock } from "../core/ports.ts";

export class Activity {
  readonly #clock: Clock;
  #activeCount = 0;
  /** Steps with effects among them. */
  #effectfulCount = 0;
  #whenCalm: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nothing moves but time and messages. */
  get isIdle(): boolean {
    return this.#activeCount === 0;
  }
  /** No attempt of a step with an effect runs. */
  get isCalm(): boolean {
    return this.#effectfulCount === 0;
  }

  begin(isEffectful = false): void {
    this.#activeCount++;
    if (isEffectful) this.#effectfulCount++;
  }

  end(isEffectful = false): void {
    this.#activeCount--;
    if (isEffectful) this.#effectfulCount--;
    if (this.isCalm) this.release();
  }

  /** Resolves when no attempt of a step runs any more, or after `maxMs`. */
  async calm(maxMs: number): Promise<void> {
    if (this.isCalm) return;
    let cancelTimer: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      this.#whenCalm.push(resolve);
      cancelTimer = this.#clock.after(maxMs, resolve);
    });
    cancelTimer?.();
  }

  /** Nobody waits for calm any more. */
  release(): void {
    if (this.#whenCalm.length === 0) return;
    const waiting = this.#whenCalm;
    this.#whenCalm = [];
    for (const wake of waiting) wake();
  }
}
