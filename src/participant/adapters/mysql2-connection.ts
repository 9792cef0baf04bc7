// A connection of mysql2's pool, checked out for one transaction.
import type { Connection, Pool, PoolConnection } from "mysql2/promise";
import { propertyOf } from "../../core/error-chain.ts";
import type { Row } from "../../core/script.ts";
import { lend } from "./lend.ts";
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
    isClean = await rollBackPatiently(() => connection.query("ROLLBACK"));
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
  const [result] = await connection.query(mysql2Options(sql, parameters) as never);
  return rowsOfMysql2(result);
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
  const [header] = await (tx as Connection).query("DO 0");
  if ((Number(propertyOf(header, "serverStatus")) & inTransaction) === 0)
    throw transactionRequired(expected, "a connection without an open transaction");
}
