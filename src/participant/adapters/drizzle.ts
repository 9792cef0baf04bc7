import { type SQL, sql } from "drizzle-orm";
import type { MySqlDatabase, MySqlQueryResultHKT } from "drizzle-orm/mysql-core";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type { Pool as Mysql2Pool, PoolConnection } from "mysql2/promise";
import type { Pool, PoolClient } from "pg";
import { propertyOf } from "../../core/error-chain.ts";
import { InvariantError, OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { type BetterSqlite3Database, betterSqlite3Connection } from "./better-sqlite3.ts";
import { assertMysql2Transaction, checkOutMysql2, lendMysql2, queryMysql2 } from "./mysql2-connection.ts";
import { assertPgTransaction, lendPg, pgConnections, refuseEnded } from "./pg-connection.ts";
import { assertPostgresJsTransaction, type PostgresJsClient, postgresJs, rowReader } from "./postgres-js.ts";
import { type RunImmediate, sqliteAdapter } from "./sqlite-adapter.ts";
import type { SqliteAdapterOptions } from "./sqlite-durability.ts";
import { transactionRequired } from "./transaction-required.ts";

/** Of drizzle-orm/node-postgres and drizzle-orm/postgres-js. */
// biome-ignore lint/suspicious/noExplicitAny: stands for every schema; the user's own comes back in DrizzleTransaction
type DrizzlePostgres = PgDatabase<PgQueryResultHKT, any, any>;
/** Of drizzle-orm/mysql2. */
// biome-ignore lint/suspicious/noExplicitAny: as above
type DrizzleMysql = MySqlDatabase<MySqlQueryResultHKT, any, any>;
/** Of drizzle-orm/better-sqlite3. */
interface DrizzleSqlite {
  readonly $client: BetterSqlite3Database;
  transaction(...parameters: never[]): unknown;
}
type TransactionOf<Config> = <R>(body: (tx: never) => R, config: Config) => R;

/** The transaction that `db.transaction(…)` hands to its body, with the user's own schema. */
export type DrizzleTransaction<Db> = Db extends {
  transaction: (body: (tx: infer Tx) => never, ...config: never[]) => unknown;
}
  ? Tx
  : never;

/**
 * A participant on Drizzle over pg, postgres.js, mysql2 or better-sqlite3. Bodies get Drizzle's own transaction: on
 * PostgreSQL, MySQL and MariaDB at READ COMMITTED, on SQLite begun IMMEDIATE and synchronous (read with `.all()`, `.get()`,
 * write with `.run()`). The advice for `nodePostgres`, `postgresJs`, `mysql2` and `betterSqlite3` holds for the client
 * beneath.
 *
 * @throws OPTION_INVALID for a database over a single connection: whatever else ran there would be in the transaction.
 */
export function drizzle<Db extends DrizzleSqlite>(
  db: Db,
  options?: SqliteAdapterOptions,
): TxAdapter<DrizzleTransaction<Db>, "sync">;
export function drizzle<Db extends DrizzlePostgres | DrizzleMysql>(db: Db): TxAdapter<DrizzleTransaction<Db>, "async">;
export function drizzle(db: DrizzleSqlite | DrizzlePostgres | DrizzleMysql, options?: SqliteAdapterOptions): unknown {
  const client = propertyOf(db, "$client");
  if (isBetterSqlite3(client)) return sqlite(db as DrizzleSqlite, client, options);
  if (isPostgresJs(client)) return overPostgresJs(db as DrizzlePostgres, client);
  if (isPgPool(client)) return overPg(db as DrizzlePostgres, client);
  if (isMysql2Pool(client)) return overMysql2(db as DrizzleMysql, promisePool(client));
  throw new OptionError(
    "db",
    "drizzle: expected a database over a Pool of pg or mysql2, a client of postgres.js or a database of better-sqlite3, found another client or a single connection",
  );
}

/**
 * Drizzle's own checking out of a client has two faults: when BEGIN fails the client is never given back, so that a pool
 * runs dry as connections break; and nobody listens to its `error` event. So we check it out, and Drizzle's session is told
 * that this is its client.
 */
function overPg(db: DrizzlePostgres, pool: Pool): TxAdapter<object, "async"> {
  const { checkOut, reasonOf } = pgConnections(pool);
  const clients = new WeakMap<object, PoolClient>();
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) =>
      checkOut((client) =>
        lendPg(client, (lent) => {
          const session: Session = Object.create(sessionOf(db), { client: { value: lent } });
          return session.transaction((tx) => {
            clients.set(tx, client);
            return Promise.resolve(body(tx));
          }, readCommitted);
        }),
      ),
    assertTransaction: (tx) => assertPgTransaction(clientOf(tx)),
    async query(tx, text, parameters) {
      const client = clients.get(tx);
      if (client === undefined) return rowsOf(await execute(tx, text, parameters));
      refuseEnded(client);
      try {
        return rowsOf(await execute(tx, text, parameters));
      } catch (error) {
        throw reasonOf(client, error);
      }
    },
  };
}

/** Begun by `postgresJs`, for its guard: Drizzle sends everything through the client of its session, savepoints too. */
function overPostgresJs(db: DrizzlePostgres, client: PostgresJsClient): TxAdapter<object, "async"> {
  const { transaction } = postgresJs(client);
  const readRows = rowReader(client);
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) =>
      transaction((begun) => {
        const begin = <R>(run: (sql: unknown) => R): R => run(begun);
        const session: Session = Object.create(sessionOf(db), { client: { value: { begin } } });
        return session.transaction((tx) => Promise.resolve(body(tx)));
      }),
    assertTransaction: (tx) => assertPostgresJsTransaction(clientOf(tx)),
    async query(tx, text, parameters) {
      return readRows(rowsOf(await execute(tx, text, parameters)));
    },
  };
}

