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
  readonly #rows = new Map<string, Map<Role, JournalRow>>();
  readonly #attempts = new Map<string, readonly AttemptRow[]>();
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
    return this.#rows.get(step)?.get(role);
  }

  has(step: string, ...roles: readonly Role[]): boolean {
    const byRole = this.#rows.get(step);
    return byRole !== undefined && roles.some((role) => byRole.has(role));
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
    const byRole = this.#rows.get(row.step);
    if (byRole === undefined) this.#rows.set(row.step, new Map([[row.role, row]]));
    else byRole.set(row.role, row);
  }

  attemptsOf(step: string, role: Role): readonly AttemptRow[] {
    return this.#attempts.get(`${role} ${step}`) ?? [];
  }

  addAttempt(row: AttemptRow): void {
    this.#attempts.set(`${row.role} ${row.step}`, [...this.attemptsOf(row.step, row.role), row]);
  }

  /** The rows that settle a call, in the order in which they were delivered; a given-up `attempt` settles with its undo. */
  deliverable(): readonly JournalRow[] {
    const list: JournalRow[] = [];
    for (const [step, byRole] of this.#rows) {
      const row = byRole.get("action") ?? byRole.get("try");
      if (row === undefined || step === reservedSteps.turn) continue;
      if (row.kind === "attempt" && row.state === "failed") {
        const undone = byRole.get("compensation");
        if (undone !== undefined) list.push({ ...row, seq: undone.seq, at: undone.at });
      } else if (row.state !== "refused" || refusable.includes(row.kind)) list.push(row);
    }
    return list.sort((a, b) => a.seq - b.seq);
  }
}

/** Kinds whose refusal is an answer to the function; that of others is written with the turn and delivered to nobody. */
const refusable: readonly StepKind[] = ["attempt", "wait", "child"];
