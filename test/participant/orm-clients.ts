// The query builders and ORMs that a participant can be made of, opened as a user would, on PostgreSQL and on MariaDB.
import { defineEntity, p } from "@mikro-orm/core";
import { MikroORM as MysqlOrm, type SqlEntityManager } from "@mikro-orm/mysql";
import { MikroORM as PostgresOrm } from "@mikro-orm/postgresql";
import makeKnex, { type Knex } from "knex";
import { QueryTypes, Sequelize, type Transaction } from "sequelize";
import { DataSource, type EntityManager, EntitySchema } from "typeorm";
import { knex } from "../../src/participant/adapters/knex.ts";
import { mikroOrm } from "../../src/participant/adapters/mikro-orm.ts";
import { sequelize } from "../../src/participant/adapters/sequelize.ts";
import { typeorm } from "../../src/participant/adapters/typeorm.ts";
import type { ClientSettings, ServerClient } from "./server-client.ts";

const isMysql = (url: string): boolean => url.startsWith("mysql:");
const rowsOf = (result: unknown): unknown =>
  Array.isArray(result) && Array.isArray(result[0]) ? result[0] : ((result as { rows?: unknown }).rows ?? result);

export function openKnex(connection: string, { max = 10 }: ClientSettings = {}): ServerClient<Knex.Transaction> {
  const db = makeKnex({ client: isMysql(connection) ? "mysql2" : "pg", connection, pool: { min: 0, max } });
  return { ...knexClient(db), adapter: knex(db) };
}

/** All but the adapter, on any database. */
export const knexClient = (db: Knex) => ({
  insertEffect: async (tx: Knex.Transaction, note: string) => void (await tx("effect").insert({ note })),
  countInside: async (tx: Knex.Transaction, note: string) => (await tx("effect").where({ note })).length,
  run: async (tx: Knex.Transaction, sql: string) => rowsOf(await tx.raw(sql)),
  byHand: <R>(body: (tx: Knex.Transaction) => Promise<R>) => db.transaction(body),
  root: db,
  close: async () => db.destroy(),
});

export interface Effect {
  readonly note: string;
}
const effect = new EntitySchema<Effect>({ name: "effect", columns: { note: { type: "text", primary: true } } });

export async function openTypeorm(
  url: string,
  { max = 10 }: ClientSettings = {},
): Promise<ServerClient<EntityManager>> {
  const pool = { poolSize: max, entities: [effect], logging: false };
  const dataSource = new DataSource(
    isMysql(url) ? { type: "mysql", url, ...pool } : { type: "postgres", url, ...pool },
  );
  await dataSource.initialize();
  return { ...typeormClient(dataSource), adapter: typeorm(dataSource) };
}

export const typeormEntities = [effect];
export const typeormClient = (dataSource: DataSource) => ({
  insertEffect: async (tx: EntityManager, note: string) => void (await tx.insert(effect, { note })),
  countInside: async (tx: EntityManager, note: string) => tx.countBy(effect, { note }),
  run: async (tx: EntityManager, sql: string) => tx.query(sql),
  byHand: <R>(body: (tx: EntityManager) => Promise<R>) => dataSource.transaction(body),
  root: dataSource.manager,
  close: () => dataSource.destroy(),
});

export function openSequelize(url: string, { max = 10 }: ClientSettings = {}): ServerClient<Transaction> {
  const db = new Sequelize(url, { logging: false, pool: { max } });
  const query = (transaction: Transaction, sql: string, replacements: readonly unknown[] = []) =>
    db.query(sql, { transaction, replacements: [...replacements] });
  return {
    adapter: sequelize(db),
    insertEffect: async (tx, note) => void (await query(tx, "INSERT INTO effect (note) VALUES (?)", [note])),
    countInside: async (transaction, note) => {
      const rows = await db.query("SELECT 1 AS one FROM effect WHERE note = ?", {
        transaction,
        replacements: [note],
        type: QueryTypes.SELECT,
      });
      return rows.length;
    },
    run: async (tx, sql) => (await query(tx, sql))[0],
    byHand: (body) => db.transaction(body),
    root: db,
    close: () => db.close(),
  };
}

export const mikroEffect = defineEntity({
  name: "Effect",
  tableName: "effect",
  properties: { note: p.text().primary() },
});

export async function openMikroOrm(
  clientUrl: string,
  { max = 10 }: ClientSettings = {},
): Promise<ServerClient<SqlEntityManager>> {
  // MikroORM overlooks what stands behind the address.
  const driverOptions = Object.fromEntries(new URL(clientUrl).searchParams);
  const settings = { clientUrl, driverOptions, entities: [mikroEffect], pool: { max }, ...mikroQuiet };
  const orm = isMysql(clientUrl)
    ? await MysqlOrm.init(settings)
    : ((await PostgresOrm.init(settings)) as unknown as MysqlOrm);
  return { ...mikroClient(orm), adapter: mikroOrm(orm) };
}

export const mikroQuiet = { logger: () => undefined, ignoreUndefinedInQuery: true };

/** The body leaves the flushing to the end. */
export const mikroClient = (orm: { readonly em: SqlEntityManager; close(): Promise<void> }) => ({
  insertEffect: async (tx: SqlEntityManager, note: string) => void tx.create(mikroEffect, { note }),
  countInside: async (tx: SqlEntityManager, note: string) => tx.count(mikroEffect, { note }),
  run: async (tx: SqlEntityManager, sql: string) => tx.execute(sql),
  byHand: <R>(body: (tx: SqlEntityManager) => Promise<R>) => orm.em.fork().transactional(body),
  root: orm.em,
  close: () => orm.close(),
});
