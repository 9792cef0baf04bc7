// The user's pool, made safe to work on.
//
// Every connection gets an "error" listener before anything else, every statement has a deadline of the application's own, and
// a connection of which anything is in doubt is destroyed, never given back. MySQL has no settings that end with a transaction,
// so the store works only on *lanes*: connections that it keeps, with settings of its own, and destroys in the end.
//
// Three ways to work:
//   read, write   one statement, which is its own transaction
//   transaction   a script between START TRANSACTION and COMMIT
//   flush         the same on a lane whose transactions begin by themselves, which spares a round trip; claims and flushes have
//                 these for themselves, so that nobody who waits for a lock holds them up
//
// After any error inside a transaction it is rolled back and the connection destroyed: a lock wait that timed out has undone
// only its statement, and a COMMIT would keep the half before it (D8).
import type { Pool as CallbackPool, PoolConnection, QueryOptions } from "mysql2";
import type { Pool } from "mysql2/promise";
import { StoreUnavailableError } from "../../core/errors.ts";
import type { Log } from "../../core/ports.ts";
import { type Row, runScript, type Script, type Statement } from "../../core/script.ts";
import { Lanes } from "../server/lanes.ts";
import { DeadlineError, leavesSessionSound, type Stage, storeError } from "./errors.ts";
import { inlined } from "./values.ts";

export type AnyPool = Pool | CallbackPool;

export interface ConnectionOptions {
  readonly deadlineMs: number;
  /** How long a statement waits for a lock before it is rolled back. Whole seconds, as the server counts. */
  readonly lockTimeoutMs: number;
  readonly flushLaneCount: number;
  readonly otherLaneCount: number;
  readonly log: Log;
}

/** Thrown by a script to undo all it did and answer with `value` all the same. */
export class RollBack<T> extends Error {
  readonly value: T;
  constructor(value: T) {
    super("rolled back on purpose");
    this.value = value;
  }
}

/** Sends one statement and answers with its rows; none for one that has none. */
export type Send = (sql: string) => Promise<readonly Row[]>;

export class Connections {
  readonly #pool: CallbackPool;
  readonly #options: ConnectionOptions;
  readonly #watched = new WeakSet<PoolConnection>();
  /** Known to have broken while nothing was under way: what would be sent now, is not. */
  readonly #broken = new WeakSet<PoolConnection>();
  readonly #flushing: Lanes<PoolConnection>;
  readonly #others: Lanes<PoolConnection>;
  #isClosed = false;

  constructor(pool: AnyPool, options: ConnectionOptions) {
    // A promise pool is a shell around the other.
    this.#pool = "pool" in pool ? (pool.pool as unknown as CallbackPool) : pool;
    this.#options = options;
    const isSound = (lane: PoolConnection): boolean => !this.#broken.has(lane);
    const destroy = (lane: PoolConnection): void => lane.destroy();
    this.#flushing = new Lanes(options.flushLaneCount, { open: () => this.#openLane(true), isSound, destroy });
    this.#others = new Lanes(options.otherLaneCount, { open: () => this.#openLane(false), isSound, destroy });
  }