/** As with pg: checked out by us. */
function overMysql2(db: DrizzleMysql, pool: Mysql2Pool): TxAdapter<object, "async"> {
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) =>
      checkOutMysql2(pool, (connection) =>
        lendMysql2(connection, (lent) => {
          const session: Session = Object.create(sessionOf(db), { client: { value: lent } });
          return session.transaction((tx) => Promise.resolve(body(tx)), readCommitted);
        }),
      ),
    assertTransaction: (tx) => assertMysql2Transaction(clientOf(tx)),
    query: (tx, text, parameters) => queryMysql2(clientOf(tx) as PoolConnection, text, parameters),
  };
}

/** Drizzle over better-sqlite3 has one connection, so our own statements can use it beneath Drizzle. */
function sqlite(
  db: DrizzleSqlite,
  client: BetterSqlite3Database,
  options: SqliteAdapterOptions | undefined,
): TxAdapter<never, "sync"> {
  const transaction: TransactionOf<{ readonly behavior: "immediate" }> = db.transaction.bind(db) as never;
  const runImmediate: RunImmediate<never> = (body) => transaction(body, { behavior: "immediate" });
  return sqliteAdapter(betterSqlite3Connection(client), runImmediate, options, isTransaction);
}

const expected = "the transaction that db.transaction(…) of Drizzle hands to its body";

/** The client beneath a transaction of Drizzle's. */
function clientOf(tx: unknown): unknown {
  if (!isTransaction(tx)) throw transactionRequired(expected, tx);
  const { client } = sessionOf(tx);
  return client;
}

/** Only transactions have `rollback`; the database itself has everything else. */
const isTransaction = (tx: unknown): boolean => typeof propertyOf(tx, "rollback") === "function";

const readCommitted = { isolationLevel: "read committed" } as const;

async function execute(tx: unknown, text: string, parameters: readonly unknown[]): Promise<unknown> {
  try {
    return await (tx as { execute(statement: SQL): Promise<unknown> }).execute(statementOf(text, parameters));
  } catch (error) {
    throw unwrapped(error);
  }
}

/** Drizzle ≥ 0.44 puts a statement's parameters into the message of its error; ours hold results, which no log may show. */
function unwrapped(error: unknown): unknown {
  const cause = propertyOf(error, "cause");
  return propertyOf(error, "params") !== undefined && cause !== undefined ? cause : error;
}

/** pg's result has the rows within, that of postgres.js is the rows. */
function rowsOf(result: unknown): readonly Row[] {
  const rows = Array.isArray(result) ? result : propertyOf(result, "rows");
  if (Array.isArray(rows)) return rows;
  throw new InvariantError("Expected Drizzle to return rows, found none");
}

/** Text in quotes and comments is stepped over, so that a $1 in them stays what it is. */
const placeholders = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\$(\d+)/g;

/** Drizzle numbers the placeholders itself: the text is cut at each, and the parameters are put between the pieces. */
export function statementOf(text: string, parameters: readonly unknown[]): SQL {
  const pieces: SQL[] = [];
  let from = 0;
  for (const match of text.matchAll(placeholders)) {
    if (match[1] === undefined) continue;
    pieces.push(sql.raw(text.slice(from, match.index)), sql`${sql.param(parameters[Number(match[1]) - 1])}`);
    from = match.index + match[0].length;
  }
  return sql.join([...pieces, sql.raw(text.slice(from))]);
}

// ── Which client is beneath ────────────────────────────────────────────────────────────────────────────────────────

function isBetterSqlite3(client: unknown): client is BetterSqlite3Database {
  return (
    typeof propertyOf(client, "inTransaction") === "boolean" && typeof propertyOf(client, "prepare") === "function"
  );
}

function isMysql2Pool(client: unknown): client is Mysql2Pool | CallbackPool {
  return (
    typeof propertyOf(client, "getConnection") === "function" &&
    typeof propertyOf(client, "releaseConnection") === "function"
  );
}

interface CallbackPool {
  promise(): Mysql2Pool;
}

/** `drizzle(url)` and a pool of "mysql2" have callbacks. */
function promisePool(pool: Mysql2Pool | CallbackPool): Mysql2Pool {
  return "promise" in pool && typeof pool.promise === "function" ? pool.promise() : (pool as Mysql2Pool);
}

function isPostgresJs(client: unknown): client is PostgresJsClient {
  return typeof client === "function" && "begin" in client && typeof client.begin === "function";
}

function isPgPool(client: unknown): client is Pool {
  return typeof propertyOf(client, "totalCount") === "number" && typeof propertyOf(client, "connect") === "function";
}

interface Session {
  readonly client: unknown;
  transaction<R>(body: (tx: object) => Promise<R>, config?: typeof readCommitted): Promise<R>;
}

/** Not in Drizzle's types; the same in the oldest version that this adapter takes and in the newest (0.40.0 and 0.45.4 were tried). */
function sessionOf(of: unknown): Session {
  const session = propertyOf(of, "session");
  if (typeof propertyOf(session, "transaction") === "function" && hasProperty(session, "client"))
    return session as Session;
  throw new InvariantError(
    "Expected Drizzle's database or transaction to hold a session with a client, found none; makegood does not know this version of Drizzle",
  );
}

function hasProperty(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null && name in value;
}
