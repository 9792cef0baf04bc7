import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { propertyOf } from "../../core/error-chain.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { runImmediately, type SqliteConnection, sqliteAdapter } from "./sqlite-adapter.ts";
import type { SqliteAdapterOptions } from "./sqlite-durability.ts";

const maxStatements = 200;

/** The database was closed and opened again; the statement has not run. */
const isFinalized = (error: unknown): boolean => propertyOf(error, "code") === "ERR_INVALID_STATE";

/**
 * A participant on a `DatabaseSync` of node:sqlite. Its bodies are synchronous: they get the connection itself, which must
 * not be used for anything that goes on after they return. A busy database is reported at once, or after the connection's
 * `timeout`; keep that at 50 ms or less, since it blocks the process, and the engine repeats by itself.
 */
export function nodeSqlite(db: DatabaseSync, options?: SqliteAdapterOptions): TxAdapter<DatabaseSync, "sync"> {
  // Preparing takes longer than running, and most texts are the same again and again.
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const statement = db.prepare(sql);
    statement.setReadBigInts(false);
    statement.setReturnArrays(false);
    if (statements.size >= maxStatements) statements.clear();
    statements.set(sql, statement);
    return statement;
  };
  const perform = <R>(sql: string, run: (statement: StatementSync) => R): R => {
    const known = statements.get(sql);
    if (known !== undefined) {
      try {
        return run(known);
      } catch (error) {
        if (!isFinalized(error)) throw error;
        statements.clear();
      }
    }
    return run(prepare(sql));
  };
  const connection: SqliteConnection = {
    isInTransaction: () => db.isTransaction,
    run: (sql) => void perform(sql, (statement) => statement.run()),
    query: (sql, parameters) =>
      perform(sql, (statement) => statement.all(...(parameters as SQLInputValue[])) as readonly Row[]),
    change: (sql, parameters) =>
      perform(sql, (statement) => Number(statement.run(...(parameters as SQLInputValue[])).changes)),
  };
  return sqliteAdapter(connection, runImmediately(connection, db), options, (tx) => tx === db);
}
