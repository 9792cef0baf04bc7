// The user's pool, made safe to work on.
//
// pg waits for ever by default and kills the process when an idle connection breaks (D13, D14). Here every pool and every
// connection gets an "error" listener before anything else, every statement has a deadline of the application's own, and a
// connection of which anything is in doubt is destroyed, never given back.
//
// Three ways to work:
//   read, write   one statement, which is its own transaction
//   transaction   a script between BEGIN and COMMIT; on any error ROLLBACK, and the connection is destroyed
//   prepared      one statement, planned once, on a *lane*: a connection that the store keeps. Lanes have settings of their
//                 own, which is why they are destroyed in the end and not given back. Without `enable_seqscan = off` a plan
//                 made when the tables are empty scans them whole until the next ANALYZE.
import type pg from "pg";
import { isCodedError, StoreUnavailableError } from "../../core/errors.ts";
import type { Log } from "../../core/ports.ts";
import { type Row, runScript, type Script, type Statement } from "../../core/script.ts";
import { Lanes } from "../server/lanes.ts";
import { DeadlineError, leavesSessionSound, type Stage, storeError } from "./errors.ts";

export interface ConnectionOptions {
  readonly deadlineMs: number;
  /** How long a statement waits for a lock before it is rolled back. */
  readonly lockTimeoutMs: number;
  readonly laneCount: number;
  readonly log: Log;
}

/** Times of one transaction that may take longer than others, such as a migration. */
export interface Patience {
  readonly deadlineMs: number;
  readonly lockTimeoutMs: number;
}

/** Thrown by a script to undo all it did and answer with `value` all the same. */
export class RollBack<T> extends Error {
  readonly value: T;
  constructor(value: T) {
    super("rolled back on purpose");
    this.value = value;
  }
}

