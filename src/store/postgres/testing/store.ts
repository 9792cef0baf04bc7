// A store on a database of its own, for tests of what only PostgreSQL does.
import pg from "pg";
import type { Row, Statement } from "../../../core/script.ts";
import type { Store } from "../../../core/store.ts";
import { type PostgresOptions, postgres } from "../postgres.ts";

export interface OpenStore {
  readonly store: Store;
  readonly pool: pg.Pool;
  /** On a connection of the test's own. */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export async function openStore(url: string, options: PostgresOptions = { migrate: true }): Promise<OpenStore> {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  const store = postgres(pool, options);
  await store.open();
  return {
    store,
    pool,
    query: (sql, parameters = []) => rowsFrom(pool)({ sql, parameters }),
    async close() {
      await store.close();
      await pool.end();
    },
  };
}

/** How a participant's adapter runs the statements of a script. */
export const rowsFrom =
  (client: Pick<pg.ClientBase, "query">) =>
  async ({ sql, parameters }: Statement): Promise<readonly Row[]> =>
    (await client.query(sql, [...parameters])).rows;
