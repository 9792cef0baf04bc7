// Every client of MySQL and MariaDB that a participant can be made of, opened as a user would.
import mysql, { type PoolConnection, type PoolOptions, type RowDataPacket } from "mysql2/promise";
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
    close: () => pool.end(),
  };
}
