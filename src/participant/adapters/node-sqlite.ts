import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { runImmediately, type SqliteConnection, sqliteAdapter } from "./sqlite-adapter.ts";
import type { SqliteAdapterOptions } from "./sqlite-durability.ts";

/**
 * A participant on a `DatabaseSync` of node:sqlite. Its bodies are synchronous: they get the connection itself, which must
 * not be used for anything that goes on after they return. A busy database is reported at once, or after the connection's
 * `timeout`; keep that at 50 ms or less, since it blocks the process, and the engine repeats by itself.
 */
export function nodeSqlite(db: DatabaseSync, options?: SqliteAdapterOptions): TxAdapter<DatabaseSync, "sync"> {
  const connection: SqliteConnection = {
    isInTransaction: () => db.isTransaction,
    run: (sql) => db.exec(sql),
    query(sql, parameters) {
      const statement = db.prepare(sql);
      statement.setReadBigInts(false);
      statement.setReturnArrays(false);
      return statement.all(...(parameters as readonly SQLInputValue[])) as readonly Row[];
    },
  };
  return sqliteAdapter(connection, runImmediately(connection, db), options, (tx) => tx === db);
}
