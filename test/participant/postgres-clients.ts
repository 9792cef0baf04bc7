// Every client of PostgreSQL that a participant can be made of, opened as a user would.
import { sql as drizzleSql, eq } from "drizzle-orm";
import { drizzle as drizzleOverPg } from "drizzle-orm/node-postgres";
import { pgTable, text } from "drizzle-orm/pg-core";
import { drizzle as drizzleOverPostgresJs } from "drizzle-orm/postgres-js";
import {
  CamelCasePlugin,
  Kysely,
  sql as kyselySql,
  ParseJSONResultsPlugin,
  PostgresDialect,
  type Transaction,
} from "kysely";
import pg from "pg";
import postgres from "postgres";
import { type DrizzleTransaction, drizzle } from "../../src/participant/adapters/drizzle.ts";
import { kysely } from "../../src/participant/adapters/kysely.ts";
import { nodePostgres } from "../../src/participant/adapters/pg.ts";
import { postgresJs } from "../../src/participant/adapters/postgres-js.ts";
import type { ClientSettings, ServerClient } from "./server-client.ts";

export function openPg(connectionString: string, { max = 10 }: ClientSettings = {}): ServerClient<pg.PoolClient> {
  const pool = new pg.Pool({ connectionString, max });
  return {
    adapter: nodePostgres(pool),
    insertEffect: async (tx, note) => void (await tx.query("INSERT INTO effect (note) VALUES ($1)", [note])),
    countInside: async (tx, note) => (await tx.query("SELECT 1 FROM effect WHERE note = $1", [note])).rows.length,
    run: async (tx, sql) => (await tx.query(sql)).rows,
    async byHand(body) {
      const client = await pool.connect();
      await client.query("BEGIN");
      try {
        const result = await body(client);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK");
        throw error;
      } finally {
        client.release();
      }
    },
    root: pool,
    close: () => pool.end(),
  };
}

/**
 * Silent, and back soon after a loss: by default postgres.js waits for up to 20 s, and for 30 s on a connection whose loss
 * it met with a statement not yet sent, which it then never mends (porsager/postgres 1215). Without `fetch_types: false` a
 * connection that breaks while it is being made is an unhandled rejection in postgres.js 3.4, which ends the process.
 */
const quick = { onnotice: () => undefined, backoff: () => 0.05, connect_timeout: 1, fetch_types: false };

/** `settings`: whatever else a user may set postgres.js to. */
export function openPostgresJs(
  url: string,
  { max = 10, ...settings }: ClientSettings & postgres.Options<Record<string, never>> = {},
): ServerClient<postgres.TransactionSql> {
  const sql: postgres.Sql = postgres(url, { max, ...quick, ...settings });
  return {
    adapter: postgresJs(sql),
    insertEffect: async (tx, note) => void (await tx`INSERT INTO effect ${tx({ note })}`),
    countInside: async (tx, note) => (await tx`SELECT 1 FROM effect WHERE note = ${note}`).length,
    run: (tx, text) => tx.unsafe(text),
    byHand: (body) => sql.begin(body) as never,
    root: sql,
    close: () => sql.end({ timeout: 0 }),
  };
}

interface Tables {
  effect: { note: string };
}

/** With plugins, which are the user's: makegood's own statements must not notice. */
export function openKysely(
  connectionString: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<Transaction<Tables>> {
  const pool = new pg.Pool({ connectionString, max });
  const plugins = [new CamelCasePlugin(), new ParseJSONResultsPlugin()];
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins });
  return {
    adapter: kysely(db, { dialect: "postgres", pool }),
    insertEffect: async (tx, note) => void (await tx.insertInto("effect").values({ note }).execute()),
    countInside: async (tx, note) =>
      (await tx.selectFrom("effect").selectAll().where("note", "=", note).execute()).length,
    run: async (tx, sql) => (await kyselySql.raw(sql).execute(tx)).rows,
    byHand: (body) => db.transaction().execute(body),
    root: db,
    close: () => db.destroy(),
  };
}

const effect = pgTable("effect", { note: text().notNull() });

type DrizzlePgTx = DrizzleTransaction<ReturnType<typeof drizzleOnPool>>;
const drizzleOnPool = (pool: pg.Pool) => drizzleOverPg(pool, { schema: { effect } });

export function openDrizzlePg(connectionString: string, { max = 10 }: ClientSettings = {}): ServerClient<DrizzlePgTx> {
  const db = drizzleOnPool(new pg.Pool({ connectionString, max }));
  return {
    adapter: drizzle(db),
    insertEffect: async (tx, note) => void (await tx.insert(effect).values({ note })),
    countInside: async (tx, note) => (await tx.query.effect.findMany({ where: eq(effect.note, note) })).length,
    run: async (tx, text) => (await tx.execute(drizzleSql.raw(text))).rows,
    byHand: (body) => db.transaction(body),
    root: db,
    close: () => db.$client.end(),
  };
}

type DrizzlePostgresJsTx = DrizzleTransaction<ReturnType<typeof drizzleOnPostgresJs>>;
const drizzleOnPostgresJs = (client: postgres.Sql) => drizzleOverPostgresJs(client, { schema: { effect } });

export function openDrizzlePostgresJs(
  url: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<DrizzlePostgresJsTx> {
  const db = drizzleOnPostgresJs(postgres(url, { max, ...quick }));
  return {
    adapter: drizzle(db),
    insertEffect: async (tx, note) => void (await tx.insert(effect).values({ note })),
    countInside: async (tx, note) => (await tx.query.effect.findMany({ where: eq(effect.note, note) })).length,
    run: (tx, text) => tx.execute(drizzleSql.raw(text)),
    byHand: (body) => db.transaction(body),
    root: db,
    close: () => db.$client.end({ timeout: 0 }),
  };
}
