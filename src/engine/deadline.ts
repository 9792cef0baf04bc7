import type { Clock } from "../core/ports.ts";

/** The overall timeout of an execution, counted by this process's monotonic clock from the claim on. */
export class Deadline {
  readonly #clock: Clock;
  readonly #strikesAt: number | null;
  #cancelTimer: (() => void) | undefined;

  /** @param inMs from now; null for none. */
  constructor(clock: Clock, inMs: number | null) {
    this.#clock = clock;
    this.#strikesAt = inMs === null ? null : clock.monotonicMs() + inMs;
  }

  get leftMs(): number | null {
    return this.#strikesAt === null ? null : this.#strikesAt - this.#clock.monotonicMs();
  }

  watch(strike: () => void): void {
    const left = this.leftMs;
    if (left !== null) this.#cancelTimer = this.#clock.after(Math.max(0, left), strike);
  }

  stop(): void {
    this.#cancelTimer?.();
  }
}
