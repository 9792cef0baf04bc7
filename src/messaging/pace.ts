import { Pause } from "../core/pause.ts";
import type { Clock, Random } from "../core/ports.ts";

/** Right after a publish: its commit is a moment away, and a client that is not awaited commits in this very turn. */
const firstPauseMs = 2;
const growth = 1.5;
/** A look that takes longer goes through a long tail of messages that wait for one before them. */
const slowLookMs = 50;

/**
 * When to look again: soon after something was announced in this process, and ever later while nothing comes. The publisher's
 * commit cannot be heard of, so an announcement is worth a few looks.
 */
export class Pace {
  readonly #random: Random;
  readonly #longestMs: number;
  #pauseMs = firstPauseMs;
  #leastMs = 0;
  readonly #pause: Pause;
  /** The pause that is under way is long, and none that spares the store; once. */
  #mayBeCut = false;

  constructor(clock: Clock, random: Random, longestMs: number) {
    this.#pause = new Pause(clock);
    this.#random = random;
    this.#longestMs = longestMs;
  }

  /** There may be something in a moment. */
  hurry(): void {
    this.#pauseMs = firstPauseMs;
    if (this.#mayBeCut) this.#pause.endIn(firstPauseMs);
    this.#mayBeCut = false;
  }

  /** A look that found nothing took so long: slow ones are to take a tenth of the time, however much is announced. */
  spare(lookMs: number): void {
    this.#leastMs = lookMs > slowLookMs ? lookMs * 9 : 0;
  }

  slowDown(): void {
    this.#pauseMs = this.#longestMs;
  }

  /** Until the next look is due, or the signal aborts. */
  pause(signal: AbortSignal): Promise<void> {
    const leastMs = this.#leastMs;
    const pauseMs = Math.max(leastMs, this.#pauseMs * (0.75 + this.#random.next() / 2));
    this.#leastMs = 0;
    this.#pauseMs = Math.min(this.#longestMs, this.#pauseMs * growth);
    this.#mayBeCut = pauseMs > 2 * firstPauseMs && leastMs === 0;
    return this.#pause.take(pauseMs, signal);
  }
}
