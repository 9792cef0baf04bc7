// What a program holds of a state machine.

import type { Duration } from "../../core/duration.ts";
import type { Checked, Columns, EventOf, Guard, StateOf, States, Top, Within } from "../../core/machine/spec.ts";
import type { XStateConfig } from "../../core/machine/xstate.ts";
import type { Answer, Mode } from "../../core/participant.ts";
import type { RowId } from "../parse-row.ts";
import type { MachineApp } from "./drive.ts";

export interface MachineOptions<S extends States> {
  /** The user's table: "orders", or "shop.orders" with its schema. Named as the database has it. */
  readonly table: string;
  /** The column of its primary key. Default "id". Numbers and texts; what a row is called in the history is its text. */
  readonly id?: string;
  /** A column of text that holds the state: "paid", or "paid.picking" of a state with sub-states. Default "state". */
  readonly state?: string;
  /** A column of whole numbers, raised by one with every move. Default: none. With it a move can also demand a version. */
  readonly version?: string;
  /** The state in which a row is inserted. */
  readonly initial: Top<S>;
  readonly states: S & Checked<S>;
  /** Conditions that events name. Pure and synchronous. */
  readonly guards?: { readonly [name: string]: Guard };
  /** Whether the history also keeps events that were refused as illegal, or by a guard. Default `forget`. */
  readonly refusals?: "record" | "forget";
  /** Who moves, where a call does not say. At most 255 characters. */
  readonly by?: string | (() => string);
}

/** The row as the caller saw it. Without `state` the move starts from whatever state the row is in. */
export interface MachineRow<At> {
  readonly id: RowId;
  readonly state?: At;
  /** Demands that nothing else was written since, if the machine has a version column. */
  readonly version?: number | bigint | undefined;
}

export interface MoveOptions {
  /** Who. At most 255 characters. Default: the machine's `by`. */
  readonly by?: string;
  /** Why. At most 2 000 characters. */
  readonly reason?: string;
  /**
   * The event's own id, such as a message's: taken once per row. Whatever became of its first delivery, the second is a
   * duplicate. 1 … 255 bytes. An event that was refused counts as delivered only where refusals are recorded.
   */
  readonly eventId?: string;
  /** Handed to guards and to `entry`. */
  readonly payload?: unknown;
  /** More columns to write in the same update. Values go to the client as they are. */
  readonly set?: Columns;
}

/** What became of the first delivery of an event. */
export interface FirstDelivery<St> {
  readonly outcome: "moved" | "illegal" | "guarded";
  readonly from: St;
  /** Null if it was refused. */
  readonly to: St | null;
  readonly at: Date;
}

/** The first delivery of an event with an id moved the row, or was refused and recorded. */
export type Duplicate<St> = { readonly kind: "duplicate"; readonly first: FirstDelivery<St> };

export type MoveRefused<St> =
  /** No such event in the state that the row is in. */
  | { readonly kind: "illegal"; readonly actual: St; readonly legal: readonly string[] }
  /** The event is legal there, but its guard said no. */
  | { readonly kind: "guarded"; readonly actual: St; readonly guard: string }
  /** The row is no longer as the caller saw it: in another state, or of another version. */
  | { readonly kind: "stale"; readonly actual: St; readonly version: number | null }
  /** There is no such row. */
  | { readonly kind: "missing" };

export type MoveResult<St> =
  /** `seq`: of this move in the history; it grows within a row. */
  | { readonly kind: "moved"; readonly from: St; readonly to: St; readonly seq: number }
  | Duplicate<St>
  | MoveRefused<St>;

/** One line of a row's history. */
export interface HistoryEntry<St> {
  readonly seq: number;
  /** `illegal`, `guarded`: refused and recorded. `migrated`: by `migrateRows`. `override`: past the trigger, by an administrator. */
  readonly outcome: "moved" | "illegal" | "guarded" | "migrated" | "override";
  /** Null where no event did it. */
  readonly event: string | null;
  /** Of rows that were migrated: a state that the machine may not know any more. */
  readonly from: St | (string & {}) | null;
  readonly to: St | (string & {}) | null;
  readonly eventId: string | null;
  readonly by: string | null;
  readonly reason: string | null;
  /** By the database's clock. */
  readonly at: Date;
}

/** The states of the rows that are there. */
export interface TableCheck {
  readonly rowCount: number;
  /** States that the machine does not know, with how many rows are in each. Empty: all is well. */
  readonly unknown: readonly { readonly state: string | null; readonly count: number }[];
}

export interface MigrateOptions {
  readonly by?: string;
  readonly reason?: string;
  /** Rows a transaction, 1 … 10 000. Default 500. */
  readonly batch?: number;
}

export interface PruneHistoryOptions {
  /** Lines are kept for so long, at least. 1 minute … 10 years. */
  readonly keep: Duration;
  /** Lines looked at in one transaction, 1 … 10 000. Default 500. */
  readonly batch?: number;
  /** Ends the pruning after the batch that is under way. */
  readonly signal?: AbortSignal;
}

