// Reading, for people: what is where, and what happened, without the marked places of inputs.
import { ExecutionUnknownError, type StoredError } from "../core/errors.ts";
import { type ShownState, type Status, shownState } from "../core/execution.ts";
import { isUuid } from "../core/ids.ts";
import type { AttemptRow, JournalRow } from "../core/journal.ts";
import type { Actor } from "../core/ports.ts";
import { redacted, redactValue } from "../core/redact.ts";
import type { ExecutionRow, IncidentRow, ReadStore } from "../core/store.ts";
import { parseStoredError } from "../core/stored-error.ts";
import type { Session } from "./session.ts";

export type ShownRow = ExecutionRow & { readonly state: ShownState };

/** `limit`: default 100. */
export type ListRequest = Omit<Parameters<ReadStore["list"]>[0], "namespace" | "limit"> & { readonly limit?: number };

export type ShownIncident = Omit<IncidentRow, "error"> & { readonly error: StoredError | null };

export interface History {
  readonly execution: ShownRow;
  /** Who started it: a caller, a schedule, or the execution of which it is a child. */
  readonly startedBy: Actor | null;
  readonly input: unknown;
  readonly journal: readonly (Omit<JournalRow, "body"> & {
    readonly token: number;
    readonly value?: unknown;
    readonly error?: StoredError | null;
  })[];
  readonly attempts: readonly (Omit<AttemptRow, "error"> & { readonly error: StoredError | null })[];
  readonly signals: readonly {
    readonly signalId: string;
    readonly name: string;
    readonly at: number;
    readonly takenBy: string | null;
  }[];
  readonly audit: Awaited<ReturnType<ReadStore["history"]>>["audit"];
  readonly incidents: readonly ShownIncident[];
}

export class Reader {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async find(id: string): Promise<ShownRow | null> {
    await this.#session.open();
    const row = isUuid(id) ? await this.#session.insist(() => this.#session.env.store.reads.find(id)) : null;
    return row === null ? null : { ...row, state: shownState(row) };
  }

  /** Newest first. */
  async list(request: ListRequest = {}): Promise<readonly ShownRow[]> {
    await this.#session.open();
    const rows = await this.#session.insist(() =>
      this.#session.env.store.reads.list({
        ...request,
        namespace: this.#session.env.namespace,
        limit: request.limit ?? 100,
      }),
    );
    return rows.map((row) => ({ ...row, state: shownState(row) }));
  }

  /** What happened, in order, for people: the input and the steps' results with marked places taken out; without the job's definition here, no values at all. */
  async history(id: string): Promise<History> {
    await this.#session.open();
    const row = await this.find(id);
    if (row === null) throw new ExecutionUnknownError(id);
    const { reads } = this.#session.env.store;
    const startedBy = await this.#session.insist(() => reads.startedBy(id));
    const { journal, attempts, signals, audit, incidents } = await this.#session.insist(() => reads.history(id));
    const definition = this.#session.env.registry.find(row.job, row.version);
    const { formats } = this.#session.env;
    const input =
      definition === undefined
        ? redacted
        : redactValue(
            formats.input.decode(await this.#session.insist(() => this.#session.env.store.reads.input(id))),
            definition.settings.marks,
          );
    const isOpen = definition !== undefined && definition.settings.marks.paths.length === 0;
    const shown = (body: Uint8Array | null): unknown => (isOpen ? formats.result.decode(body) : redacted);
    return {
      execution: row,
      startedBy,
      input,
      journal: journal.map(({ body, ...one }) => ({
        ...one,
        ...(one.state === "done" ? { value: shown(body) } : { error: this.errorIn(body) }),
      })),
      attempts: attempts.map(({ error, ...one }) => ({ ...one, error: this.errorIn(error) })),
      signals: signals.map(({ payload: _, ...one }) => one),
      audit,
      incidents: incidents.map(({ error, ...one }) => ({ ...one, error: this.errorIn(error) })),
    };
  }

  errorIn(body: Uint8Array | null): StoredError | null {
    return body === null ? null : parseStoredError(this.#session.env.formats.result.decode(body));
  }

  /** What needs a person. */
  async incidents(limit: number): Promise<readonly ShownIncident[]> {
    await this.#session.open();
    const rows = await this.#session.insist(() =>
      this.#session.env.store.reads.openIncidents({ namespace: this.#session.env.namespace, limit }),
    );
    return rows.map(({ error, ...one }) => ({
      ...one,
      error: this.errorIn(error),
    }));
  }

  async counts(): Promise<Readonly<Record<Status, number>>> {
    await this.#session.open();
    return this.#session.insist(() => this.#session.env.store.reads.countByStatus(this.#session.env.namespace));
  }
}
