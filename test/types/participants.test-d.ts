// Each client's own transaction reaches the body with its own type, and its mode says whether the body may await.
import type { DatabaseSync } from "node:sqlite";
import type Database from "better-sqlite3";
import type { BetterSQLite3Database } from "drizzle-orm/better-sqlite3";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Kysely, Transaction } from "kysely";
import { job, type Participant, participant } from "makegood";
import { drizzle } from "makegood/drizzle";
import { kysely } from "makegood/kysely";
import { nodePostgres, postgres, postgresJs } from "makegood/postgres";
import { betterSqlite3, nodeSqlite, sqlite } from "makegood/sqlite";
import type { Pool, PoolClient } from "pg";
import type { Sql, TransactionSql } from "postgres";
import { same } from "./equal.ts";
import type { orders as anyOrders, FileTx, ledger, OrderTx } from "./world.ts";

declare const pool: Pool;
declare const sql: Sql;
declare const nodeDb: DatabaseSync;
declare const betterDb: Database.Database;
interface Tables {
  orders: { id: string };
}
declare const kyselyDb: Kysely<Tables>;
const orders = sqliteTable("orders", { id: text() });
declare const drizzleSqlite: BetterSQLite3Database<{ orders: typeof orders }> & { $client: Database.Database };
declare const drizzlePg: NodePgDatabase & { $client: Pool };

const onPg = participant("pg", nodePostgres(pool));
const onPostgres = participant("postgres", postgresJs(sql));
const onNode = participant("node", nodeSqlite(nodeDb));
const onBetter = participant("better", betterSqlite3(betterDb));
const onKysely = participant("kysely", kysely(kyselyDb, { dialect: "postgres" }));
const onDrizzleSqlite = participant("drizzle-sqlite", drizzle(drizzleSqlite));
const onDrizzlePg = participant("drizzle-pg", drizzle(drizzlePg));

// The adapter alone says transaction and mode.
same<typeof anyOrders, Participant<OrderTx, "async">>(true);
same<typeof ledger, Participant<FileTx, "sync">>(true);
same<typeof onPg, Participant<PoolClient, "async">>(true);
same<typeof onPostgres, Participant<TransactionSql, "async">>(true);
same<typeof onNode, Participant<DatabaseSync, "sync">>(true);
same<typeof onBetter, Participant<Database.Database, "sync">>(true);
same<typeof onKysely, Participant<Transaction<Tables>, "async">>(true);
same<(typeof onDrizzleSqlite)["mode"], "sync">(true);
same<(typeof onDrizzlePg)["mode"], "async">(true);

job("clients", {}, async (ctx) => {
  await ctx.tx(onPg, "pg", { run: async (tx) => (await tx.query("SELECT 1")).rowCount });
  await ctx.tx(onPostgres, "postgres", { run: async (tx) => (await tx`SELECT 1`).count });
  await ctx.tx(onNode, "node", { run: (tx) => Number(tx.prepare("DELETE FROM orders").run().changes) });
  await ctx.tx(onBetter, "better", { run: (tx) => tx.prepare("DELETE FROM orders").run().changes });
  await ctx.tx(onKysely, "kysely", { run: (tx) => tx.selectFrom("orders").select("id").execute() });
  const rows = await ctx.tx(onDrizzleSqlite, "drizzle", { run: (tx) => tx.select().from(orders).all() });
  same<typeof rows, { id: string | null }[]>(true);

  // @ts-expect-error run must be synchronous on this participant
  await ctx.tx(onNode, "node async", { run: async (tx) => tx.isOpen });
  // @ts-expect-error run must be synchronous on this participant
  await ctx.tx(onBetter, "better async", { run: async (tx) => tx.open });
  // @ts-expect-error a column that is not there
  await ctx.tx(onKysely, "typo", { run: (tx) => tx.selectFrom("orders").select("idd").execute() });
});

// @ts-expect-error the client itself is no adapter
participant("orders", pool);
// @ts-expect-error a single connection: whatever else ran there would be in the transaction
nodePostgres(pool.connect());
// @ts-expect-error options are known by name
sqlite("makegood.db", { busyTimeout: 10 });
postgres(pool, { migrate: true, deadlineMs: 5_000 });
