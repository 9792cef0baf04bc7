import type { Knex } from "knex";
import { propertyOf } from "../../core/error-chain.ts";
import { OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { runScript } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { type RawConnection, rawConnection, runBegun } from "./raw-connection.ts";
import { durabilityScript, resolveSqliteOptions, type SqliteAdapterOptions } from "./sqlite-durability.ts";
import { takeWriteLock } from "./sqlite-write-lock.ts";
import { transactionRequired } from "./transaction-required.ts";

/**
 * A participant on Knex over pg, mysql2 or better-sqlite3. Bodies get a `Knex.Transaction`: on PostgreSQL, MySQL and MariaDB
 * at READ COMMITTED, on SQLite holding the write lock from the start. On SQLite leave the pool at its one connection: Knex
 * lets nothing else onto it while a transaction is open. `options` is for SQLite, as for `betterSqlite3`.
 *
 * @throws OPTION_INVALID for a Knex over another driver.
 */
export function knex(db: Knex, options?: SqliteAdapterOptions): TxAdapter<Knex.Transaction, "async"> {
  const client = clientOf(db);
  const dialect = dialectOf(client);
  const { durability } = resolveSqliteOptions(options);
  let isChecked = false;

  /** Its one connection is checked once. */
  const prepare = async (raw: RawConnection): Promise<void> => {
    if (dialect !== "sqlite") return;
    await raw.query(takeWriteLock, []);
    if (!isChecked) await runScript(durabilityScript(durability), ({ sql }) => raw.query(sql, []));
    isChecked = true;
  };
  return {
    mode: "async",
    dialect,
    async transaction(body) {
      const connection = await client.acquireConnection();
      const raw = rawConnection(dialect, connection);
      const release = (isUsable: boolean): unknown => {
        if (!isUsable) Reflect.set(connection, knexDisposed, "makegood could not roll back on it");
        return client.releaseConnection(connection);
      };
      const tx = await begin(db, connection, dialect).catch(async (error) => {
        await release(false);
        throw error;
      });
      // Of a COMMIT that failed it is this promise that tells; and it must not be left without a listener.
      const ended = tx.executionPromise;
      ended.catch(() => undefined);
      const commit = async (): Promise<void> => {
        await tx.commit();
        await ended;
      };
      const rollback = async (): Promise<void> => {
        if (tx.isCompleted()) await raw.query("ROLLBACK", []);
        else await tx.rollback();
        await ended;
      };
      return await runBegun({ tx, raw, commit, rollback, release }, async () => {
        await prepare(raw);
        return body(tx);
      });
    },
    async assertTransaction(tx) {
      if (propertyOf(tx, "isTransaction") !== true)
        throw transactionRequired(expected, typeof tx === "function" ? "the Knex instance itself" : tx);
      if ((tx as Knex.Transaction).isCompleted()) throw transactionRequired(expected, "one that has ended");
      await (await rawOf(dialect, tx as Knex.Transaction)).assertTransaction();
    },
    async query(tx, sql, parameters) {
      return (await rawOf(dialect, tx)).query(sql, parameters);
    },
  };
}

const expected = "a Knex.Transaction, before it ends";

/**
 * Knex's own mark of a connection that its pool must drop, with a line in its log. Only where ROLLBACK failed: a warning for
 * each body that throws would drown the others.
 */
const knexDisposed = "__knex__disposed";

/** A connection of ours, which Knex does not give back by itself: so it can be discarded before. */
async function begin(db: Knex, connection: unknown, dialect: Dialect): Promise<Knex.Transaction> {
  const isolation = dialect === "sqlite" ? {} : { isolationLevel: "read committed" };
  const config = { connection, doNotRejectOnRollback: true, ...isolation };
  const tx: Knex.Transaction = await (db.transaction(undefined as never, config as never) as never);
  // Knex hands out a transaction also where BEGIN failed, as one that has ended.
  if (tx.isCompleted()) await tx.executionPromise;
  return tx;
}

interface KnexClient {
  readonly driverName: string;
  acquireConnection(): Promise<object>;
  releaseConnection(connection: unknown): Promise<void>;
}

/** Not in Knex's types, yet the same since its version 0.95; a transaction's client gives out its one connection. */
function clientOf(db: unknown): KnexClient {
  const client = propertyOf(db, "client");
  if (typeof propertyOf(client, "acquireConnection") === "function") return client as KnexClient;
  throw new OptionError("db", "knex: expected an instance of Knex, found none");
}

const rawOf = async (dialect: Dialect, tx: unknown): Promise<RawConnection> =>
  rawConnection(dialect, await clientOf(tx).acquireConnection());

const dialects: Readonly<Record<string, Dialect>> = { pg: "postgres", mysql2: "mysql", "better-sqlite3": "sqlite" };

function dialectOf({ driverName }: KnexClient): Dialect {
  const dialect = dialects[driverName];
  if (dialect !== undefined) return dialect;
  throw new OptionError("db", `knex: expected a Knex over pg, mysql2 or better-sqlite3, found it over ${driverName}`);
}
