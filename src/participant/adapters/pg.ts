import type { Pool, PoolClient } from "pg";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { assertPgTransaction, pgConnections } from "./pg-connection.ts";

/**
 * A participant on a `Pool` of pg. Bodies get a `PoolClient` inside an open transaction at READ COMMITTED. After an error
 * of any kind the connection is discarded. Set the pool's `connectionTimeoutMillis`, `query_timeout` and `keepAlive`: pg
 * waits for ever by default (D13).
 */
export function nodePostgres(pool: Pool): TxAdapter<PoolClient, "async"> {
  const { checkOut, query } = pgConnections(pool);
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) =>
      checkOut(async (client) => {
        await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
        const result = await body(client);
        const { command } = await client.query("COMMIT");
        if (command !== "COMMIT") throw new CommitRefusedError();
        return result;
      }),
    statement: async (sql, parameters) => (await pool.query<Row>(sql, [...parameters])).rows,
    assertTransaction: assertPgTransaction,
    query,
  };
}
