import type { Clock } from "./ports.ts";

/** The rest between two turns of a background loop: until its time is over, somebody wakes it, or the loop's signal aborts. */
export class Pause {
  readonly #clock: Pick<Clock, "after">;
  #end: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  get isOn(): boolean {
    return this.#end !== undefined;
  }

  /** One at a time. */
  take(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const end = (): void => {
        this.#cancelTimer?.();
        this.#end = undefined;
        signal.removeEventListener("abort", end);
        resolve();
      };
      this.#end = end;
      this.#cancelTimer = this.#clock.after(ms, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  wake(): void {
    this.#end?.();
  }

  /** It lasts so much longer from now, whatever it was to last. */
  endIn(ms: number): void {
    if (this.#end === undefined) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.after(ms, this.#end);
  }
}
