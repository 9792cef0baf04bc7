// One row of a call on its way into the journal, and what follows when the answer is here. An object and not a chain of
// promises, since every step makes one.
import type { JournalRow } from "../core/journal.ts";
import type { Call } from "./calls.ts";
import type { Place } from "./deliveries.ts";
import type { Hearer, Settled } from "./group-commit.ts";
import type { Known, Run } from "./run.ts";

type Answer = { readonly kind: Settled["kind"] } | { readonly error: unknown };

export class Recording implements Hearer {
  readonly #run: Run;
  readonly #call: Call;
  readonly #row: JournalRow;
  readonly #place: Place;
  readonly #outcome: Known | undefined;
  #answer: Answer | undefined;
  #endsCall = false;
  #whenAnswered: (() => void) | undefined;

  constructor(run: Run, call: Call, row: JournalRow, place: Place, outcome: Known | undefined) {
    this.#run = run;
    this.#call = call;
    this.#row = row;
    this.#place = place;
    this.#outcome = outcome;
  }

  /** How it was answered; rejects with what kept it from being sent. */
  answered(): Promise<Settled["kind"]> {
    return new Promise((resolve, reject) => {
      const tell = (): void => {
        if (this.#answer === undefined) return;
        if ("kind" in this.#answer) resolve(this.#answer.kind);
        else reject(this.#answer.error);
      };
      this.#whenAnswered = tell;
      tell();
    });
  }

  /** With the answer the call is over, too. */
  endCall(): void {
    this.#endsCall = true;
    if (this.#answer !== undefined) this.#tellCall(this.#answer);
  }

  heard(settled: Settled): void {
    const answer = this.#run.heard(settled);
    if (answer.kind === "done") this.#run.settled(this.#call, this.#row, this.#place, this.#outcome);
    else this.#run.voided(this.#place);
    this.#conclude(answer);
  }

  failed(error: unknown): void {
    this.#run.voided(this.#place);
    this.#conclude({ error });
  }

  #conclude(answer: Answer): void {
    this.#answer = answer;
    this.#whenAnswered?.();
    if (this.#endsCall) this.#tellCall(answer);
  }

  #tellCall(answer: Answer): void {
    if ("error" in answer) this.#run.callBroken(this.#call, answer.error);
    else this.#run.callOver(this.#call);
  }
}
