/**
 * A world is what outlives every process of a test: the engine's database with a book in it, another database with a
 * book, and a provider. Plain data, so that it can be handed to child processes.
 */
import { DatabaseSync } from "node:sqlite";
import type { Pool, PoolConnection } from "mysql2/promise";
import type pg from "pg";
import type { Store } from "../../../src/core/store.ts";
import { participant } from "../../../src/participant/participant.ts";
import { type Book, bookTables, type Effect, mariadbBook, postgresBook, sqliteBook } from "./book.ts";
import { type At, pointedAdapter, pointedStore } from "./points.ts";
import { Provider } from "./provider.ts";

export interface Place {
  readonly kind: "sqlite" | "postgres" | "mariadb";
  /** Serves as namespace, too, so that many worlds can share two servers' databases. */
  readonly name: string;
  /** Files, or addresses. */
  readonly engine: string;
  readonly far: string;
  /** File of the provider. */
  readonly remote: string;
  /** The server ends a transaction of a participant that idles for so long. MariaDB knows whole seconds. */
  readonly maxIdleMs?: number;
  /** How long a statement waits for the server's answer. */
  readonly deadlineMs?: number;
}

export interface World {
  readonly place: Place;
  readonly store: Store;
  /** Another store value on the same database, as another process would have. */
  newStore(): Store;
  readonly own: Book;
  readonly far: Book;
  readonly provider: Provider;
  readonly at: At;
  /** What happened in all three places, in order. */
  timeline(): Promise<readonly Effect[]>;
  close(): Promise<void>;
}

const silent: At = () => {};

/** Opens it in this process. `at` is told of every point; the participants' tables are there already, see `settle`. */
export async function openWorld(place: Place, at: At = silent): Promise<World> {
  const provider = new Provider(place.remote);
  const { newStore, own, far, close } = await openers[place.kind](place, at);
  return {
    place,
    store: pointedStore(newStore(), at),
    newStore,
    own,
    far,
    provider,
    at,
    async timeline() {
      const effects = [...(await own.effects()), ...(await far.effects()), ...provider.effects()];
      return effects.sort((a, b) => a.at - b.at);
    },
    async close() {
      provider.close();
      await close();
    },
  };
}

interface Opened {
  readonly newStore: () => Store;
  readonly own: Book;
  readonly far: Book;
  readonly close: () => Promise<void>;
}

/** Loads what any child may need, so that its compiled form is kept for the next one. */
export async function warmUp(): Promise<void> {
  await Promise.all([
    ...[import("../../../src/sqlite.ts"), import("../../../src/postgres.ts"), import("../../../src/mysql.ts")],
    ...[import("pg"), import("mysql2/promise")],
  ]);
}

// Each kind's modules are loaded where it is used: a child that is killed a hundred times should start fast.

async function openSqlite({ name: world, engine, far }: Place, at: At): Promise<Opened> {
  const { nodeSqlite, sqlite } = await import("../../../src/sqlite.ts");
  const dbs: DatabaseSync[] = [];
  const book = (place: string, file: string): Book => {
    const db = new DatabaseSync(file, { timeout: 20 });
    // The test's own looks may wait for a lock; the engine's transactions report it at once.
    const reader = new DatabaseSync(file, { timeout: 5_000 });
    dbs.push(db, reader);
    const on = participant<DatabaseSync, "sync">(place, pointedAdapter(place, nodeSqlite(db), at));
    return sqliteBook(reader, { place, world, on, at });
  };
  return {
    newStore: () => sqlite(engine),
    own: book("own", engine),
    far: book("far", far),
    close: async () => dbs.forEach((db) => void db.close()),
  };
}

async function openMariadb(
  { name: world, engine, far, maxIdleMs = 0, deadlineMs = 10_000 }: Place,
  at: At,
): Promise<Opened> {
  const { mysql, mysql2 } = await import("../../../src/mysql.ts");
  const { createPool } = await import("mysql2/promise");
  const pools: Pool[] = [];
  const pool = (uri: string, connectionLimit: number): Pool => {
    const made = createPool({ uri, connectionLimit, connectTimeout: 5_000 });
    pools.push(made);
    return made;
  };
  const book = (place: string, uri: string): Book => {
    const books = pool(uri, 10);
    const limit = `SET SESSION idle_transaction_timeout = ${Math.ceil(maxIdleMs / 1_000)}`;
    books.pool.on("connection", (connection) => connection.query(limit, () => undefined));
    const on = participant<PoolConnection, "async">(place, pointedAdapter(place, mysql2(books), at));
    return mariadbBook(books, { place, world, on, at });
  };
  // The lives of one world share it, and the dead ones keep what they had.
  const enginePool = pool(engine, 30);
  return {
    newStore: () => mysql(enginePool, { migrate: true, deadlineMs }),
    own: book("own", engine),
    far: book("far", far),
    close: async () => void (await Promise.allSettled(pools.map((one) => one.end()))),
  };
}

/** As careful users make their pools, except that nobody listens to their errors: the engine has to. */
async function makePoolOf(): Promise<(connectionString: string, more?: pg.PoolConfig) => pg.Pool> {
  const { default: driver } = await import("pg");
  const defaults = { max: 10, connectionTimeoutMillis: 5_000, keepAlive: true };
  return (connectionString, more = {}) => new driver.Pool({ ...defaults, connectionString, ...more });
}

async function openPostgres(
  { name: world, engine, far, maxIdleMs = 0, deadlineMs = 10_000 }: Place,
  at: At,
): Promise<Opened> {
  const { nodePostgres, postgres } = await import("../../../src/postgres.ts");
  const poolOf = await makePoolOf();
  const pools: pg.Pool[] = [];
  const pool = (url: string, more: pg.PoolConfig = {}): pg.Pool => {
    const made = poolOf(url, { query_timeout: deadlineMs, ...more });
    pools.push(made);
    return made;
  };
  const book = (place: string, url: string): Book => {
    const books = pool(url, { idle_in_transaction_session_timeout: maxIdleMs });
    const on = participant<pg.PoolClient, "async">(place, pointedAdapter(place, nodePostgres(books), at));
    return postgresBook(books, { place, world, on, at });
  };
  // The lives of one world share it, and the dead ones keep what they had.
  const enginePool = pool(engine, { max: 20 });
  return {
    newStore: () => postgres(enginePool, { migrate: true, deadlineMs }),
    own: book("own", engine),
    far: book("far", far),
    close: async () => void (await Promise.allSettled(pools.map((one) => one.end()))),
  };
}

const openers = { sqlite: openSqlite, postgres: openPostgres, mariadb: openMariadb } as const;

/** Makes the tables of a world, once, before any process works in it. */
export async function settle(place: Place): Promise<void> {
  const world = await openWorld(place);
  try {
    await world.store.open();
    await world.store.close();
    await makeBooks(place);
    await world.own.on.migrate();
    await world.far.on.migrate();
  } finally {
    await world.close();
  }
}

async function makeBooks({ kind, engine, far }: Place): Promise<void> {
  for (const address of [engine, far]) await bookMakers[kind](address);
}

const bookMakers: Readonly<Record<Place["kind"], (address: string) => Promise<void>>> = {
  async sqlite(file) {
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA journal_mode = WAL; ${bookTables.sqlite}`);
    db.close();
  },
  async postgres(url) {
    const pool = (await makePoolOf())(url);
    await pool.query(bookTables.postgres);
    await pool.end();
  },
  async mariadb(uri) {
    const { createConnection } = await import("mysql2/promise");
    const connection = await createConnection({ uri });
    await connection.query(bookTables.mariadb);
    await connection.end();
  },
};
