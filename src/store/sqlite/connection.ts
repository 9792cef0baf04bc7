// The store's one connection. node:sqlite is synchronous: a transaction begins, works and commits within one turn of the
// event loop, so that calls of this process never meet inside one. Other connections, of this process or another, are kept
// out by BEGIN IMMEDIATE: SQLite has one writer. Who comes second waits a few milliseconds inside SQLite, where it blocks
// this process, and then here, where it does not (D4), until `conflictAfterMs`.
//
// Within a write transaction a row that was read cannot change before the commit. That is the fence's lock.
import { existsSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { StoreConflictError, StoreUnavailableError } from "../../core/errors.ts";
import { type Row, runScriptSync, type Script, type Statement } from "../../core/script.ts";
import { failureBeforeCommit, failureOfCommit, spoilsConnection } from "./failures.ts";
import type { Moment } from "./moment.ts";
import { assertDurable, checkLocation, checkSqliteVersion, memory, pragmas } from "./suitability.ts";

export type Values = readonly SQLInputValue[];
export type Tuple = readonly SQLOutputValue[];

/** What work inside a transaction may do. Statements are prepared once and kept. */
export interface Sql {
  /** Returns how many rows it changed. */
  run(sql: string, values: Values): number;
  rows(sql: string, values: Values): readonly Row[];
  /** The first row by position: a third of the cost of an object. */
  tuple(sql: string, values: Values): Tuple | undefined;
  script<T>(script: Script<T>): T;
  /** Several statements, each run once: a migration. */
  execute(sql: string): void;
}

export interface ConnectionSettings {
  readonly path: string;
  readonly moment: () => Moment;
  readonly busyTimeoutMs: number;
  readonly conflictAfterMs: number;
}

type Work<T> = (sql: Sql, moment: Moment) => T;
const maxPauseMs = 40;

export class Connection {
  readonly path: string;
  readonly #settings: ConnectionSettings;
  #open: OpenDatabase | null = null;
  /** False before open() and after close(); a connection dropped after an error is opened again by the next call. */
  #isWanted = false;
  #opening: Promise<void> | null = null;

  constructor(settings: ConnectionSettings) {
    this.path = settings.path;
    this.#settings = settings;
  }

  /** Nothing if it is open. */
  open(): Promise<void> {
    this.#opening ??= this.#openFirst().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #openFirst(): Promise<void> {
    if (this.#isWanted) return;
    checkSqliteVersion(process.versions.sqlite);
    checkLocation(this.path);
    this.#open = await this.#patiently(() => this.#openDatabase());
    this.#isWanted = true;
  }

  close(): void {
    this.#isWanted = false;
    this.#drop();
  }

  /** Resolves after the commit. Rejects as the port says. */
  write<T>(work: Work<T>): Promise<T> {
    return this.#patiently(() => this.#transact("BEGIN IMMEDIATE", work));
  }

  /** One snapshot for all that `work` reads. */
  read<T>(work: Work<T>): Promise<T> {
    return this.#patiently(() => this.#transact("BEGIN", work));
  }

  async #patiently<T>(attempt: () => T): Promise<T> {
    const startedAt = performance.now();
    for (let tried = 1; ; tried++) {
      try {
        return attempt();
      } catch (error) {
        if (!(error instanceof StoreConflictError) || performance.now() - startedAt >= this.#settings.conflictAfterMs)
          throw error;
      }
      await wait(Math.random() * Math.min(maxPauseMs, 2 ** tried));
    }
  }

  #transact<T>(begin: string, work: Work<T>): T {
    const database = this.#reopened();
    let result: T;
    try {
      database.run(begin, none);
      result = work(database, this.#settings.moment());
    } catch (error) {
      this.#rollBack(database, error);
      throw failureBeforeCommit(error, this.path);
    }
    try {
      database.run("COMMIT", none);
    } catch (error) {
      this.#rollBack(database, error);
      throw failureOfCommit(error, this.path);
    }
    return result;
  }

  /** SQLite itself rolls back after some errors, and not after others. */
  #rollBack(database: OpenDatabase, cause: unknown): void {
    try {
      if (database.isInTransaction) database.run("ROLLBACK", none);
    } catch {
      this.#drop();
    }
    // Closing a database in memory would lose it.
    if (spoilsConnection(cause) && this.path !== memory) this.#drop();
  }

  #reopened(): OpenDatabase {
    if (!this.#isWanted)
      throw new StoreUnavailableError(`The store on ${this.path} is closed: open it first`, { path: this.path });
    if (this.#open !== null) return this.#open;
    // SQLite would make a new, empty database.
    if (!existsSync(this.path))
      throw new StoreUnavailableError(`${this.path} is gone: it was there when the store opened`, { path: this.path });
    this.#open = this.#openDatabase();
    return this.#open;
  }

  #openDatabase(): OpenDatabase {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(this.path, { timeout: this.#settings.busyTimeoutMs });
      for (const pragma of pragmas) database.exec(pragma);
      assertDurable(database, this.path);
      return new OpenDatabase(database);
    } catch (error) {
      database?.close();
      throw failureBeforeCommit(error, this.path);
    }
  }

  #drop(): void {
    const database = this.#open;
    this.#open = null;
    try {
      database?.close();
    } catch {
      // It was dropped because it fails.
    }
  }
}

const none: Values = [];

class OpenDatabase implements Sql {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #tuples = new Map<string, StatementSync>();
  readonly #query = ({ sql, parameters }: Statement): readonly Row[] => this.rows(sql, parameters as Values);

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get isInTransaction(): boolean {
    return this.#database.isTransaction;
  }

  run(sql: string, values: Values): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  rows(sql: string, values: Values): readonly Row[] {
    return this.#prepared(sql).all(...values);
  }

  tuple(sql: string, values: Values): Tuple | undefined {
    let statement = this.#tuples.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      statement.setReturnArrays(true);
      this.#tuples.set(sql, statement);
    }
    // The types know of objects only.
    return statement.get(...values) as unknown as Tuple | undefined;
  }

  script<T>(script: Script<T>): T {
    return runScriptSync(script, this.#query);
  }

  execute(sql: string): void {
    this.#database.exec(sql);
  }

  close(): void {
    this.#database.close();
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
