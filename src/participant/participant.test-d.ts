// Types that must keep working: each adapter gives the user's own transaction type, and a synchronous client's participant
// is "sync". Checked by tsc; never run.

import type { DatabaseSync } from "node:sqlite";
import type { MikroORM as MysqlOrm } from "@mikro-orm/mysql";
import type { MikroORM as PostgresOrm } from "@mikro-orm/postgresql";
import type BetterSqlite3 from "better-sqlite3";
import { type BetterSQLite3Database, drizzle as overBetterSqlite3 } from "drizzle-orm/better-sqlite3";
import { drizzle as overMysql2 } from "drizzle-orm/mysql2";
import { drizzle as overPg } from "drizzle-orm/node-postgres";
import { pgTable, text } from "drizzle-orm/pg-core";
import { drizzle as overPostgresJs, type PostgresJsTransaction } from "drizzle-orm/postgres-js";
import type { Knex } from "knex";
import type { Kysely, Transaction } from "kysely";
import type { Pool as CallbackPool } from "mysql2";
import type { Connection as MysqlConnection, Pool as MysqlPool, PoolConnection } from "mysql2/promise";
import type { Pool, PoolClient } from "pg";
import type { Sql, TransactionSql } from "postgres";
import type { Sequelize, Transaction as SequelizeTransaction } from "sequelize";
import type { DataSource, EntityManager as TypeormEntityManager } from "typeorm";
import type { Participant, TxAdapter } from "../core/participant.ts";
import { betterSqlite3 } from "./adapters/better-sqlite3.ts";
import { type DrizzleTransaction, drizzle } from "./adapters/drizzle.ts";
import { knex } from "./adapters/knex.ts";
import { kysely } from "./adapters/kysely.ts";
import { mikroOrm } from "./adapters/mikro-orm.ts";
import { mysql2 } from "./adapters/mysql2.ts";
import { nodeSqlite } from "./adapters/node-sqlite.ts";
import { nodePostgres } from "./adapters/pg.ts";
import { postgresJs } from "./adapters/postgres-js.ts";
import { type PrismaTransaction, prisma } from "./adapters/prisma.ts";
import { sequelize } from "./adapters/sequelize.ts";
import { typeorm } from "./adapters/typeorm.ts";
import { pruneBarrier } from "./barrier/prune.ts";
import { participant } from "./participant.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

// node:sqlite
declare const nodeDb: DatabaseSync;
const ledger = participant("ledger", nodeSqlite(nodeDb));
same<typeof ledger, Participant<DatabaseSync, "sync">>(true);
// @ts-expect-error a pool of pg is no database of node:sqlite
nodeSqlite(pool);
// @ts-expect-error the connection is not an adapter
participant("ledger", nodeDb);
// @ts-expect-error a synchronous adapter takes no asynchronous transaction
const notSync: TxAdapter<DatabaseSync, "sync"> = { ...nodeSqlite(nodeDb), transaction: async (body) => body(nodeDb) };

// better-sqlite3
declare const betterDb: BetterSqlite3.Database;
const betterLedger = participant("ledger", betterSqlite3(betterDb));
same<typeof betterLedger, Participant<BetterSqlite3.Database, "sync">>(true);
// @ts-expect-error node:sqlite's connection is another
betterSqlite3(nodeDb);

// pg
declare const pool: Pool;
const orders = participant("orders", nodePostgres(pool));
same<typeof orders, Participant<PoolClient, "async">>(true);
// @ts-expect-error one client is not a pool: whatever else ran on it would be in the transaction
nodePostgres(client);
declare const client: PoolClient;

// postgres.js, with the user's own types
declare const sql: Sql;
declare const typedSql: Sql<{ bigint: bigint }>;
same<ReturnType<typeof postgresJs<typeof sql>>, TxAdapter<TransactionSql, "async">>(true);
const typed = participant("orders", postgresJs(typedSql));
same<typeof typed, Participant<TransactionSql<{ bigint: bigint }>, "async">>(true);
// @ts-expect-error a pool of pg is no client of postgres.js
postgresJs(pool);

