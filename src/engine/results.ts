// What steps came to, on its way into the journal and to the function.
//
//   record       sent; the function is handed it in its turn when the row has landed, or at once if the job wants so
//   recordFirst  the store may refuse it: only the answer says what the function is handed
//   settled      recorded already, in a commit of the user's
//
// A function that hears early can do two things with what has not landed: ask for more, which is held until it has, and
// end, which goes out with the row or after it.
import type { JournalRow, Role } from "../core/journal.ts";
import type { Write } from "../core/store.ts";
import type { Call } from "./calls.ts";
import type { StartedChild } from "./children.ts";
import { Deliveries, type Place } from "./deliveries.ts";
import type { Settled } from "./group-commit.ts";
import { Landings } from "./landings.ts";
import { Recording } from "./recording.ts";
import type { Run } from "./run.ts";

/** A decoded value that need not be decoded from its row again. */
export interface Known {
  readonly value: unknown;
}

export class Results {
  readonly #run: Run;
  readonly #deliveries: Deliveries;
  readonly #landings = new Landings();
  readonly #hearsEarly: boolean;
  #hasDelivered = false;

  constructor(run: Run, hearsEarly: boolean) {
    this.#run = run;
    this.#deliveries = new Deliveries(run.env.turns);
    this.#hearsEarly = hearsEarly && !run.env.alwaysReplay;
  }

  /** Something was handed over that no earlier life had recorded. */
  get hasDelivered(): boolean {
    return this.#hasDelivered;
  }
  /** The function may not have done all it can with what it was handed last. */
  get isBeingHeard(): boolean {
    return this.#deliveries.isBeingHeard;
  }
  /** Every row that was sent is answered. */
  get areAnswered(): boolean {
    return this.#landings.areAllAnswered;
  }
  /** Nothing is on its way to the function. */
  get areHeard(): boolean {
    return this.#deliveries.isEmpty;
  }
  /** The function will hear of nothing more, and nothing that it asked for is held. */
  get areOver(): boolean {
    return this.#hearsEarly ? !this.#landings.holdsCalls : this.#landings.areAllAnswered;
  }

  /** How many rows a call that is made now stands behind. */
  get knownCount(): number {
    return this.#landings.knownCount;
  }
  /** Whether a call may begin; one that may not is held. */
  admits(call: Call): boolean {
    return this.#landings.admits(call);
  }

  /** Nothing is handed over any more. */
  stop(): void {
    this.#deliveries.stop();
  }

  // ── Into the journal ─────────────────────────────────────────────────────────────────────────────────────────────

  record(
    call: Call,
    role: Role,
    state: JournalRow["state"],
    body: Uint8Array | null,
    attempt: number,
    value: unknown,
  ): void {
    const run = this.#run;
    const row = run.newRow(call, role, state, body, attempt);
    const recording = new Recording(run, call, row, value, this.#hearsEarly ? undefined : this.reserve());
    const number = this.#landings.sent();
    run.env.journal.send({ lease: run.lease, direction: "forward", records: [row] }, recording);
    if (!this.#hearsEarly) return;
    if (this.#deliveries.passes()) this.#handOverEarly(number, call, row, value);
    else this.#deliveries.settle(this.reserve(), () => this.#handOverEarly(number, call, row, value));
  }

  /** A recording was answered. Returns the calls that may begin now. */
  answered({ call, row, value, place }: Recording, { kind }: Settled): readonly Call[] {
    const hasLanded = kind === "done";
    if (place === undefined) {
      if (hasLanded) this.#keep(call, row);
    } else if (hasLanded) this.settled(call, row, place, { value });
    else this.voided(place);
    return this.#landings.answered();
  }

  async recordFirst(
    call: Call,
    role: Role,
    state: JournalRow["state"],
    body: Uint8Array | null,
    attempt: number,
    more: Partial<Write> & { readonly outcome?: Known } = {},
  ): Promise<Settled> {
    const run = this.#run;
    const row = run.newRow(call, role, state, body, attempt);
    const place = this.reserve();
    const { outcome, ...rest } = more;
    const answer = await run.write({ lease: run.lease, direction: "forward", records: [row], ...rest });
    if (answer.kind === "done") this.settled(call, row, place, outcome);
    else this.voided(place);
    return answer;
  }

  // ── To the function ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The place of the row just made, among what will be handed over. */
  reserve(): Place {
    return this.#deliveries.reserve();
  }

  /** The row has landed: the function is handed the value in its turn; without one, what the row says. */
  settled(call: Call, row: JournalRow, place: Place, outcome: Known | undefined): void {
    const run = this.#run;
    this.#keep(call, row);
    if (run.env.alwaysReplay && call.ask.kind !== "pivot") {
      this.#deliveries.settle(place, null);
      void run.giveUpUntil(0).catch((error: unknown) => run.fail(error));
    } else this.#deliveries.settle(place, () => this.#handOver(call, row, outcome));
  }

  /** The row did not land: whoever stands behind it in line need not wait. */
  voided(place: Place): void {
    this.#deliveries.settle(place, null);
  }

  /** Hands a call what its row says. */
  deliver(call: Call, row: JournalRow): void {
    try {
      call.resolve(this.#outcomeOf(call, row));
    } catch (error) {
      call.reject(error);
    }
  }

  #keep(call: Call, row: JournalRow): void {
    this.#run.ledger.keep(row);
    call.row = row;
  }

  #handOverEarly(number: number, call: Call, row: JournalRow, value: unknown): void {
    this.#landings.willBeKnown(number);
    this.#handOver(call, row, { value });
  }

  #handOver(call: Call, row: JournalRow, outcome: Known | undefined): void {
    this.#hasDelivered = true;
    this.#run.nowMs = row.at;
    if (this.#run.turn !== undefined) return;
    if (outcome === undefined) this.deliver(call, row);
    else call.resolve(outcome.value);
  }

  /** What the function gets for a row: the decoded value, or (thrown) the decoded error. */
  #outcomeOf(call: Call, row: JournalRow): unknown {
    const run = this.#run;
    const { result } = run.env.formats;
    if (call.ask.kind === "attempt")
      return row.state === "done"
        ? { ok: true, value: result.decode(row.body) }
        : { ok: false, error: run.decodeError(row.body) };
    if (call.ask.kind === "sleep" || call.ask.kind === "wait" || call.ask.kind === "child")
      return run.waits.outcomeOf(call.ask, row);
    const value = result.decode(row.body);
    return call.ask.kind === "start" ? run.childHandle(value as StartedChild) : value;
  }
}
