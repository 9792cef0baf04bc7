// A participant is one of the user's databases, with the type of its transaction. The user sees `Participant`; the engine
// sees `ParticipantPort` below, which hides client, dialect and mode.

import type { Stored } from "./codec.ts";
import type { Duration } from "./duration.ts";
import type { HeldLock, LockOptions, LockOutcome } from "./lock.ts";
import type { PublishOptions, Topic } from "./message.ts";
import type { OutboxPort } from "./outbox.ts";
import type { Row, Script } from "./script.ts";
import type { StepIdentity } from "./step-headers.ts";
import type { Dialect, WriteOutcome } from "./store.ts";

export type Awaitable<T> = T | PromiseLike<T>;
/** `sync`: node:sqlite and better-sqlite3, where an `await` inside the transaction would let other code into it. */
export type Mode = "async" | "sync";

/** What a call inside the caller's transaction gives: its answer on a synchronous client, else a promise of it. */
export type Answer<M extends Mode, T> = M extends "sync" ? T : Promise<T>;
/** What the caller's function may give there. */
export type BodyResult<M extends Mode, R> = M extends "sync" ? R : Awaitable<R>;

/** Refuses what returns a promise, or may, on a synchronous client. What returns `any` is judged at run time. */
type NotLate<M extends Mode, R> = M extends "async"
  ? unknown
  : 0 extends 1 & R
    ? unknown
    : [Extract<R, PromiseLike<unknown>>] extends [never]
      ? unknown
      : "must be synchronous on this participant";

/** Which effect it is that may happen once. */
export interface OnceRequest {
  /** Whose key it is: the operation's name, and the tenant's where keys are chosen by tenants. 1 to 255 bytes in UTF-8. */
  readonly scope: string;
  /** The caller's name for the intent, such as the order's id; never a random one. 1 to 255 bytes in UTF-8. */
  readonly key: string;
  /** What the effect is made of. Its fingerprint is stored, and another input under the same key is an error. */
  readonly input?: unknown;
  /**
   * Another transaction with this key is open. `wait` (default): waits for its end, as long as the database's own lock timeout
   * allows. `refuse`: throws KEY_IN_PROGRESS at once.
   */
  readonly ifBusy?: "wait" | "refuse";
  /** How long the key is remembered, at least. Default 90 days, 1 minute … 10 years. */
  readonly retention?: Duration;
}

/** The few lines that teach a participant one client or ORM. */
export interface TxAdapter<Tx, M extends Mode = Mode> {
  readonly mode: M;
  readonly dialect: Dialect;
  /** Begins, runs the body, commits; rolls back and rethrows what the body throws. Nothing else may run on that connection meanwhile. */
  transaction<R>(body: (tx: Tx) => M extends "sync" ? R : Awaitable<R>): M extends "sync" ? R : Promise<R>;
  /**
   * Throws TRANSACTION_REQUIRED for what is no open transaction of this client, such as its pool: a statement there would
   * commit on its own. Called before each operation in a transaction of the caller's. Without it anything passes.
   */
  readonly assertTransaction?: (tx: unknown) => M extends "sync" ? void : Awaitable<void>;
  /**
   * Runs one statement as a transaction of its own, acknowledged after its commit: one round trip in place of three.
   * Optional; without it `transaction` is used.
   */
  readonly statement?: (
    sql: string,
    parameters: readonly unknown[],
  ) => M extends "sync" ? readonly Row[] : Promise<readonly Row[]>;
  /**
   * Whether the transaction that this body was handed has begun, as far as can be told; asked after the body failed. For
   * clients that send BEGIN with the first statement: a connection that was dead before is a failure of BEGIN, not of the
   * body. Without it, the transaction has begun when the body is called.
   */
  readonly hasBegun?: (tx: unknown) => boolean;
  /**
   * Runs one INSERT, UPDATE or DELETE inside the transaction, and says how many rows it changed. Optional, of synchronous
   * clients; without it `query` is given the statement with RETURNING, whose rows cost SQLite as much as a small write.
   */
  change?(tx: Tx, sql: string, parameters: readonly unknown[]): M extends "sync" ? number : never;
  /**
   * Runs one statement inside the transaction. Placeholders are the dialect's own ($1 … on PostgreSQL, ? elsewhere). Bytes
   * go in and come out as Uint8Array, whole numbers up to 2^53 come out as numbers. A statement without a result set gives
   * no rows; of dialect mysql, which has no RETURNING that all its servers know, it gives one row, an `AffectedRow`.
   *
   * `isLast`: if it succeeds nothing follows but COMMIT, and its rows are not needed; a client may send both at once.
   */
  query(
    tx: Tx,
    sql: string,
    parameters: readonly unknown[],
    isLast?: boolean,
  ): M extends "sync" ? readonly Row[] : Promise<readonly Row[]>;
}

