import type { EntityManager, IDatabaseDriver, MikroORM } from "@mikro-orm/core";
import { propertyOf } from "../../core/error-chain.ts";
import { InvariantError, OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { type Row, runScript } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { isAbortedCommit } from "./kysely-aborted.ts";
import { affectedRow, toMysql2 } from "./mysql2-rows.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { durabilityScript, resolveSqliteOptions, type SqliteAdapterOptions } from "./sqlite-durability.ts";
import { takeWriteLock } from "./sqlite-write-lock.ts";
import { transactionRequired } from "./transaction-required.ts";

/** `MikroORM` of any driver, with the user's own entities. */
// biome-ignore lint/suspicious/noExplicitAny: stands for every driver; the user's own entity manager comes back
type AnyMikroOrm = Pick<MikroORM<IDatabaseDriver, any>, "driver"> & { readonly em: any };

/**
 * A participant on MikroORM 7 over PostgreSQL, MySQL, MariaDB or SQLite. Bodies get a fork of the `EntityManager` in an open
 * transaction: at READ COMMITTED, on SQLite holding the write lock from the start. What a body has persisted is flushed
 * when it returns, before the transaction's last statements. A session context of MikroORM's is not applied. `options` is
 * for SQLite, as for `betterSqlite3`.
 *
 * @throws OPTION_INVALID for another driver.
 */
export function mikroOrm<Orm extends AnyMikroOrm>(
  orm: Orm,
  options?: SqliteAdapterOptions,
): TxAdapter<Orm["em"], "async"> {
  const dialect = dialectOf(orm);
  const { durability } = resolveSqliteOptions(options);
  let isChecked = false;
  const own = new WeakSet<EntityManager>();

  const prepare = async (em: EntityManager): Promise<void> => {
    if (dialect !== "sqlite") return;
    await execute(dialect, em, takeWriteLock, []);
    if (!isChecked) await runScript(durabilityScript(durability), ({ sql }) => execute(dialect, em, sql, []));
    isChecked = true;
  };
  return {
    mode: "async",
    dialect,
    transaction: (body) =>
      onOneConnection(orm, async (db) => {
        const em = (orm.em as EntityManager).fork({ useContext: false });
        const begin = db.startTransaction();
        const context = await (dialect === "sqlite" ? begin : begin.setIsolationLevel("read committed")).execute();
        em.setTransactionContext(context);
        own.add(em);
        try {
          await prepare(em);
          const result = await body(em);
          await em.commit();
          return result;
        } catch (error) {
          await rollBackPatiently(() => em.rollback());
          throw isAbortedCommit(error) ? new CommitRefusedError({ cause: error }) : error;
        } finally {
          // Without one, a body that goes on would write outside of any transaction; in one that has ended Kysely refuses it.
          em.setTransactionContext(context);
        }
      }),
    async assertTransaction(tx) {
      if (typeof propertyOf(tx, "isInTransaction") !== "function") throw transactionRequired(expected, tx);
      const context = (tx as EntityManager).getTransactionContext();
      if (context === undefined) throw transactionRequired(expected, "one without a transaction");
      if (propertyOf(context, "isCommitted") === true || propertyOf(context, "isRolledBack") === true)
        throw transactionRequired(expected, "one whose transaction has ended");
    },
    async query(em: EntityManager, sql, parameters) {
      // The body's own failures show here, not at COMMIT, where less could be said of them.
      if (own.has(em)) await em.flush();
      return execute(dialect, em, sql, parameters);
    },
  };
}

const expected = "an EntityManager of MikroORM inside a transaction";

/** Beneath MikroORM is Kysely, of which these parts are used. */
interface KyselyTransaction {
  withoutPlugins(): {
    executeQuery(query: object): Promise<{ rows: readonly Row[]; numAffectedRows?: bigint; insertId?: bigint }>;
  };
}
interface KyselyBegin {
  setIsolationLevel(level: string): KyselyBegin;
  execute(): Promise<KyselyTransaction>;
}
interface KyselyConnection {
  startTransaction(): KyselyBegin;
}
interface SqlConnection {
  ensureConnection(): Promise<void>;
  getClient(): { connection(): { execute<R>(use: (db: KyselyConnection) => Promise<R>): Promise<R> } };
}

/**
 * As `em.begin()` would, but on a connection that goes back in any case: of a transaction whose ROLLBACK fails, since its
 * connection is lost, the Kysely of MikroORM 7.2 never gives it back, so that the pool runs dry.
 */
async function onOneConnection<R>(orm: AnyMikroOrm, use: (db: KyselyConnection) => Promise<R>): Promise<R> {
  const connection = orm.driver.getConnection("write") as unknown as SqlConnection;
  await connection.ensureConnection();
  return await connection.getClient().connection().execute(use);
}

async function execute(
  dialect: Dialect,
  em: EntityManager,
  sql: string,
  given: readonly unknown[],
): Promise<readonly Row[]> {
  const context = em.getTransactionContext<KyselyTransaction>();
  if (context === undefined)
    throw new InvariantError(
      "Expected the transaction to be open, found it ended; a body must not commit or roll back by itself. Its effect may have happened",
    );
  const parameters = dialect === "mysql" ? given.map(toMysql2) : [...given];
  // As Kysely's CompiledQuery.raw makes it: MikroORM brings a Kysely of its own, which cannot be imported from here.
  const query = { sql, parameters, query: { kind: "RawNode", sqlFragments: [sql], parameters: [] }, queryId };
  const { rows, numAffectedRows, insertId } = await context.withoutPlugins().executeQuery(query);
  return dialect === "mysql" && numAffectedRows !== undefined ? [affectedRow(numAffectedRows, insertId)] : rows;
}

const queryId = { queryId: "makegood" };

const dialects: Readonly<Record<string, Dialect>> = {
  PostgreSqlDriver: "postgres",
  MySqlDriver: "mysql",
  MariaDbDriver: "mysql",
  SqliteDriver: "sqlite",
};

function dialectOf(orm: AnyMikroOrm): Dialect {
  const name = String(propertyOf(propertyOf(propertyOf(orm, "driver"), "constructor"), "name"));
  const dialect = dialects[name];
  if (dialect !== undefined) return dialect;
  throw new OptionError(
    "orm",
    `mikroOrm: expected one of the drivers ${Object.keys(dialects).join(", ")}, found ${name}`,
  );
}
