import type { Pool, PoolClient } from "pg";
import { checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { assertPgTransaction, lendPg, pgConnections } from "./pg-connection.ts";

export interface NodePostgresOptions {
  /**
   * Whether statements of makegood's are prepared once on each connection. Default true. False for a pooler that deals out
   * connections by transaction and does not know prepared statements, such as PgBouncer before 1.21.
   */
  readonly prepare?: boolean;
}

/**
 * A participant on a `Pool` of pg. Bodies get a `PoolClient` inside an open transaction at READ COMMITTED; when that has
 * ended it sends nothing more. A connection on which ROLLBACK fails is discarded. Set the pool's `connectionTimeoutMillis`, `query_timeout` and `keepAlive`: pg
 * waits for ever by default (D13). Throws OPTION_INVALID.
 */
export function nodePostgres(pool: Pool, options: NodePostgresOptions = {}): TxAdapter<PoolClient, "async"> {
  checkOptions(options, ["prepare"], "nodePostgres");
  const { checkOut, query } = pgConnections(pool, options.prepare ?? true);
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) =>
      checkOut(async (client) => {
        await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
        const result = await lendPg(client, async (tx) => body(tx));
        const { command } = await client.query("COMMIT");
        if (command !== "COMMIT") throw new CommitRefusedError();
        return result;
      }),
    statement: async (sql, parameters) => (await pool.query<Row>(sql, [...parameters])).rows,
    assertTransaction: assertPgTransaction,
    query,
  };
}