/** A state machine over the rows of one table. `M`: on a synchronous client its answers are no promises. */
export interface Machine<S extends States, Tx, M extends Mode = Mode> {
  readonly name: string;
  /** Every state that a row can be in. */
  readonly states: readonly StateOf<S>[];
  /** What to insert a row with. */
  readonly initial: StateOf<S>;
  /** @throws STATE_UNKNOWN for what is no state of this machine. */
  parse(value: unknown): StateOf<S>;
  /** Whether the state is that one, or one of its sub-states. */
  is<K extends StateOf<S> | Top<S>>(state: StateOf<S>, name: K): state is Within<S, K>;
  /** The events that are legal in a state, guards aside. */
  eventsOf<At extends StateOf<S>>(state: At): readonly EventOf<S, At>[];

  /**
   * Moves the row by an event: compare, set, and the row of the history, in the caller's transaction. All of it takes
   * effect with that transaction's commit, or nothing does. Answers the state that the row is in afterwards.
   *
   * @throws TRANSITION_ILLEGAL, GUARD_REFUSED, STATE_STALE, ROW_MISSING; nothing was changed then. EVENT_ID_REUSED if the
   *   id came with another event before. STATE_UNKNOWN if the row holds a text that is no state. A repeated event answers,
   *   or throws, what its first delivery did. OPTION_INVALID for what can be no argument, before the database is asked.
   */
  move<At extends StateOf<S>>(
    tx: Tx,
    row: MachineRow<At>,
    event: EventOf<S, At>,
    options?: MoveOptions,
  ): Answer<M, StateOf<S>>;
  /**
   * As `move`, with refusals as values. Throws only OPTION_INVALID, EVENT_ID_REUSED, STATE_UNKNOWN and what the database
   * throws.
   */
  tryMove<At extends StateOf<S>>(
    tx: Tx,
    row: MachineRow<At>,
    event: EventOf<S, At>,
    options?: MoveOptions,
  ): Answer<M, MoveResult<StateOf<S>>>;
  /** Who moved the row, when and why; oldest first, at most `limit` (default 1 000) of them. */
  history(tx: Tx, id: RowId, options?: { readonly limit?: number }): Answer<M, readonly HistoryEntry<StateOf<S>>[]>;

  /**
   * Lets the states' work be done: registers its jobs with the app, and from here on a move into such a state starts its
   * job, in the commit of the move. When the job has completed, its row is sent the event `done`; when it ended otherwise,
   * `failed`. What a row has left meanwhile is sent nothing. Await it in every process that moves rows, before `app.run()`
   * in those that work: until then a move into a state with work throws OPTION_INVALID.
   *
   * From a participant in another database than the engine's the start goes through its outbox: it is a message in the
   * commit of the move, and the job exists when a process that runs has relayed it.
   *
   * @throws OPTION_INVALID where the participant is in another database, and `makegood({ participants })` does not name it;
   *   JOB_DUPLICATE for a second machine of that name.
   */
  drive(app: MachineApp): Promise<void>;

  /** Counts rows in states that the machine does not know. */
  check(tx: Tx): Answer<M, TableCheck>;
  /**
   * Moves all rows of the given states, each batch in a transaction of its own, with a row of the history each. Stopped in
   * the middle, it goes on when called again. Answers how many rows were moved by this call.
   *
   * @throws STATE_UNMAPPED, and moves nothing, if rows are in an unknown state that has no mapping. OPTION_INVALID.
   */
  migrateRows(map: { readonly [from: string]: StateOf<S> | Top<S> }, options?: MigrateOptions): Promise<number>;

  /**
   * Deletes lines of this machine's history that are older than `keep`, by the database's clock, and answers how many. Of each
   * row its last move stays, however old it is, and what came after it; of a row that is gone too. Walks the whole history
   * once, in batches, each a commit of its own; idempotent, and safe beside movers and from several processes at once.
   *
   * With its line an event's id is forgotten: delivered once more, it is a new event.
   *
   * @throws OPTION_INVALID, PARTICIPANT_NOT_MIGRATED.
   */
  pruneHistory(options: PruneHistoryOptions): Promise<number>;

  /** Statements that make the database itself refuse what is no edge of this machine, whatever client asks. For a migration of yours. */
  triggerSql(): readonly string[];
  /** Statements that take the triggers away. */
  dropTriggerSql(): readonly string[];
  /** Runs `triggerSql()` in a transaction of its own, where the database knows such for DDL. Safe twice. */
  installTrigger(): Promise<void>;

  /** For Mermaid: a `stateDiagram-v2`. */
  toMermaid(): string;
  /** For XState 5: the config of `createMachine`, as plain JSON. Guards by name. */
  toXState(): XStateConfig;
}