  /** Undefined: of a pool that does not tell; 0: without limit. */
  get connectionLimit(): number | undefined {
    return (this.#pool as { readonly config?: { readonly connectionLimit?: number } }).config?.connectionLimit;
  }

  read(statement: Statement): Promise<readonly Row[]> {
    return this.#alone(statement, "before-commit");
  }

  write(statement: Statement): Promise<readonly Row[]> {
    return this.#alone(statement, "committing-statement");
  }

  transaction<T>(makeScript: () => Script<T>): Promise<T> {
    return this.#transact(this.#others, ["START TRANSACTION"], makeScript);
  }

  flush<T>(makeScript: () => Script<T>): Promise<T> {
    return this.#transact(this.#flushing, [], makeScript);
  }

  /** A connection for `use` alone, destroyed afterwards: for what a lane cannot do, such as a migration. */
  async session<T>(deadlineMs: number, use: (send: Send) => Promise<T>): Promise<T> {
    const connection = await this.#checkOut();
    try {
      return await use((sql) => this.#send(connection, sql, deadlineMs));
    } catch (error) {
      throw storeError(error, "committing-statement");
    } finally {
      connection.destroy();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#flushing.close();
    this.#others.close();
  }

  async #transact<T>(lanes: Lanes<PoolConnection>, begin: readonly string[], makeScript: () => Script<T>): Promise<T> {
    const lane = await lanes.take();
    const send = (sql: string): Promise<readonly Row[]> => this.#send(lane, sql, this.#options.deadlineMs);
    let stage: Stage = "before-commit";
    try {
      for (const sql of begin) await send(sql);
      const value = await runScript(makeScript(), ({ sql, parameters }) => send(inlined(sql, parameters)));
      stage = "commit";
      await send("COMMIT");
      lanes.give(lane, true);
      return value;
    } catch (error) {
      // Whoever tries another way must not meet the locks of this one: hence the answer to ROLLBACK is waited for.
      const isOnPurpose = error instanceof RollBack;
      const isRolledBack = !isCutOff(error) && (await this.#answers(lane, "ROLLBACK"));
      lanes.give(lane, isOnPurpose && isRolledBack);
      if (isOnPurpose) return error.value as T;
      throw storeError(error, stage);
    }
  }

  async #alone({ sql, parameters }: Statement, stage: Stage): Promise<readonly Row[]> {
    const lane = await this.#others.take();
    try {
      const rows = await this.#send(lane, inlined(sql, parameters), this.#options.deadlineMs);
      this.#others.give(lane, true);
      return rows;
    } catch (error) {
      this.#others.give(lane, leavesSessionSound(error));
      throw storeError(error, stage);
    }
  }

  #send(connection: PoolConnection, sql: string, deadlineMs: number): Promise<readonly Row[]> {
    if (this.#broken.has(connection))
      return Promise.reject(new StoreUnavailableError("The connection to MySQL broke", {}));
    return within(query(connection, sql), deadlineMs);
  }

  async #answers(connection: PoolConnection, sql: string): Promise<boolean> {
    try {
      await this.#send(connection, sql, this.#options.deadlineMs);
      return true;
    } catch {
      return false;
    }
  }

  async #openLane(isForFlushes: boolean): Promise<PoolConnection> {
    const lane = await this.#checkOut();
    try {
      for (const sql of laneSettings(this.#options, isForFlushes))
        await this.#send(lane, sql, this.#options.deadlineMs);
      return lane;
    } catch (error) {
      lane.destroy();
      throw storeError(error, "before-commit");
    }
  }

  async #checkOut(): Promise<PoolConnection> {
    if (this.#isClosed) throw new StoreUnavailableError("The store is closed", {});
    const connecting = new Promise<PoolConnection>((resolve, reject) =>
      this.#pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection))),
    );
    try {
      const connection = await within(connecting, this.#options.deadlineMs);
      this.#watch(connection);
      return connection;
    } catch (error) {
      if (error instanceof DeadlineError)
        connecting.then(
          (late) => late.release(),
          () => undefined,
        );
      throw storeError(error, "before-commit");
    }
  }

  #watch(connection: PoolConnection): void {
    if (this.#watched.has(connection)) return;
    this.#watched.add(connection);
    connection.on("error", (error: Error) => {
      this.#broken.add(connection);
      this.#options.log.debug({ err: error }, "a connection to MySQL broke");
    });
    connection.on("end", () => this.#broken.add(connection));
  }
}

/** Nobody is there to hear a ROLLBACK; the server rolls back when it notices. */
const isCutOff = (error: unknown): boolean =>
  error instanceof DeadlineError || (isDriverError(error) && !leavesSessionSound(error));
const isDriverError = (error: unknown): boolean =>
  typeof (error as { readonly fatal?: unknown }).fatal === "boolean" ||
  typeof (error as { readonly errno?: unknown }).errno === "number";

/** Without these a value that does not fit would be cut to size, and a transaction see what it saw at its start. */
const strict = "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";

/**
 * `/*M!` is read by MariaDB alone, `/*!80001` by MySQL alone. A process that is frozen inside a transaction must not hold its
 * locks for ever: MariaDB ends a transaction that is idle, MySQL only a session.
 */
function laneSettings({ deadlineMs, lockTimeoutMs }: ConnectionOptions, isForFlushes: boolean): readonly string[] {
  const deadlineSeconds = Math.ceil(deadlineMs / 1_000);
  return [
    "SET NAMES utf8mb4",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    `SET SESSION sql_mode = ${strict}, SESSION innodb_lock_wait_timeout = ${Math.ceil(lockTimeoutMs / 1_000)}
       /*M!100600 , SESSION max_statement_time = ${deadlineSeconds}, SESSION idle_transaction_timeout = ${deadlineSeconds} */
       /*!80001 , SESSION wait_timeout = ${deadlineSeconds + 60} */`,
    `SET SESSION autocommit = ${isForFlushes ? 0 : 1}`,
  ];
}

/** Columns as bytes where the pool changes them: `typeCast` of the pool would otherwise come before that of the statement. */
const asBytes = (field: { buffer(): Buffer | null }): Buffer | null => field.buffer();

function query(connection: PoolConnection, sql: string): Promise<readonly Row[]> {
  const { config } = connection as { readonly config?: { readonly typeCast?: unknown } };
  const options = {
    sql,
    rowsAsArray: false,
    nestTables: false,
    typeCast: typeof config?.typeCast === "function" || config?.typeCast === false ? asBytes : true,
  } as unknown as QueryOptions;
  return new Promise((resolve, reject) =>
    connection.query(options, (error, result) =>
      error ? reject(error) : resolve(Array.isArray(result) ? (result as readonly Row[]) : []),
    ),
  );
}

function within<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DeadlineError(deadlineMs)), deadlineMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
