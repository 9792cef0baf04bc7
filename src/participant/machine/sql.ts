// What a state machine asks of a database. One file of statements for each; the texts are made once, when the machine is,
// and again for each new set of columns that a move writes, so that a client that prepares statements meets few.
import type { Row, Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { quoteName, quoteTable } from "../identifiers.ts";
import { parseNumber } from "../parse-number.ts";
import type { RowId } from "../parse-row.ts";

/** The user's table, its names quoted. */
export interface MachineTable {
  readonly machine: string;
  readonly dialect: Dialect;
  readonly table: string;
  readonly id: string;
  readonly state: string;
  readonly version: string | null;
}

export type Outcome = "moved" | "illegal" | "guarded" | "migrated" | "override";

/** The user's row as it is. `entity` is its id as text, as the database writes it. */
export interface FoundRow {
  readonly entity: string;
  readonly state: unknown;
  readonly version: number | null;
  /** All of its columns, where they were asked for. */
  readonly row: Row;
}

export interface Note {
  readonly outcome: Outcome;
  readonly event: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly eventId: string | null;
  readonly by: string | null;
  readonly reason: string | null;
}

export interface Change {
  readonly id: RowId;
  readonly from: string;
  readonly to: string;
  /** What the row must bear; null: any. */
  readonly version: number | null;
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
}

/** A line of the history in the order of its primary key, which is (entity, seq) on PostgreSQL and seq elsewhere. */
export interface HistoryPlace {
  readonly entity: string;
  readonly seq: number;
}

export interface MachineSql {
  /** The row, locked until the transaction ends; `whole`: with all columns. */
  lock(id: RowId, whole: boolean): Script<FoundRow | null>;
  /**
   * Compare, set, and the row of the history, of outcome `moved` and without an event id: both, giving its number. Or neither,
   * giving the row as it is now, though the caller's transaction may have begun to read earlier; null: there is none.
   */
  move(change: Change, note: Note): Script<number | FoundRow | null>;
  /** Sets a row that is locked and in this state, of whatever version. */
  change(change: Omit<Change, "version">): Script<void>;
  /** A row of the history. Null, and no row, if its event id is in there. */
  note(entity: string, note: Note): Script<number | null>;
  earlier(entity: string, eventId: string): Script<Row | null>;
  /** The number of the last event that was taken. */
  lastMove(entity: string): Script<number>;
  history(id: RowId, limit: number): Script<readonly Row[]>;
  /** The last of up to `limit` lines behind this one; null: there is none. */
  pageEnd(after: HistoryPlace, limit: number): Script<HistoryPlace | null>;
  /** Deletes, behind one line and up to another, what is older than `keepMs` and has a later move of its row; returns how many. */
  prune(after: HistoryPlace, upTo: HistoryPlace, keepMs: number): Script<number>;
  /** How many rows are in each state. */
  count(): Script<readonly Row[]>;
  /** Moves up to `limit` rows from one state to another whatever the machine says, with history; returns how many. */
  migrate(from: string, to: string, limit: number, note: Pick<Note, "by" | "reason">): Script<number>;
}

export interface TableOptions {
  readonly table: string;
  readonly id?: string;
  readonly state?: string;
  readonly version?: string;
}

/** Throws OPTION_INVALID for names that cannot be names. */
export function quoteMachineTable(
  machine: string,
  dialect: Dialect,
  { table, id = "id", state = "state", version }: TableOptions,
): MachineTable {
  const where = `machine ${machine}`;
  return {
    machine,
    dialect,
    table: quoteTable(dialect, table, `${where}: table`),
    id: quoteName(dialect, id, `${where}: id`),
    state: quoteName(dialect, state, `${where}: state`),
    version: version === undefined ? null : quoteName(dialect, version, `${where}: version`),
  };
}

// ── What the files of statements share ─────────────────────────────────────────────────────────────────────────────

/** Outcomes of lines that a row's state comes from. */
export const moves = "('moved', 'migrated', 'override')";

export const noteColumns = "outcome, event, from_state, to_state, event_id, actor, reason";
export const noteValues = (note: Note): readonly unknown[] => [
  note.outcome,
  note.event,
  note.from,
  note.to,
  note.eventId,
  note.by,
  note.reason,
];

/** `found_state`, `found_version` and `entity` of a row, beside its own columns. */
export function parseFound(row: Row | undefined): FoundRow | null {
  if (row === undefined) return null;
  const { makegood_entity: entity, makegood_state: state, makegood_version: version, ...columns } = row;
  return {
    entity: String(entity),
    state,
    version: version === null || version === undefined ? null : parseNumber(version, "a version"),
    row: columns,
  };
}

/** Where seq alone says the place. */
export const parsePlace = (row: Row | undefined): HistoryPlace | null =>
  row?.["seq"] === null || row === undefined ? null : { entity: "", seq: parseNumber(row["seq"], "seq") };

export const firstNumber = (rows: readonly Row[]): number | null =>
  rows[0] === undefined ? null : parseNumber(rows[0]["seq"], "seq");

const maxTexts = 100;

/** Keeps the text of a statement for each list of columns. Bounded, since columns may come from a caller's object. */
export function remembered(make: (columns: readonly string[]) => string): (columns: readonly string[]) => string {
  const texts = new Map<string, string>();
  return (columns) => {
    const key = columns.join("\0");
    const known = texts.get(key);
    if (known !== undefined) return known;
    const text = make(columns);
    if (texts.size >= maxTexts) texts.clear();
    texts.set(key, text);
    return text;
  };
}
