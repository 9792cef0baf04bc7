import type { Pool, PoolConnection } from "mysql2/promise";
import { checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import {
  assertMysql2Transaction,
  beginMysql2,
  checkOutMysql2,
  commitMysql2,
  lendMysql2,
  queryMysql2,
} from "./mysql2-connection.ts";

export interface Mysql2Options {
  /**
   * On MariaDB: whether a transaction's isolation and its beginning are sent as one compound statement, a round trip less.
   * Default false, since a proxy that sends reads to other servers may not see from its text that a transaction has begun
   * (MaxScale's `readwritesplit` without `session_track_trx_state`). No effect on MySQL, which has no such statement.
   */
  readonly compoundBegin?: boolean;
}

/**
 * A participant on a pool of mysql2/promise, on MariaDB ≥ 10.6 or MySQL 8. Bodies get a `PoolConnection` inside an open
 * transaction at READ COMMITTED; when that has ended it sends nothing more. After an error of any kind all is rolled back,
 * also where a lock that was not to be had in time undid only its statement; a connection on which ROLLBACK fails is
 * destroyed. Set the pool's `connectTimeout`, and on the server `innodb_lock_wait_timeout` and MariaDB's `idle_transaction_timeout`.
 * Throws OPTION_INVALID.
 */
export function mysql2(pool: Pool, options: Mysql2Options = {}): TxAdapter<PoolConnection, "async"> {
  checkOptions(options, ["compoundBegin"], "mysql2");
  const { compoundBegin = false } = options;
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) =>
      checkOutMysql2(pool, async (connection) => {
        await beginMysql2(connection, compoundBegin);
        const result = await lendMysql2(connection, async (tx) => body(tx));
        await commitMysql2(connection);
        return result;
      }),
    assertTransaction: assertMysql2Transaction,
    query: queryMysql2,
  };
}
