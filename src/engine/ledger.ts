// What this process knows of an execution's journal: its rows, its failed attempts, and the next number.
import type { AttemptRow, JournalRow, Role, StepKind } from "../core/journal.ts";
import { reservedSteps } from "../core/journal.ts";
import type { Loaded } from "../core/store.ts";

/** What a row is made of, besides what the ledger adds. */
export interface RowOf {
  readonly step: string;
  readonly started: number;
  readonly ask: { readonly kind: StepKind };
}

export class Ledger {
  /** What settled a step for the function: rows of role action and try, by step. */
  readonly #forward = new Map<string, JournalRow>();
  /** Rows of the other roles, by `placeOf`; most executions have none. */
  #others: Map<string, JournalRow> | undefined;
  #attempts: Map<string, readonly AttemptRow[]> | undefined;
  #lastSeq = 0;
  /** Compensations and cancels that are recorded. */
  undoneCount = 0;

  constructor(loaded: Pick<Loaded, "journal" | "attempts"> | undefined) {
    for (const row of loaded?.journal ?? []) {
      this.keep(row);
      this.#lastSeq = Math.max(this.#lastSeq, row.seq);
    }
    for (const attempt of loaded?.attempts ?? []) this.addAttempt(attempt);
  }

  row(step: string, role: Role): JournalRow | undefined {
    if (!isForward(role)) return this.#others?.get(placeOf(step, role));
    const row = this.#forward.get(step);
    return row?.role === role ? row : undefined;
  }

  has(step: string, ...roles: readonly Role[]): boolean {
    return roles.some((role) => this.row(step, role) !== undefined);
  }

  /** A row to be written: the next in order. */
  next(
    of: RowOf,
    role: Role,
    state: JournalRow["state"],
    body: Uint8Array | null,
    attempt: number,
    at: number,
  ): JournalRow {
    return {
      step: of.step,
      role,
      kind: of.ask.kind,
      seq: ++this.#lastSeq,
      started: of.started,
      attempt,
      state,
      body,
      at,
      actor: null,
    };
  }

  /** A row that is in the journal. */
  keep(row: JournalRow): void {
    if (row.role === "compensation" || row.role === "cancel") this.undoneCount++;
    if (isForward(row.role)) this.#forward.set(row.step, row);
    else {
      this.#others ??= new Map();
      this.#others.set(placeOf(row.step, row.role), row);
    }
  }

  attemptsOf(step: string, role: Role): readonly AttemptRow[] {
    return this.#attempts?.get(placeOf(step, role)) ?? none;
  }

  addAttempt(row: AttemptRow): void {
    this.#attempts ??= new Map();
    this.#attempts.set(placeOf(row.step, row.role), [...this.attemptsOf(row.step, row.role), row]);
  }

  /** The rows that settle a call, in the order in which they were delivered; a given-up `attempt` settles with its undo. */
  deliverable(): readonly JournalRow[] {
    const list: JournalRow[] = [];
    for (const [step, row] of this.#forward) {
      if (step === reservedSteps.turn) continue;
      if (row.kind === "attempt" && row.state === "failed") {
        const undone = this.row(step, "compensation");
        if (undone !== undefined) list.push({ ...row, seq: undone.seq, at: undone.at });
      } else if (row.state !== "refused" || refusable.includes(row.kind)) list.push(row);
    }
    return list.sort((a, b) => a.seq - b.seq);
  }
}

const none: readonly AttemptRow[] = [];
const isForward = (role: Role): boolean => role === "action" || role === "try";
const placeOf = (step: string, role: Role): string => `${role} ${step}`;

/** Kinds whose refusal is an answer to the function; that of others is written with the turn and delivered to nobody. */
const refusable: readonly StepKind[] = ["attempt", "wait", "child"];
