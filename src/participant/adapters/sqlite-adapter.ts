// What the synchronous SQLite clients have in common. Everything between BEGIN and COMMIT happens in one turn of the event
// loop, so no other code of this process can come into the transaction, although all of it shares the connection.
import { InvariantError, StoreConflictError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { type Row, runScriptSync } from "../../core/script.ts";
import { durabilityScript, resolveSqliteOptions, type SqliteAdapterOptions } from "./sqlite-durability.ts";
import { transactionRequired } from "./transaction-required.ts";

export interface SqliteConnection {
  isInTransaction(): boolean;
  run(sql: string): void;
  /** Rows as objects with numbers, strings, null and Uint8Array, whatever the user set on the connection; [] where there are none. */
  query(sql: string, parameters: readonly unknown[]): readonly Row[];
  /** Of a statement without rows: how many it inserted, updated or deleted. */
  change(sql: string, parameters: readonly unknown[]): number;
}

/** How the client runs a transaction: begins IMMEDIATE, commits what the body returned, rolls back and rethrows what it threw. */
export type RunImmediate<Tx> = <R>(body: (tx: Tx) => R) => R;

export function sqliteAdapter<Tx>(
  connection: SqliteConnection,
  runImmediate: RunImmediate<Tx>,
  options: SqliteAdapterOptions | undefined,
  isTx: (tx: unknown) => boolean,
): TxAdapter<Tx, "sync"> {
  const { durability } = resolveSqliteOptions(options);
  let isChecked = false;
  const check = (): void => {
    if (!isChecked) runScriptSync(durabilityScript(durability), ({ sql }) => connection.query(sql, []));
    isChecked = true;
  };
  return {
    mode: "sync",
    dialect: "sqlite",
    transaction(body) {
      refuseNesting(connection);
      check();
      return runImmediate(body);
    },
    statement(sql, parameters) {
      refuseNesting(connection);
      check();
      return connection.query(sql, parameters);
    },
    assertTransaction(tx) {
      if (!isTx(tx)) throw transactionRequired(expected, tx);
      if (!connection.isInTransaction()) throw transactionRequired(expected, "no open transaction");
    },
    query(_tx, sql, parameters) {
      assertOpen(connection);
      return connection.query(sql, parameters);
    },
    change(_tx, sql, parameters) {
      assertOpen(connection);
      return connection.change(sql, parameters);
    },
  };
}

function assertOpen(connection: SqliteConnection): void {
  if (connection.isInTransaction()) return;
  throw new InvariantError(
    "Expected the transaction to be open, found it ended; a body must not send COMMIT or ROLLBACK, or hide an error after which SQLite rolls back. Its effect may have happened",
  );
}

const expected = "this participant's own database, with a transaction open";

/** Another body is under way, or somebody left a transaction open: joining it would tie our COMMIT to theirs. */
function refuseNesting(connection: SqliteConnection): void {
  if (!connection.isInTransaction()) return;
  throw new StoreConflictError(
    "Expected no open transaction on this SQLite connection, found one; transactions of a participant do not nest. Give the participant a connection of its own",
    {},
  );
}

/** For clients that are told each statement. SQLite itself undoes nothing of a COMMIT that failed for a busy database. */
export function runImmediately<Tx>(connection: SqliteConnection, tx: Tx): RunImmediate<Tx> {
  return (body) => {
    connection.run("BEGIN IMMEDIATE");
    try {
      const result = body(tx);
      connection.run("COMMIT");
      return result;
    } catch (error) {
      rollBack(connection);
      throw error;
    }
  };
}

/** Some errors end the transaction by themselves. One that cannot be rolled back stays open, and the next one is refused. */
function rollBack(connection: SqliteConnection): void {
  if (!connection.isInTransaction()) return;
  try {
    connection.run("ROLLBACK");
  } catch {
    // The error that brought us here says more.
  }
}
