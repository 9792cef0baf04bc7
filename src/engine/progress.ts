import type { Clock } from "../core/ports.ts";
import type { Write } from "../core/store.ts";

type Shown = NonNullable<Write["progress"]>;

const everyMs = 1_000;
const maxNoteChars = 500;

/** Progress for people: the last of each second is written. */
export class Progress {
  readonly #clock: Clock;
  readonly #write: (progress: Shown) => void;
  #next: Shown | undefined;

  constructor(clock: Clock, write: (progress: Shown) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  show(fraction: number, note: string | null): void {
    const isPlanned = this.#next !== undefined;
    this.#next = {
      fraction: Math.min(1, Math.max(0, Number(fraction) || 0)),
      note: note?.slice(0, maxNoteChars) ?? null,
    };
    if (isPlanned) return;
    this.#clock.after(everyMs, () => {
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined) this.#write(next);
    });
  }
}
