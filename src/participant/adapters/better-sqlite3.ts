import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { runImmediately, type SqliteConnection, sqliteAdapter } from "./sqlite-adapter.ts";
import type { SqliteAdapterOptions } from "./sqlite-durability.ts";

/** The part of better-sqlite3 that is used, so that nobody needs its types who does not use it. */
export interface BetterSqlite3Database {
  readonly inTransaction: boolean;
  exec(sql: string): unknown;
  prepare(sql: string): BetterSqlite3Statement;
}
interface BetterSqlite3Statement {
  readonly reader: boolean;
  safeIntegers(toggle: boolean): unknown;
  all(...parameters: unknown[]): unknown[];
  run(...parameters: unknown[]): { readonly changes: number };
}

/**
 * A participant on a database of better-sqlite3. As with `nodeSqlite`, bodies are synchronous and get the connection. In WAL
 * mode better-sqlite3 does not flush commits (`synchronous` is NORMAL): run `db.pragma("synchronous = FULL")`; the option
 * `durability` says what happens otherwise. Its busy timeout is 5 s by default and blocks the process: open with
 * `{ timeout: 50 }` or less.
 */
export function betterSqlite3<Db extends BetterSqlite3Database>(
  db: Db,
  options?: SqliteAdapterOptions,
): TxAdapter<Db, "sync"> {
  const connection = betterSqlite3Connection(db);
  return sqliteAdapter(connection, runImmediately(connection, db), options, (tx) => tx === db);
}

export function betterSqlite3Connection(db: BetterSqlite3Database): SqliteConnection {
  return {
    isInTransaction: () => db.inTransaction,
    run: (sql) => void db.exec(sql),
    query(sql, parameters) {
      const statement = db.prepare(sql);
      if (!statement.reader) {
        statement.run(...parameters);
        return [];
      }
      statement.safeIntegers(false);
      return statement.all(...parameters) as readonly Row[];
    },
    change: (sql, parameters) => db.prepare(sql).run(...parameters).changes,
  };
}
