import type { Connection, Pool, PoolConnection } from "mysql2/promise";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { propertyOf } from "../error-chain.ts";
import { isInTransaction, mysql2Options, rowsOfMysql2 } from "./mysql2-rows.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { transactionRequired } from "./transaction-required.ts";

/**
 * A participant on a pool of mysql2/promise, on MariaDB ≥ 10.6 or MySQL 8. Bodies get a `PoolConnection` inside an open
 * transaction at READ COMMITTED. After an error of any kind the connection is destroyed: a lock that was not to be had in
 * time undoes only its statement there, and what came before would be committed by whoever comes next (D8). Set the pool's
 * `connectTimeout`, and on the server `innodb_lock_wait_timeout` and MariaDB's `idle_transaction_timeout`.
 */
export function mysql2(pool: Pool): TxAdapter<PoolConnection, "async"> {
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) => checkOut(pool, (connection) => inTransaction(connection, () => body(connection))),
    assertTransaction,
    query,
  };
}

async function query(connection: Connection, sql: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
  const [result] = await connection.query(mysql2Options(sql, parameters) as never);
  return rowsOfMysql2(result);
}

async function inTransaction<R>(connection: Connection, body: () => R | PromiseLike<R>): Promise<R> {
  await connection.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
  await connection.query("START TRANSACTION");
  const result = await body();
  await connection.query("COMMIT");
  return result;
}

async function checkOut<R>(pool: Pool, use: (connection: PoolConnection) => Promise<R>): Promise<R> {
  const connection = await pool.getConnection();
  connection.on("error", ignore);
  let isClean = false;
  try {
    const result = await use(connection);
    isClean = true;
    return result;
  } finally {
    if (isClean) connection.release();
    else await discard(connection);
    connection.off("error", ignore);
  }
}

async function discard(connection: PoolConnection): Promise<void> {
  await rollBackPatiently(() => connection.query("ROLLBACK"));
  connection.destroy();
}

/** A lost connection is an event besides what the query under way is told; unheard it would end the process (D14). */
const ignore = (): void => undefined;

const expected = "a connection of mysql2 between START TRANSACTION and COMMIT";

/** mysql2 keeps no account of transactions, so the server is asked, with the shortest of statements. */
async function assertTransaction(tx: unknown): Promise<void> {
  if (typeof propertyOf(tx, "getConnection") === "function") throw transactionRequired(expected, "a pool");
  if (typeof propertyOf(tx, "beginTransaction") !== "function") throw transactionRequired(expected, tx);
  if (propertyOf(propertyOf(tx, "connection"), "_released") === true)
    throw transactionRequired(expected, "a connection that was given back to its pool");
  const [header] = await (tx as Connection).query("DO 0");
  if (!isInTransaction(header)) throw transactionRequired(expected, "a connection without an open transaction");
}
