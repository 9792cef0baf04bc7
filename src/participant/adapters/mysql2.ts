import type { Connection, Pool, PoolConnection } from "mysql2/promise";
import type { TxAdapter } from "../../core/participant.ts";
import { assertMysql2Transaction, checkOutMysql2, queryMysql2 } from "./mysql2-connection.ts";

/**
 * A participant on a pool of mysql2/promise, on MariaDB ≥ 10.6 or MySQL 8. Bodies get a `PoolConnection` inside an open
 * transaction at READ COMMITTED. After an error of any kind the connection is destroyed: a lock that was not to be had in
 * time undoes only its statement there, and what came before would be committed by whoever comes next. Set the pool's
 * `connectTimeout`, and on the server `innodb_lock_wait_timeout` and MariaDB's `idle_transaction_timeout`.
 */
export function mysql2(pool: Pool): TxAdapter<PoolConnection, "async"> {
  // Those are open as far as is known, which spares a question for each call inside them.
  const begunHere = new WeakSet<object>();
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) =>
      checkOutMysql2(pool, async (connection) => {
        begunHere.add(connection);
        try {
          return await inTransaction(connection, async () => body(connection));
        } finally {
          begunHere.delete(connection);
        }
      }),
    assertTransaction: (tx) => (begunHere.has(tx as object) ? undefined : assertMysql2Transaction(tx)),
    query: queryMysql2,
  };
}

async function inTransaction<R>(connection: Connection, body: () => Promise<R>): Promise<R> {
  await connection.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
  await connection.query("START TRANSACTION");
  const result = await body();
  await connection.query("COMMIT");
  return result;
}
