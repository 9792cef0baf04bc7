import pg from "pg";
import { createDatabase } from "../services/postgres.ts";

export interface PostgresDatabases {
  /** A fresh, empty database beside the given one. */
  readonly emptyUrl: string;
  readonly countEffects: (note: string) => Promise<number>;
  readonly run: (sql: string) => Promise<readonly Record<string, unknown>[]>;
  readonly close: () => Promise<void>;
}

/** Puts a table `effect (note)` into the database, and counts it over connections of its own. */
export async function preparePostgres(url: string): Promise<PostgresDatabases> {
  const empty = await createDatabase(url);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on("error", () => undefined);
  // Named in full: the tests' user is called makegood, so that its search path begins with the schema of that name.
  await pool.query("CREATE TABLE IF NOT EXISTS public.effect (note text NOT NULL)");
  return {
    emptyUrl: empty.url,
    countEffects: async (note) => {
      const { rows } = await pool.query("SELECT count(*)::integer AS n FROM effect WHERE note = $1", [note]);
      return rows[0].n;
    },
    run: async (sql) => (await pool.query(sql)).rows,
    close: async () => {
      await pool.end();
      await empty.drop();
    },
  };
}