/** What dialect mysql tells of a statement without a result set. */
export interface AffectedRow extends Row {
  /**
   * Rows inserted or deleted; of an UPDATE those that it found, or only those that it changed: clients differ (mysql2 counts
   * the found ones by its flag FOUND_ROWS). So let each UPDATE whose count is read change something.
   */
  readonly affectedRows: number;
  /** Of AUTO_INCREMENT or `LAST_INSERT_ID(…)`; 0 where there was none. Beyond 2^53 a string of digits. */
  readonly insertId: number | string;
}

/** The barrier row's name for one branch of one execution: DTM's columns, so that any process can honor it. */
export interface BarrierMark {
  /** The execution's id. */
  readonly gid: string;
  /** The step, as in the journal: name, or name + ":" + id. */
  readonly branch: string;
  readonly round: number;
}

export type Began<T> =
  | T
  /** The body threw: rolled back for certain. */
  | { readonly kind: "threw"; readonly error: unknown }
  /** The transaction could not begin, or the database ended it before COMMIT was sent: nothing happened. */
  | { readonly kind: "unavailable"; readonly error: unknown }
  /** COMMIT was sent and its outcome is not known. */
  | { readonly kind: "unknown"; readonly error: unknown };

export interface ParticipantPort {
  readonly name: string;
  readonly mode: Mode;
  readonly dialect: Dialect;
  /** Runs a read-only script in a transaction of its own; to learn whether this is the engine's own database. */
  ask<T>(script: Script<T>): Promise<T>;
  /** The engine's own database: body, then `seal` with what it returned, in one commit. Rolled back unless the seal says done. */
  own<R>(
    body: (tx: unknown) => Awaitable<R>,
    seal: (result: R) => Script<WriteOutcome["kind"]>,
  ): Promise<
    Began<
      | { readonly kind: "committed"; readonly result: R }
      | { readonly kind: "sealed-out"; readonly outcome: WriteOutcome["kind"] }
    >
  >;
  /**
   * Another database: barrier row (op `action` or `try`), effect and its encoded result in one commit.
   * `stored`: it took effect before, with this result. `blocked`: its undo came first; I am a zombie.
   */
  act(
    mark: BarrierMark,
    op: "action" | "try",
    body: (tx: unknown) => Awaitable<Uint8Array | null>,
  ): Promise<
    Began<
      | { readonly kind: "ran"; readonly result: Uint8Array | null }
      | { readonly kind: "stored"; readonly result: Uint8Array | null }
      | { readonly kind: "blocked" }
    >
  >;
  /** Undo of `action` by `compensation`, or of `try` by `cancel`. `empty`: the action never came, and now never will. `already`: undone before. */
  undo(
    mark: BarrierMark,
    op: "compensation" | "cancel",
    body: (tx: unknown, result: Uint8Array | null) => Awaitable<void>,
  ): Promise<Began<{ readonly kind: "undone" | "empty" | "already" }>>;
  /** Once, after its try. `missing`: there is no try to confirm. */
  confirm(
    mark: BarrierMark,
    body: (tx: unknown, result: Uint8Array | null) => Awaitable<void>,
  ): Promise<Began<{ readonly kind: "confirmed" | "already" | "missing" }>>;
  /** For the relay, and for starts from here. */
  readonly outbox: OutboxPort;
}

/** What came of a call behind the barrier. */
export type BarrierOutcome<R> =
  /** The effect ran now, and commits with the caller's transaction. */
  | { readonly kind: "done"; readonly result: R }
  /** It ran before, and gave this. */
  | { readonly kind: "repeated"; readonly result: R }
  /** An action or try whose undo came first: nothing was done, and nothing may be. Nobody waits for this call any more: answer 409. */
  | { readonly kind: "blocked" }
  /** An undo whose action or try never came: nothing was done, and the action is blocked from now on. Answer as after an undo. */
  | { readonly kind: "empty" };
/** An update that is made only if the row is still of the version that the caller read. */
export interface VersionedChange {
  /** "account", or "bank.account" with its schema. Named as the database has it, like all names here. */
  readonly table: string;
  /** Of its primary key: a number, or a text of at most 255 bytes. */
  readonly id: string | number | bigint;
  /** What the caller read. */
  readonly version: number | bigint;
  /** Columns and what is written there; values go to the client as they are. The version is raised by one besides. */
  readonly set: Readonly<Record<string, unknown>>;
  /** The names of two columns. Default "id" and "version", a column of whole numbers. */
  readonly columns?: { readonly id?: string; readonly version?: string };
  /**
   * Names the intent, such as the id of the withdrawal: 1 … 255 bytes, taken once per row. With it a repeat is told
   * `already`, whatever version it brings and whoever has written since.
   */
  readonly key?: string;
}

/** What became of it. */
export type VersionedUpdate =
  /** Made; the row is now of this version. */
  | { readonly kind: "updated"; readonly version: number }
  /** Another update came first, and the row is of this version. Nothing was changed: read again, decide again. */
  | { readonly kind: "stale"; readonly version: number }
  /** There is no such row. */
  | { readonly kind: "missing" };

