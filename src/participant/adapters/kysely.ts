import { CompiledQuery, type Kysely, type QueryResult, type Transaction } from "kysely";
import { propertyOf } from "../../core/error-chain.ts";
import { OptionError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { type Row, runScript } from "../../core/script.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { isAbortedCommit } from "./kysely-aborted.ts";
import { affectedRow, toMysql2 } from "./mysql2-rows.ts";
import { listenForLostConnections, type PgPoolEvents } from "./pg-pool.ts";
import { type Durability, durabilityScript, resolveSqliteOptions } from "./sqlite-durability.ts";
import { takeWriteLock } from "./sqlite-write-lock.ts";
import { transactionRequired } from "./transaction-required.ts";

export type KyselyOptions =
  | {
      readonly dialect: "postgres";
      /**
       * The pool of pg behind the dialect. Kysely leaves a client that is checked out without an `error` listener, so that a
       * connection lost in mid-transaction ends the process; given the pool, the adapter listens. Without it, do so yourself:
       * `pool.on("connect", (client) => client.on("error", …))`.
       */
      readonly pool?: PgPoolEvents;
    }
  | {
      /** Of Kysely's MysqlDialect over a pool of mysql2. */
      readonly dialect: "mysql";
    }
  | {
      readonly dialect: "sqlite";
      /** As for `betterSqlite3`. */
      readonly durability?: Durability;
    };

/**
 * A participant on Kysely. Bodies get a `Transaction<DB>`: on PostgreSQL, MySQL and MariaDB at READ COMMITTED, on SQLite holding the write lock
 * from the start. Plugins apply to the body's queries and not to makegood's own. Its mode is async on SQLite too: Kysely
 * lets nothing else onto its one connection while a transaction is open, as long as all use the same Kysely instance.
 */
export function kysely<DB>(db: Kysely<DB>, options: KyselyOptions): TxAdapter<Transaction<DB>, "async"> {
  switch (options.dialect) {
    case "postgres":
      checkOptions(options, ["dialect", "pool"], "options");
      return postgresAdapter(db, options.pool);
    case "mysql":
      checkOptions(options, ["dialect"], "options");
      return mysqlAdapter(db);
    case "sqlite":
      checkOptions(options, ["dialect", "durability"], "options");
      return sqliteAdapter(db, options.durability);
    default:
      throw new OptionError("options.dialect", `kysely: expected options.dialect "postgres", "mysql" or "sqlite"`);
  }
}

async function query<DB>(tx: Transaction<DB>, sql: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
  return (await execute(tx, sql, parameters)).rows;
}

function execute<DB>(tx: Transaction<DB>, sql: string, parameters: readonly unknown[]): Promise<QueryResult<Row>> {
  return tx.withoutPlugins().executeQuery<Row>(CompiledQuery.raw(sql, [...parameters]));
}

const expected = "a Transaction of Kysely, before it ends";

async function assertTransaction(tx: unknown): Promise<void> {
  const isTransaction = propertyOf(tx, "isTransaction");
  if (isTransaction === false) throw transactionRequired(expected, "the Kysely instance itself");
  if (isTransaction !== true) throw transactionRequired(expected, tx);
  try {
    await (tx as Transaction<unknown>).getExecutor().provideConnection(async () => undefined);
  } catch {
    // Kysely refuses by itself one that has ended.
    throw transactionRequired(expected, "one that has ended");
  }
}

// ── PostgreSQL ─────────────────────────────────────────────────────────────────────────────────────────────────────

function postgresAdapter<DB>(db: Kysely<DB>, pool: PgPoolEvents | undefined): TxAdapter<Transaction<DB>, "async"> {
  if (pool !== undefined) listenForLostConnections(pool);
  return {
    mode: "async",
    dialect: "postgres",
    async transaction(body) {
      try {
        return await db
          .transaction()
          .setIsolationLevel("read committed")
          .execute(async (tx) => body(tx));
      } catch (error) {
        throw isAbortedCommit(error) ? new CommitRefusedError({ cause: error }) : error;
      }
    },
    assertTransaction,
    query,
  };
}

// ── MySQL and MariaDB ──────────────────────────────────────────────────────────────────────────────────────────────

function mysqlAdapter<DB>(db: Kysely<DB>): TxAdapter<Transaction<DB>, "async"> {
  return {
    mode: "async",
    dialect: "mysql",
    transaction: (body) =>
      db
        .transaction()
        .setIsolationLevel("read committed")
        .execute(async (tx) => body(tx)),
    assertTransaction,
    async query(tx, sql, parameters) {
      const { rows, numAffectedRows, insertId } = await execute(tx, sql, parameters.map(toMysql2));
      return numAffectedRows === undefined ? rows : [affectedRow(numAffectedRows, insertId)];
    },
  };
}

// ── SQLite ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function sqliteAdapter<DB>(db: Kysely<DB>, chosen: Durability | undefined): TxAdapter<Transaction<DB>, "async"> {
  const { durability } = resolveSqliteOptions(chosen === undefined ? {} : { durability: chosen });
  let isChecked = false;
  return {
    mode: "async",
    dialect: "sqlite",
    transaction: (body) =>
      db.transaction().execute(async (tx) => {
        await query(tx, takeWriteLock, []);
        if (!isChecked) await runScript(durabilityScript(durability), ({ sql }) => query(tx, sql, []));
        isChecked = true;
        return body(tx);
      }),
    assertTransaction,
    query,
  };
}
