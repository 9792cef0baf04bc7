// Runs one suite of engine tests on every store. Each test gets a database of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type AnyJob, type App, type AppOptions, makegood, participant, type Store, type TxAdapter } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { afterEach, describe } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";
import { createMariadbDatabase } from "../services/mariadb.ts";
import { createDatabase, type TestDatabase } from "../services/postgres.ts";

export interface Scene {
  /** A store value on this test's database; each is like a process of its own. */
  store(): Store;
  /** An app on it that is stopped at the end of the test. */
  app(options?: Partial<AppOptions>, ...jobs: readonly AnyJob[]): App;
  /** A participant in the engine's own database. */
  own(): Promise<AnyBook>;
  /** A participant in another database. */
  far(name?: string): Promise<AnyBook>;
}
/** Synchronous and asynchronous clients behind one face; their types have tests of their own. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Any = any;
export type AnyBook = {
  readonly on: Any;
  add(tx: Any, what: string): Any;
  read(): Promise<readonly string[]>;
  readonly raw: RawTransactions;
};

/** The client's own way to a transaction, as an application would use it. */
export interface RawTransactions {
  begin(): Promise<unknown>;
  commit(tx: unknown): Promise<void>;
  rollback(tx: unknown): Promise<void>;
}

type Suite = (scene: () => Scene) => void;

export function describeEngine(name: string, suite: Suite): void {
  describe(`${name}, on SQLite`, () => suite(sqliteScenes()));
  describeWithPostgres(`${name}, on PostgreSQL`, (database) => suite(serverScenes(postgresDriver, () => database.url)));
  describeWithMariadb(`${name}, on MariaDB`, (database) => suite(serverScenes(mariadbDriver, () => database.url)));
}

const quick = { lease: "2s", poll: "50ms" } as const;
const table = "CREATE TABLE IF NOT EXISTS book (n INTEGER PRIMARY KEY, what TEXT NOT NULL)";

function sqliteScenes(): () => Scene {
  const ends: (() => unknown)[] = [];
  atEnd(ends);
  return () => {
    const dir = mkdtempSync(join(tmpdir(), "makegood-engine-"));
    ends.push(() => rmSync(dir, { recursive: true, force: true }));
    const file = join(dir, "engine.db");
    const book = async (path: string, name: string): Promise<AnyBook> => {
      const db = new DatabaseSync(path);
      db.exec("PRAGMA busy_timeout = 2000");
      ends.push(() => db.close());
      db.exec(table);
      const on = participant(name, nodeSqlite(db));
      await on.migrate();
      return {
        on,
        add: (tx: DatabaseSync, what: string) => void tx.prepare("INSERT INTO book (what) VALUES (?)").run(what),
        read: async () =>
          db
            .prepare("SELECT what FROM book ORDER BY n")
            .all()
            .map((row) => String(row["what"])),
        raw: {
          begin: async () => {
            db.exec("BEGIN IMMEDIATE");
            return db;
          },
          commit: async () => db.exec("COMMIT"),
          rollback: async () => db.exec("ROLLBACK"),
        },
      };
    };
    return scene(
      ends,
      () => sqlite(file),
      async () => {
        const store = sqlite(file);
        await store.open();
        await store.close();
        return book(file, "own");
      },
      (name) => book(join(dir, `${name}.db`), name),
    );
  };
}

/** What differs between the database servers and their drivers. */
interface Driver<Pool, Tx> {
  create(url: string): Promise<TestDatabase>;
  pool(url: string): Pool & { end(): Promise<unknown> };
  readonly kind: string;
  store(pool: Pool): Promise<Store>;
  adapter(pool: Pool): Promise<TxAdapter<Tx>>;
  readonly table: string;
  insert(tx: Tx, what: string): Promise<unknown>;
  rows(pool: Pool, sql: string): Promise<unknown>;
  connect(pool: Pool): Promise<Tx>;
  run(tx: Tx, sql: string): Promise<unknown>;
  release(tx: Tx): void;
}

const postgresDriver: Driver<pg.Pool, pg.PoolClient> = {
  create: createDatabase,
  pool: (connectionString) => {
    const pool = new pg.Pool({ connectionString, max: 12 });
    pool.on("error", () => {});
    return pool;
  },
  kind: "postgres",
  store: async (pool) => (await import("makegood/postgres")).postgres(pool, { migrate: true }),
  adapter: async (pool) => (await import("makegood/postgres")).nodePostgres(pool),
  table: "CREATE TABLE IF NOT EXISTS book (n SERIAL PRIMARY KEY, what TEXT NOT NULL)",
  insert: (tx, what) => tx.query("INSERT INTO book (what) VALUES ($1)", [what]),
  rows: async (pool, sql) => (await pool.query(sql)).rows,
  connect: (pool) => pool.connect(),
  run: (tx, sql) => tx.query(sql),
  release: (tx) => tx.release(),
};