/** This very intent was carried out before, and made this version then. Nothing was changed now. */
export interface AlreadyUpdated {
  readonly kind: "already";
  readonly version: number;
}

declare const txType: unique symbol;

/** One of the user's databases. Made with `participant(name, adapter)`. */
export interface Participant<Tx, M extends Mode = Mode> {
  readonly name: string;
  readonly mode: M;
  readonly [txType]?: (tx: Tx) => Tx;
  /**
   * Updates one row if it is still of the version that the caller read, and raises its version: of two that read the same,
   * one writes. One statement; with a `key` three, and its record is kept with the change in one commit. `already` is
   * answered only where there is a key: without one, the same values written by somebody else could not be told apart.
   *
   * @throws OPTION_INVALID; PARTICIPANT_NOT_MIGRATED where a key is given.
   */
  updateVersioned(
    tx: Tx,
    change: VersionedChange & { readonly key: string },
  ): Answer<M, VersionedUpdate | AlreadyUpdated>;
  updateVersioned(tx: Tx, change: VersionedChange & { readonly key?: undefined }): Answer<M, VersionedUpdate>;
  /**
   * Runs the effect once for each (scope, key), and gives every later call the stored answer of the first. The record is
   * written in `tx`, so it commits and rolls back with the effect: there is no moment at which one of them exists alone.
   *
   * The answer is the decoded copy of what was stored, in the first call too. Throws KEY_INPUT_MISMATCH for another input
   * under the same key, KEY_IN_PROGRESS where another transaction is at it (see `ifBusy`), STORE_CONFLICT where the database
   * gave up waiting: then roll back and repeat the whole transaction. What the effect throws is thrown, and no record stays;
   * so it does for an answer that cannot be stored (VALUE_UNSUPPORTED, VALUE_TOO_LARGE: `limits.maxResultBytes`).
   */
  once<R>(tx: Tx, by: OnceRequest, effect: (() => BodyResult<M, R>) & NotLate<M, R>): Answer<M, Stored<Awaited<R>>>;
  /** Creates or updates the participant's tables. Safe twice and from several processes at once. */
  migrate(): Promise<void>;
  /**
   * For a service that a step calls: does the effect of this call once, in the caller's transaction, whatever order its
   * action and its undo arrive in, and however often. The effect of an undo or a confirm is given the result of the action
   * or try. Throws what the effect throws, after taking the barrier's row back: then roll back, and the call may be
   * repeated. Throws OPTION_INVALID or STEP_NAME_INVALID for a call that `fromHeaders` did not make; TRY_MISSING,
   * TRANSACTION_REQUIRED, PARTICIPANT_NOT_MIGRATED, VALUE_UNSUPPORTED and VALUE_TOO_LARGE (of the result), and the database's
   * own errors. A concurrent call of the same step waits for this transaction's end.
   *
   * One barrier for each call and database: a second one of the same call would be taken for its repeat.
   */
  barrier<R>(
    tx: Tx,
    call: StepIdentity,
    effect: (origin: unknown) => BodyResult<M, R>,
  ): Answer<M, BarrierOutcome<Stored<Awaited<R>>>>;
  /**
   * Runs the function while holding the lock `name`, a row of this database: over processes, with renewal and a fencing
   * token. Resolves after the release, with `not-acquired` if another held it for as long as `wait`. Rejects with what the
   * function throws, and with LOCK_LOST if the lease was lost before it ended. Throws OPTION_INVALID and
   * PARTICIPANT_NOT_MIGRATED. After a crash of the holder the lock is free when its lease ends.
   */
  lock<R>(name: string, options: LockOptions, run: (lock: HeldLock) => Awaitable<R>): Promise<LockOutcome<R>>;
  /**
   * Announces something in the caller's transaction: the message leaves if and only if that commits, and then certainly, to
   * every job that subscribes with `onMessage`. One INSERT. Gives the message's id.
   *
   * Throws before it touches the database: INPUT_INVALID (the payload does not satisfy the topic's schema), VALUE_UNSUPPORTED,
   * VALUE_TOO_LARGE (`maxSignalBytes`), OPTION_INVALID, TRANSACTION_REQUIRED. Throws MESSAGE_ID_REUSED for an id that was
   * published with another payload. Called again with the same id and payload it changes nothing.
   */
  publish<I>(tx: Tx, to: Topic<I, unknown>, payload: NoInfer<I>, options?: PublishOptions): Answer<M, string>;
  /**
   * Takes back, in the caller's transaction, the messages that were published with this `cancelKey` and that no relay has
   * claimed. Gives how many; 0: none was there, or they are delivered or on their way.
   */
  cancelMessages(tx: Tx, cancelKey: string): Answer<M, number>;
  /** For the engine. */
  readonly port: ParticipantPort;
  /** Runs a script inside a transaction that the caller holds. For `app.start(…, { in: [participant, tx] })`. */
  runIn<T>(tx: Tx, script: Script<T>): Promise<T>;
}
