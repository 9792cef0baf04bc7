// A store on a database of its own, for tests of what only PostgreSQL does.
import pg from "pg";
import type { Store } from "../../../core/store.ts";
import { type PostgresOptions, postgres } from "../postgres.ts";

export interface OpenStore {
  readonly store: Store;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export async function openStore(url: string, options: PostgresOptions = { migrate: true }): Promise<OpenStore> {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  const store = postgres(pool, options);
  await store.open();
  return {
    store,
    pool,
    async close() {
      await store.close();
      await pool.end();
    },
  };
}
