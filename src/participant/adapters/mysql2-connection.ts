// A connection of mysql2's pool, checked out for one transaction.
import type { Connection as CallbackConnection, QueryOptions } from "mysql2";
import type { Connection, Pool, PoolConnection } from "mysql2/promise";
import { propertyOf } from "../../core/error-chain.ts";
import type { Row } from "../../core/script.ts";
import { lend, lenderOf } from "./lend.ts";
import { lifeOf } from "./life.ts";
import { mysql2Options, rowsOfMysql2 } from "./mysql2-rows.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { transactionRequired } from "./transaction-required.ts";

/**
 * Hands a connection to `use`, which begins and commits, and keeps it from bodies that go on after that. If it throws:
 * ROLLBACK, and the connection is destroyed unless the server said that it did so (D8).
 */
export async function checkOutMysql2<R>(pool: Pool, use: (connection: PoolConnection) => Promise<R>): Promise<R> {
  const connection = await pool.getConnection();
  connection.on("error", ignore);
  let isClean = false;
  try {
    const result = await use(connection);
    isClean = true;
    return result;
  } catch (error) {
    isClean = await rollBackPatiently(() => send(connection, "ROLLBACK"));
    throw error;
  } finally {
    if (isClean) connection.release();
    else connection.destroy();
    connection.off("error", ignore);
  }
}

/** Lends a connection's body its transaction. */
export const lendMysql2 = <R>(connection: PoolConnection, use: (tx: PoolConnection) => PromiseLike<R>): Promise<R> =>
  lend(connection, { methods }, use);
const methods: ReadonlySet<string | symbol> = new Set([
  ...["query", "execute", "prepare", "beginTransaction", "commit", "rollback"],
  ...["changeUser", "reset", "ping", "release", "end", "destroy"],
]);

/** A lost connection is an event besides what the query under way is told; unheard it would end the process (D14). */
const ignore = (): void => undefined;

export async function queryMysql2(
  connection: Connection,
  sql: string,
  parameters: readonly unknown[],
): Promise<readonly Row[]> {
  return rowsOfMysql2(await send(lenderOf(connection), mysql2Options(sql, parameters)));
}

const level = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
const start = "START TRANSACTION";
/** One round trip for the two, whatever the session's sql_mode (decision 27). MySQL has no such block. */
const block = `BEGIN NOT ATOMIC ${level}; ${start}; END`;

/** Begins a transaction at READ COMMITTED, whatever the session's default; the next one is not concerned. */
export async function beginMysql2(connection: PoolConnection, compound: boolean): Promise<void> {
  for (const sql of compound && isMariadb(connection) ? [block] : [level, start]) await send(connection, sql);
}

export const commitMysql2 = (connection: PoolConnection): Promise<unknown> => send(connection, "COMMIT");

/** As the server, or a proxy before it, has introduced itself: "10.11.19-MariaDB", "5.5.5-10.6.25-MariaDB-log". */
function isMariadb({ connection }: PoolConnection): boolean {
  return /mariadb/i.test(String(propertyOf(propertyOf(connection, "_handshakePacket"), "serverVersion")));
}

/** Over the connection beneath mysql2's promises: they note a stack for each statement, which costs half of sending a short one. */
function send(connection: Connection, command: string | object): Promise<unknown> {
  const beneath = (connection as PoolConnection).connection as unknown as CallbackConnection;
  return new Promise((resolve, reject) =>
    beneath.query(command as QueryOptions, (error, result) => (error ? reject(error) : resolve(result))),
  );
}

const expected = "a connection of mysql2 between START TRANSACTION and COMMIT";
const inTransaction = 0x0001;

/** mysql2 keeps no account of transactions, so the server is asked, with the shortest of statements: each answer tells. */
export async function assertMysql2Transaction(tx: unknown): Promise<void> {
  if (typeof propertyOf(tx, "getConnection") === "function") throw transactionRequired(expected, "a pool");
  if (typeof propertyOf(tx, "beginTransaction") !== "function") throw transactionRequired(expected, tx);
  const life = lifeOf(tx as object);
  if (life?.isOver === true) throw transactionRequired(expected, "one whose transaction has ended");
  // Begun by us: open as far as is known, which spares a question for each call inside of it.
  if (life !== undefined) return;
  if (propertyOf(propertyOf(tx, "connection"), "_released") === true)
    throw transactionRequired(expected, "a connection that was given back to its pool");
  const header = await send(tx as Connection, "DO 0");
  if ((Number(propertyOf(header, "serverStatus")) & inTransaction) === 0)
    throw transactionRequired(expected, "a connection without an open transaction");
}