/** Columns come as the server's text: user code may have changed pg's parsers for the whole process. */
const asText = { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig;

export class Connections {
  readonly #pool: pg.Pool;
  readonly #options: ConnectionOptions;
  readonly #watched = new WeakSet<pg.PoolClient>();
  /** Known to have broken while nothing was under way: what would be sent now, is not. */
  readonly #broken = new WeakSet<pg.PoolClient>();
  readonly #lanes: Lanes<pg.PoolClient>;
  #isClosed = false;

  constructor(pool: pg.Pool, options: ConnectionOptions) {
    this.#pool = pool;
    this.#options = options;
    this.#lanes = new Lanes(options.laneCount, {
      open: () => this.#openLane(),
      isSound: (lane) => !this.#broken.has(lane),
      destroy: (lane) => lane.release(true),
    });
    pool.on("error", (error) => this.#hear(error));
  }

  async read(statement: Statement): Promise<readonly Row[]> {
    return this.#alone(statement, "before-commit");
  }

  async write(statement: Statement): Promise<readonly Row[]> {
    return this.#alone(statement, "committing");
  }

  async transaction<T>(makeScript: () => Script<T>, patience: Patience = this.#options): Promise<T> {
    const client = await this.checkOut();
    let stage: Stage = "before-commit";
    try {
      await this.#send(client, begin(patience), patience.deadlineMs);
      const value = await runScript(makeScript(), async (statement) => {
        return (await this.#send(client, statement, patience.deadlineMs)).rows;
      });
      stage = "committing";
      const { command } = await this.#send(client, { sql: "COMMIT", parameters: [] }, patience.deadlineMs);
      if (command !== "COMMIT") throw new StoreUnavailableError(`Expected COMMIT to commit, found ${command}`, {});
      client.release();
      return value;
    } catch (error) {
      const isOnPurpose = error instanceof RollBack;
      const isReachable = isOnPurpose || isCodedError(error) || leavesSessionSound(error);
      const isRolledBack = isReachable && (await this.#answers(client, "ROLLBACK"));
      client.release(!(isOnPurpose && isRolledBack));
      if (isOnPurpose) return error.value as T;
      throw storeError(error, stage);
    }
  }

  /** At most `laneCount` at once; more wait in line. */
  async prepared(statement: Statement & { readonly name: string }): Promise<readonly Row[]> {
    const lane = await this.#lanes.take();
    try {
      const { rows } = await this.#send(lane, statement, this.#options.deadlineMs);
      this.#lanes.give(lane, true);
      return rows;
    } catch (error) {
      // The error comes before the server lets go of the locks. Whoever tries another way must not meet them.
      this.#lanes.give(lane, leavesSessionSound(error) && (await this.#answers(lane, "SELECT 1")));
      throw storeError(error, "committing");
    }
  }

  /** A connection of one's own, watched; to be released by the caller. */
  async checkOut(): Promise<pg.PoolClient> {
    if (this.#isClosed) throw new StoreUnavailableError("The store is closed", {});
    const { deadlineMs } = this.#options;
    const connecting = this.#pool.connect();
    try {
      const client = await within(connecting, deadlineMs);
      this.#watch(client);
      return client;
    } catch (error) {
      if (error instanceof DeadlineError)
        connecting.then(
          (late) => late.release(),
          () => undefined,
        );
      throw storeError(error, "before-commit");
    }
  }

  /** On a connection that was checked out. */
  async ask(client: pg.PoolClient, sql: string): Promise<void> {
    await this.#send(client, { sql, parameters: [] }, this.#options.deadlineMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#lanes.close();
  }

  async #alone(statement: Statement, stage: Stage): Promise<readonly Row[]> {
    const client = await this.checkOut();
    try {
      const { rows } = await this.#send(client, statement, this.#options.deadlineMs);
      client.release();
      return rows;
    } catch (error) {
      client.release(!leavesSessionSound(error));
      throw storeError(error, stage);
    }
  }

  #send(
    client: pg.PoolClient,
    statement: Statement & { readonly name?: string },
    deadlineMs: number,
  ): Promise<pg.QueryResult<Row>> {
    if (this.#broken.has(client))
      return Promise.reject(new StoreUnavailableError("The connection to PostgreSQL broke", {}));
    const { sql, parameters, name } = statement;
    const values = parameters.length === 0 ? undefined : [...parameters];
    const named = name === undefined ? {} : { name };
    return within(client.query<Row>({ text: sql, ...(values && { values }), ...named, types: asText }), deadlineMs);
  }

  async #answers(client: pg.PoolClient, sql: string): Promise<boolean> {
    try {
      await this.ask(client, sql);
      return true;
    } catch {
      return false;
    }
  }

  async #openLane(): Promise<pg.PoolClient> {
    const lane = await this.checkOut();
    const { deadlineMs, lockTimeoutMs } = this.#options;
    const planning = "SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    const sql = `SET lock_timeout = ${lockTimeoutMs}; SET statement_timeout = ${deadlineMs}; ${planning}`;
    try {
      await this.#send(lane, { sql, parameters: [] }, deadlineMs);
      return lane;
    } catch (error) {
      lane.release(true);
      throw storeError(error, "before-commit");
    }
  }

  #watch(client: pg.PoolClient): void {
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    client.on("error", (error) => {
      this.#broken.add(client);
      this.#hear(error);
    });
    client.once("end", () => this.#broken.add(client));
  }

  #hear(error: Error): void {
    this.#options.log.debug({ err: error }, "a connection to PostgreSQL broke");
  }
}

function begin({ deadlineMs, lockTimeoutMs }: Patience): Statement {
  const settings = [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL jit = off",
    `SET LOCAL lock_timeout = ${lockTimeoutMs}`,
    `SET LOCAL statement_timeout = ${deadlineMs}`,
    `SET LOCAL idle_in_transaction_session_timeout = ${deadlineMs}`,
  ];
  return { sql: settings.join("; "), parameters: [] };
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
