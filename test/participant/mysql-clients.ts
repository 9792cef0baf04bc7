// Every client of MySQL and MariaDB that a participant can be made of, opened as a user would.
import { sql as drizzleSql, eq } from "drizzle-orm";
import { mysqlTable, varbinary } from "drizzle-orm/mysql-core";
import { drizzle as drizzleOverMysql2 } from "drizzle-orm/mysql2";
import { CamelCasePlugin, Kysely, sql as kyselySql, MysqlDialect, type Transaction } from "kysely";
import callbackMysql from "mysql2";
import mysql, { type PoolConnection, type PoolOptions, type RowDataPacket } from "mysql2/promise";
import { type DrizzleTransaction, drizzle } from "../../src/participant/adapters/drizzle.ts";
import { kysely } from "../../src/participant/adapters/kysely.ts";
import { mysql2 } from "../../src/participant/adapters/mysql2.ts";
import type { ClientSettings, ServerClient } from "./server-client.ts";

/** `settings`: whatever else a user may set mysql2 to. */
export function openMysql2(
  uri: string,
  { max = 10, ...settings }: ClientSettings & PoolOptions = {},
): ServerClient<PoolConnection> {
  const pool = mysql.createPool({ uri, connectionLimit: max, ...settings });
  return {
    adapter: mysql2(pool),
    insertEffect: async (tx, note) => void (await tx.query("INSERT INTO effect (note) VALUES (?)", [note])),
    countInside: async (tx, note) =>
      (await tx.query<RowDataPacket[]>("SELECT 1 FROM effect WHERE note = ?", [note]))[0].length,
    run: async (tx, sql) => (await tx.query({ sql, rowsAsArray: false }))[0],
    async byHand(body) {
      const connection = await pool.getConnection();
      await connection.beginTransaction();
      try {
        const result = await body(connection);
        await connection.commit();
        return result;
      } catch (error) {
        await connection.rollback();
        throw error;
      } finally {
        connection.release();
      }
    },
    root: pool,
    close: () => pool.end(),
  };
}

interface Tables {
  effect: { note: string };
}

/** With a plugin, which is the user's: makegood's own statements must not notice. */
export function openKyselyMysql(uri: string, { max = 10 }: ClientSettings = {}): ServerClient<Transaction<Tables>> {
  const pool = callbackMysql.createPool({ uri, connectionLimit: max });
  const db = new Kysely<Tables>({ dialect: new MysqlDialect({ pool }), plugins: [new CamelCasePlugin()] });
  return {
    adapter: kysely(db, { dialect: "mysql" }),
    insertEffect: async (tx, note) => void (await tx.insertInto("effect").values({ note }).execute()),
    countInside: async (tx, note) =>
      (await tx.selectFrom("effect").selectAll().where("note", "=", note).execute()).length,
    run: async (tx, sql) => (await kyselySql.raw(sql).execute(tx)).rows,
    byHand: (body) => db.transaction().execute(body),
    root: db,
    close: () => db.destroy(),
  };
}

const effect = mysqlTable("effect", { note: varbinary({ length: 1_000 }).notNull() });
const drizzleOn = <Pool extends mysql.Pool | callbackMysql.Pool>(client: Pool) =>
  drizzleOverMysql2({ client, schema: { effect }, mode: "default" });

export function openDrizzleMysql2(
  uri: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<DrizzleTransaction<ReturnType<typeof drizzleOn<mysql.Pool>>>> {
  const pool = mysql.createPool({ uri, connectionLimit: max });
  return { ...drizzleClient(drizzleOn(pool)), close: () => pool.end() };
}

/** `drizzle(url)` makes such a pool, with callbacks. */
export function openDrizzleCallbackMysql2(
  uri: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<DrizzleTransaction<ReturnType<typeof drizzleOn<mysql.Pool>>>> {
  const pool = callbackMysql.createPool({ uri, connectionLimit: max });
  return { ...drizzleClient(drizzleOn(pool) as never), close: () => pool.promise().end() };
}

function drizzleClient(db: ReturnType<typeof drizzleOn<mysql.Pool>>) {
  type Tx = DrizzleTransaction<typeof db>;
  return {
    adapter: drizzle(db),
    insertEffect: async (tx: Tx, note: string) => void (await tx.insert(effect).values({ note })),
    countInside: async (tx: Tx, note: string) =>
      (await tx.query.effect.findMany({ where: eq(effect.note, note) })).length,
    run: async (tx: Tx, text: string): Promise<unknown> => (await tx.execute(drizzleSql.raw(text)))[0],
    byHand: <R>(body: (tx: Tx) => Promise<R>) => db.transaction(body),
    root: db,
  };
}
