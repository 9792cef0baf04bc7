import mysql, { type RowDataPacket } from "mysql2/promise";
import { createMariadbDatabase } from "../services/mariadb.ts";

export interface MysqlDatabases {
  /** A fresh, empty database beside the given one. */
  readonly emptyUrl: string;
  readonly countEffects: (note: string) => Promise<number>;
  readonly run: (sql: string) => Promise<readonly RowDataPacket[]>;
  /** One more, apart from the rest. */
  readonly connect: () => Promise<mysql.Connection>;
  readonly close: () => Promise<void>;
}

/** Puts a table `effect (note)` into the database, and counts it over connections of its own. */
export async function prepareMysql(url: string): Promise<MysqlDatabases> {
  const empty = await createMariadbDatabase(url);
  const pool = mysql.createPool({ uri: url, connectionLimit: 2 });
  const run = async (sql: string, values: unknown[] = []): Promise<readonly RowDataPacket[]> =>
    (await pool.query<RowDataPacket[]>(sql, values))[0];
  await run("CREATE TABLE IF NOT EXISTS effect (note VARBINARY(1000) NOT NULL) ENGINE = InnoDB");
  return {
    emptyUrl: empty.url,
    countEffects: async (note) => {
      const [row] = await run("SELECT count(*) AS n FROM effect WHERE note = ?", [note]);
      return Number(row?.["n"]);
    },
    run,
    connect: () => mysql.createConnection({ uri: url }),
    close: async () => {
      await pool.end();
      await empty.drop();
    },
  };
}
