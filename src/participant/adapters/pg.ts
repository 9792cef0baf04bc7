import type { Pool, PoolClient } from "pg";
import { checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { assertPgTransaction, pgConnections } from "./pg-connection.ts";
import { hasBegun } from "./pg-transaction.ts";

export interface NodePostgresOptions {
  /**
   * Whether statements of makegood's are prepared once on each connection. Default true. False for a pooler that deals out
   * connections by transaction and does not know prepared statements, such as PgBouncer before 1.21.
   */
  readonly prepare?: boolean;
}

/**
 * A participant on a `Pool` of pg. Bodies get a `PoolClient` inside a transaction at READ COMMITTED, which begins with the
 * first statement that they send; when it has ended it sends nothing more. A connection on which ROLLBACK fails is
 * discarded. Set the pool's `connectionTimeoutMillis`, `query_timeout` and `keepAlive`: pg waits for ever by default (D13).
 * Throws OPTION_INVALID.
 */
export function nodePostgres(pool: Pool, options: NodePostgresOptions = {}): TxAdapter<PoolClient, "async"> {
  checkOptions(options, ["prepare"], "nodePostgres");
  const { transaction, query } = pgConnections(pool, options.prepare ?? true);
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) => transaction(async (tx) => body(tx)),
    hasBegun,
    statement: async (sql, parameters) => (await pool.query<Row>(sql, [...parameters])).rows,
    assertTransaction: assertPgTransaction,
    query,
  };
}