const mariadbDriver: Driver<mysql.Pool, mysql.PoolConnection> = {
  create: createMariadbDatabase,
  pool: (uri) => mysql.createPool({ uri, connectionLimit: 12 }),
  kind: "mysql",
  store: async (pool) => (await import("makegood/mysql")).mysql(pool, { migrate: true }),
  adapter: async (pool) => (await import("makegood/mysql")).mysql2(pool),
  table: "CREATE TABLE IF NOT EXISTS book (n INTEGER AUTO_INCREMENT PRIMARY KEY, what TEXT NOT NULL) ENGINE = InnoDB",
  insert: (tx, what) => tx.query("INSERT INTO book (what) VALUES (?)", [what]),
  rows: async (pool, sql) => (await pool.query(sql))[0],
  connect: (pool) => pool.getConnection(),
  run: (tx, sql) => tx.query(sql),
  release: (tx) => tx.release(),
};

function serverScenes<Pool, Tx>(driver: Driver<Pool, Tx>, url: () => string): () => Scene {
  const ends: (() => unknown)[] = [];
  atEnd(ends);
  return () => {
    let database: Promise<TestDatabase> | undefined;
    const here = (): Promise<TestDatabase> => {
      database ??= driver.create(url());
      return database;
    };
    ends.push(async () => (await here()).drop());
    const poolOf = (at: string): Pool => {
      const pool = driver.pool(at);
      // Pools are made when a store opens, but must outlive the apps: they end after them, before the database goes.
      // The connections of a dead one stay behind; the database is dropped by force.
      ends.splice(1, 0, () => Promise.race([pool.end(), new Promise((resolve) => setTimeout(resolve, 500).unref())]));
      return pool;
    };
    const book = async (at: string, name: string): Promise<AnyBook> => {
      const pool = poolOf(at);
      await driver.rows(pool, driver.table);
      const on = participant(name, await driver.adapter(pool));
      await on.migrate();
      const end = async (tx: Tx, verb: "COMMIT" | "ROLLBACK"): Promise<void> => {
        await driver.run(tx, verb);
        driver.release(tx);
      };
      return {
        on,
        add: async (tx: Tx, what: string) => void (await driver.insert(tx, what)),
        read: async () =>
          ((await driver.rows(pool, "SELECT what FROM book ORDER BY n")) as { what: string }[]).map(({ what }) => what),
        raw: {
          begin: async () => {
            const tx = await driver.connect(pool);
            await driver.run(tx, "BEGIN");
            return tx;
          },
          commit: (tx) => end(tx as Tx, "COMMIT"),
          rollback: (tx) => end(tx as Tx, "ROLLBACK"),
        },
      };
    };
    return scene(
      ends,
      () => lazyStore(driver.kind, async () => driver.store(poolOf((await here()).url))),
      async () => book((await here()).url, "own"),
      async (name) => {
        const other = await driver.create(url());
        ends.unshift(() => other.drop());
        return book(other.url, name);
      },
    );
  };
}

/** Store values are made synchronously; the database behind this one is created at open. */
function lazyStore(kind: string, make: () => Promise<Store>): Store {
  let inner: Store | undefined;
  return new Proxy({} as Store, {
    get(_, name) {
      if (name === "open")
        return async () => {
          inner ??= await make();
          await inner.open();
        };
      if (inner !== undefined) return Reflect.get(inner, name);
      if (name === "kind") return kind;
      if (name === "flushLanes") return 2;
      if (name === "close") return async () => {};
      return new Proxy(
        {},
        {
          get:
            (__, method) =>
            (...args: unknown[]) =>
              (Reflect.get(Reflect.get(inner ?? {}, name), method) as (...a: unknown[]) => unknown)(...args),
        },
      );
    },
  });
}

function scene(
  ends: (() => unknown)[],
  store: () => Store,
  own: () => Promise<AnyBook>,
  far: (name: string) => Promise<AnyBook>,
): Scene {
  return {
    store,
    app(options = {}, ...jobs) {
      const app = makegood({ store: store(), ...quick, log: quietLog, ...options });
      app.register(...jobs);
      // An app whose store is dead takes its time to give up.
      ends.push(() =>
        Promise.race([app.stop({ graceMs: 0 }), new Promise((resolve) => setTimeout(resolve, 1_000).unref())]),
      );
      return app;
    },
    own,
    far: (name = "far") => far(name),
  };
}

export const quietLog = {
  debug() {},
  info() {},
  warn() {},
  error: (fields: object, message: string) => logged.push([message, fields]),
};
/** Errors that the engine logged; a test that expects none can look. */
export const logged: [string, object][] = [];

function atEnd(ends: (() => unknown)[]): void {
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    logged.length = 0;
  });
}
