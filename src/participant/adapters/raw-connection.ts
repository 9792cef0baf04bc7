// The driver's connection beneath an ORM's transaction. Makegood's own statements go over it, so that neither the ORM's
// placeholders nor its reading of rows, its hooks or its query log come in between.
import type { Connection as Mysql2Connection } from "mysql2/promise";
import type { PoolClient } from "pg";
import { propertyOf } from "../../core/error-chain.ts";
import { InvariantError } from "../../core/errors.ts";
import type { Awaitable } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { type BetterSqlite3Database, betterSqlite3Connection } from "./better-sqlite3.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { assertMysql2Transaction, queryMysql2 } from "./mysql2-connection.ts";
import { assertPgTransaction, refuseEnded } from "./pg-connection.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { transactionRequired } from "./transaction-required.ts";

export interface RawConnection {
  query(sql: string, parameters: readonly unknown[]): Awaitable<readonly Row[]>;
  /** Throws TRANSACTION_REQUIRED where no transaction is open. */
  assertTransaction(): Awaitable<void>;
  /** After COMMIT. Throws where it was answered with ROLLBACK. */
  assertCommitted(): void;
  /** After ROLLBACK. Throws where the answer was another's, since the driver is out of step with the server. */
  assertRolledBack(): void;
  /** Makes it unfit for use, so that its pool drops it when it comes back. */
  discard(): void;
  /** Hears of its loss, which would end the process if nobody did; returns how to stop. */
  listen(): () => void;
}

export function rawConnection(dialect: Dialect, connection: unknown): RawConnection {
  switch (dialect) {
    case "postgres":
      return rawPg(connection);
    case "mysql":
      return rawMysql2(connection);
    case "sqlite":
      return rawSqlite(connection);
  }
}

/** A transaction that an ORM has begun. */
export interface Begun<Tx> {
  readonly tx: Tx;
  readonly raw: RawConnection;
  commit(): Promise<unknown>;
  rollback(): Promise<unknown>;
  /** Gives the connection back. `isUsable`: after COMMIT or ROLLBACK. Else its pool must drop it. */
  release(isUsable: boolean): unknown;
}

/** Runs a body in it and commits. After an error of any kind: ROLLBACK, and if that fails the connection is discarded (D8). */
export async function runBegun<Tx, R>(begun: Begun<Tx>, body: (tx: Tx) => Awaitable<R>): Promise<R> {
  const { tx, raw } = begun;
  const stopListening = raw.listen();
  let isUsable = false;
  try {
    const result = await body(tx);
    await begun.commit();
    raw.assertCommitted();
    isUsable = true;
    return result;
  } catch (error) {
    isUsable = await rollBackPatiently(async () => {
      await begun.rollback();
      raw.assertRolledBack();
    });
    throw error;
  } finally {
    await begun.release(isUsable);
    stopListening();
  }
}

const ignore = (): void => undefined;

/** Hears what the server said when it ended a connection between two statements; the next statement is only told that it is closed. */
const endings = new WeakMap<object, Error>();

function rawPg(connection: unknown): RawConnection {
  const client = checked(connection, "query", "pg") as PoolClient;
  let lastCommand: string | undefined;
  return {
    async query(sql, parameters) {
      refuseEnded(client);
      try {
        return (await client.query<Row>(sql, [...parameters])).rows;
      } catch (error) {
        throw endings.get(client) ?? error;
      }
    },
    assertTransaction: () => assertPgTransaction(client),
    assertCommitted() {
      if (lastCommand === "ROLLBACK") throw new CommitRefusedError();
    },
    assertRolledBack() {
      if (lastCommand !== "ROLLBACK") throw new InvariantError("Expected the answer to ROLLBACK, found another");
    },
    discard: () => void Promise.resolve((client as { end?: () => Promise<void> }).end?.()).catch(ignore),
    listen() {
      const hear = (error: Error): void => {
        if (!endings.has(client)) endings.set(client, error);
      };
      const note = ({ text }: { readonly text?: string }): void => {
        lastCommand = text;
      };
      // ORMs keep to themselves what COMMIT was answered with, so it is heard where pg itself hears it.
      const { connection } = client as { connection?: NodeJS.EventEmitter };
      client.on("error", hear);
      connection?.on("commandComplete", note);
      return () => {
        client.off("error", hear);
        connection?.off("commandComplete", note);
      };
    },
  };
}

/** ORMs use mysql2's callbacks; its promises are a face of the same connection. */
function rawMysql2(connection: unknown): RawConnection {
  const callbacks = checked(connection, "promise", "mysql2") as unknown as { promise(): Mysql2Connection };
  const promises = callbacks.promise();
  return {
    query: (sql, parameters) => queryMysql2(promises, sql, parameters),
    assertTransaction: () => assertMysql2Transaction(promises),
    assertCommitted: ignore,
    assertRolledBack: ignore,
    discard: () => promises.destroy(),
    listen() {
      promises.on("error", ignore);
      return () => void promises.off("error", ignore);
    },
  };
}

function rawSqlite(connection: unknown): RawConnection {
  const database = checked(connection, "prepare", "better-sqlite3") as unknown as BetterSqlite3Database;
  const { query, isInTransaction } = betterSqlite3Connection(database);
  return {
    query,
    assertTransaction() {
      if (!isInTransaction()) throw transactionRequired("an open transaction", "none on this connection");
    },
    assertCommitted: ignore,
    assertRolledBack: ignore,
    discard: ignore,
    listen: () => ignore,
  };
}

function checked(connection: unknown, method: string, driver: string): object {
  if (typeof propertyOf(connection, method) === "function") return connection as object;
  throw new InvariantError(
    `Expected a connection of ${driver} beneath the transaction, found something else; makegood does not know this version of the ORM, or it runs on another driver`,
  );
}
