// Counts commits that wrote something, exactly, from outside: no contender has to take part.
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type pg from "pg";

/**
 * PostgreSQL hands a transaction id to each transaction that writes, in one sequence for the whole server; asking for it so
 * takes none.
 */
export async function readPostgresCommits(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ xmax: string }>("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax");
  return Number(rows[0]?.xmax);
}

export interface SqliteCommits {
  read(): number | null;
  close(): void;
}

/**
 * The WAL index of a SQLite file counts its committed transactions: `iChange`, 4 bytes at offset 8, in the machine's byte order.
 * https://www.sqlite.org/walformat.html, section 2.1. A connection of its own, idle, keeps the index in being when the
 * contender closes the file. Null where the file is not there or not in WAL mode.
 */
export function watchSqliteCommits(file: string): SqliteCommits {
  const connection = existsSync(file) ? new DatabaseSync(file, { readOnly: true }) : undefined;
  connection?.prepare("SELECT count(*) FROM sqlite_schema").get();
  const index = existsSync(`${file}-shm`) ? openSync(`${file}-shm`, "r") : undefined;
  return {
    read() {
      const bytes = new Uint32Array(1);
      return index !== undefined && readSync(index, bytes, 0, 4, 8) === 4 ? (bytes[0] ?? null) : null;
    },
    close() {
      if (index !== undefined) closeSync(index);
      connection?.close();
    },
  };
}
