// A store on a database of its own, for tests of what only MySQL and MariaDB do.
import { type Connection, createPool, type Pool } from "mysql2/promise";
import type { Row, Statement } from "../../../core/script.ts";
import type { Store } from "../../../core/store.ts";
import { type MysqlOptions, mysql } from "../mysql.ts";

export interface OpenStore {
  readonly store: Store;
  readonly pool: Pool;
  /** On a connection of the test's own. */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export async function openStore(
  url: string,
  options: MysqlOptions = { migrate: true },
  connectionLimit = 10,
): Promise<OpenStore> {
  const pool = createPool({ uri: url, connectionLimit });
  const store = mysql(pool, options);
  await store.open();
  return {
    store,
    pool,
    query: async (sql, parameters = []) => {
      const connection = await pool.getConnection();
      try {
        return await rowsFrom(connection)({ sql, parameters });
      } finally {
        connection.release();
      }
    },
    async close() {
      await store.close();
      await pool.end();
    },
  };
}

/** How a participant's adapter runs the statements of a script. */
export const rowsFrom =
  (connection: Connection) =>
  async ({ sql, parameters }: Statement): Promise<readonly Row[]> => {
    const [rows] = await connection.query(sql, [...parameters]);
    return Array.isArray(rows) ? (rows as Row[]) : [];
  };