// Kysely
interface Tables {
  order: { id: string };
}
declare const db: Kysely<Tables>;
const kyselyOrders = participant("orders", kysely(db, { dialect: "postgres" }));
same<typeof kyselyOrders, Participant<Transaction<Tables>, "async">>(true);
kysely(db, { dialect: "postgres", pool });
kysely(db, { dialect: "mysql" });
// @ts-expect-error the pool is pg's
kysely(db, { dialect: "mysql", pool });
kysely(db, { dialect: "sqlite", durability: "require" });
// @ts-expect-error the dialect must be said
kysely(db, {});
// @ts-expect-error durability is a matter of SQLite
kysely(db, { dialect: "postgres", durability: "warn" });

// Drizzle: the transaction type of db.transaction, schema included
const order = pgTable("order", { id: text() });
const pgDb = overPg(pool, { schema: { order } });
const pgOrders = participant("orders", drizzle(pgDb));
type PgTx = Parameters<Parameters<typeof pgDb.transaction>[0]>[0];
same<typeof pgOrders, Participant<PgTx, "async">>(true);
const postgresJsDb = overPostgresJs(sql, { schema: { order } });
const postgresJsOrders = participant("orders", drizzle(postgresJsDb));
same<typeof postgresJsOrders, Participant<DrizzleTransaction<typeof postgresJsDb>, "async">>(true);
same<DrizzleTransaction<typeof postgresJsDb>, Parameters<Parameters<typeof postgresJsDb.transaction>[0]>[0]>(true);
export type AlsoNamed = PostgresJsTransaction<{ order: typeof order }, never>;
const sqliteDb = overBetterSqlite3(betterDb);
const drizzleLedger = participant("ledger", drizzle(sqliteDb, { durability: "ignore" }));
type SqliteTx = Parameters<Parameters<typeof sqliteDb.transaction>[0]>[0];
same<typeof drizzleLedger, Participant<SqliteTx, "sync">>(true);
declare const unnamed: BetterSQLite3Database;
// @ts-expect-error the type says nothing of the client beneath
drizzle(unnamed);

// mysql2
declare const mysqlPool: MysqlPool;
declare const connection: MysqlConnection;
declare const mysqlTx: PoolConnection;
const stock = participant("stock", mysql2(mysqlPool));
same<typeof stock, Participant<PoolConnection, "async">>(true);
// @ts-expect-error one connection is not a pool: whatever else ran on it would be in the transaction
mysql2(connection);
// @ts-expect-error a pool with callbacks
mysql2(callbackPool);
declare const callbackPool: CallbackPool;

// Drizzle on mysql2, with promises and with callbacks
const mysqlDb = overMysql2(mysqlPool);
const mysqlOrders = participant("orders", drizzle(mysqlDb));
same<typeof mysqlOrders, Participant<Parameters<Parameters<typeof mysqlDb.transaction>[0]>[0], "async">>(true);
drizzle(overMysql2(callbackPool));

// Knex
declare const knexDb: Knex;
declare const knexTx: Knex.Transaction;
const knexOrders = participant("orders", knex(knexDb));
same<typeof knexOrders, Participant<Knex.Transaction, "async">>(true);
// @ts-expect-error a transaction is no Knex of which transactions could be made side by side
const knexOfTx: Participant<Knex, "async"> = knexOrders;

// TypeORM
declare const dataSource: DataSource;
const typeormOrders = participant("orders", typeorm(dataSource));
same<typeof typeormOrders, Participant<TypeormEntityManager, "async">>(true);
typeorm(dataSource, { exclusive: true, durability: "require" });
// @ts-expect-error the manager is no data source
typeorm(dataSource.manager);

// Sequelize
declare const sequelizeDb: Sequelize;
const sequelizeOrders = participant("orders", sequelize(sequelizeDb));
same<typeof sequelizeOrders, Participant<SequelizeTransaction, "async">>(true);
// @ts-expect-error a transaction is no Sequelize
sequelize(sequelizeTx);
declare const sequelizeTx: SequelizeTransaction;

