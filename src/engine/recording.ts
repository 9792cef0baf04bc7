// What a step came to, on its way into the journal. An object and not a chain of promises, since every step makes one.
import type { JournalRow } from "../core/journal.ts";
import type { Call } from "./calls.ts";
import type { Place } from "./deliveries.ts";
import type { Hearer, Settled } from "./group-commit.ts";
import type { Run } from "./run.ts";

export class Recording implements Hearer {
  readonly #run: Run;
  readonly call: Call;
  readonly row: JournalRow;
  readonly value: unknown;
  /** Where it stands among what is delivered; undefined if the function has heard it. */
  readonly place: Place | undefined;

  constructor(run: Run, call: Call, row: JournalRow, value: unknown, place: Place | undefined) {
    this.#run = run;
    this.call = call;
    this.row = row;
    this.value = value;
    this.place = place;
  }

  heard(settled: Settled): void {
    this.#run.recorded(this, settled);
  }

  failed(error: unknown): void {
    this.#run.fail(error);
  }
}
