import type { Pool, PoolConnection } from "mysql2/promise";
import type { TxAdapter } from "../../core/participant.ts";
import {
  assertMysql2Transaction,
  beginMysql2,
  checkOutMysql2,
  commitMysql2,
  lendMysql2,
  queryMysql2,
} from "./mysql2-connection.ts";

/**
 * A participant on a pool of mysql2/promise, on MariaDB ≥ 10.6 or MySQL 8. Bodies get a `PoolConnection` inside an open
 * transaction at READ COMMITTED; when that has ended it sends nothing more. After an error of any kind all is rolled back,
 * also where a lock that was not to be had in time undid only its statement; a connection on which ROLLBACK fails is
 * destroyed. Set the pool's `connectTimeout`, and on the server `innodb_lock_wait_timeout` and MariaDB's `idle_transaction_timeout`.
 */
export function mysql2(pool: Pool): TxAdapter<PoolConnection, "async"> {
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) => checkOutMysql2(pool, (connection) => inTransaction(connection, async (tx) => body(tx))),
    assertTransaction: assertMysql2Transaction,
    query: queryMysql2,
  };
}

async function inTransaction<R>(connection: PoolConnection, body: (tx: PoolConnection) => Promise<R>): Promise<R> {
  await beginMysql2(connection);
  const result = await lendMysql2(connection, body);
  await commitMysql2(connection);
  return result;
}