// MikroORM: the entity manager of the user's driver
declare const mysqlOrm: MysqlOrm;
declare const postgresOrm: PostgresOrm;
const mikroOrders = participant("orders", mikroOrm(mysqlOrm));
same<typeof mikroOrders, Participant<typeof mysqlOrm.em, "async">>(true);
const mikroStock = participant("stock", mikroOrm(postgresOrm));
same<typeof mikroStock, Participant<typeof postgresOrm.em, "async">>(true);
// @ts-expect-error the entity manager is not the ORM
mikroOrm(mysqlOrm.em);

// Prisma: as its generated client declares $transaction, with an overload for arrays before
interface GeneratedClient {
  readonly order: { count(): Promise<number> };
  $connect(): Promise<void>;
  $transaction<P extends Promise<unknown>[]>(arg: [...P], options?: { isolationLevel?: "ReadCommitted" }): Promise<P>;
  $transaction<R>(
    body: (tx: Omit<GeneratedClient, "$connect">) => Promise<R>,
    options?: { maxWait?: number; timeout?: number; isolationLevel?: "ReadCommitted" | "Serializable" },
  ): Promise<R>;
}
declare const prismaClient: GeneratedClient;
const prismaOrders = participant("orders", prisma(prismaClient, { dialect: "postgres" }));
same<typeof prismaOrders, Participant<Omit<GeneratedClient, "$connect">, "async">>(true);
same<PrismaTransaction<GeneratedClient>, Omit<GeneratedClient, "$connect">>(true);
// @ts-expect-error the dialect must be said
prisma(prismaClient, {});

// One database's transaction is not another's
export async function use(run: Parameters<typeof orders.runIn>[1]): Promise<void> {
  await orders.runIn(client, run);
  // @ts-expect-error another database's transaction
  await orders.runIn(nodeDb, run);
  // @ts-expect-error the pool is not a transaction
  await orders.runIn(pool, run);
  const answer = await orders.once(client, { scope: "pay", key: "A-17" }, async () => ({ id: 7n, save: () => 1 }));
  same<typeof answer, { id: bigint }>(true);
  await orders.once(client, { scope: "pay", key: "A-17" }, () => 1);
  const count = ledger.once(nodeDb, { scope: "pay", key: "A-17" }, () => 7);
  same<typeof count, number>(true);
  // @ts-expect-error the effect must be synchronous on this participant
  ledger.once(nodeDb, { scope: "pay", key: "A-17" }, async () => 7);
  // @ts-expect-error the pool is not a transaction
  await orders.once(pool, { scope: "pay", key: "A-17" }, () => 1);
  // @ts-expect-error the client of postgres.js is not a transaction
  await typed.runIn(typedSql, run);
  // @ts-expect-error Kysely itself is not a transaction
  await kyselyOrders.runIn(db, run);
  // @ts-expect-error Drizzle itself is not a transaction
  await pgOrders.runIn(pgDb, run);
  await stock.runIn(mysqlTx, run);
  // @ts-expect-error the pool is not a transaction
  await stock.runIn(mysqlPool, run);
  // @ts-expect-error a connection that is not the pool's
  await stock.runIn(connection, run);
  // @ts-expect-error Drizzle itself is not a transaction
  await mysqlOrders.runIn(mysqlDb, run);
  await knexOrders.runIn(knexTx, run);
  // @ts-expect-error Knex itself is not a transaction
  await knexOrders.runIn(knexDb, run);
  // @ts-expect-error the data source is not a transaction; its manager has the transaction's type and is refused at run time
  await typeormOrders.runIn(dataSource, run);
  // @ts-expect-error Sequelize itself is not a transaction
  await sequelizeOrders.runIn(sequelizeDb, run);
  // @ts-expect-error the ORM is not a transaction; its entity manager has the transaction's type and is refused at run time
  await mikroOrders.runIn(mysqlOrm, run);
  await pruneBarrier(orders, []);
  await pruneBarrier(ledger, []);
}
// @ts-expect-error participants of different transactions do not stand in for each other
const wrong: Participant<DatabaseSync, "sync"> = betterLedger;
export const unused = [notSync, wrong, knexOfTx];
