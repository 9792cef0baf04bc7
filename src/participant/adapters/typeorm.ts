import type { DataSource, EntityManager, QueryRunner } from "typeorm";
import { propertyOf } from "../../core/error-chain.ts";
import { OptionError, StoreConflictError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { runScript } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { createQueue, type Queue } from "./queue.ts";
import { type RawConnection, rawConnection, runBegun } from "./raw-connection.ts";
import { durabilityScript, resolveSqliteOptions, type SqliteAdapterOptions } from "./sqlite-durability.ts";
import { takeWriteLock } from "./sqlite-write-lock.ts";
import { transactionRequired } from "./transaction-required.ts";

export interface TypeormOptions extends SqliteAdapterOptions {
  /**
   * Says that nothing but this participant uses the data source. Required on SQLite: there TypeORM has one connection for
   * all code of the process, so that a statement of anyone's would come into an open transaction, and be rolled back with it.
   */
  readonly exclusive?: boolean;
}

/**
 * A participant on a `DataSource` of TypeORM over pg, mysql2 or better-sqlite3. Bodies get the `EntityManager` of an open
 * transaction: on PostgreSQL, MySQL and MariaDB at READ COMMITTED, on SQLite holding the write lock from the start.
 *
 * @throws OPTION_INVALID for another type of data source, and on SQLite without `exclusive`.
 */
export function typeorm(dataSource: DataSource, options: TypeormOptions = {}): TxAdapter<EntityManager, "async"> {
  checkOptions(options, ["exclusive", "durability"], "options");
  const dialect = dialectOf(dataSource);
  if (dialect === "sqlite" && options.exclusive !== true)
    throw new OptionError("options.exclusive", `options.exclusive: ${exclusiveExpected}`);
  const { durability = "warn" } = options;
  resolveSqliteOptions({ durability });
  const queue: Queue = dialect === "sqlite" ? createQueue() : (run) => run();
  let isChecked = false;

  const prepare = async (raw: RawConnection): Promise<void> => {
    if (dialect !== "sqlite") return;
    await raw.query(takeWriteLock, []);
    if (!isChecked) await runScript(durabilityScript(durability), ({ sql }) => raw.query(sql, []));
    isChecked = true;
  };
  return {
    mode: "async",
    dialect,
    transaction: (body) =>
      queue(async () => {
        const runner = dataSource.createQueryRunner();
        const raw = await begin(runner, dialect);
        const begun = {
          tx: runner.manager,
          raw,
          commit: () => runner.commitTransaction(),
          rollback: () => runner.rollbackTransaction(),
          release: (isUsable: boolean) => giveBack(dialect, runner, isUsable ? undefined : raw),
        };
        return await runBegun(begun, async (tx) => {
          await prepare(raw);
          return body(tx);
        });
      }),
    async assertTransaction(tx) {
      const runner = propertyOf(tx, "queryRunner");
      if (runner === undefined || runner === null)
        throw transactionRequired(expected, propertyOf(tx, "query") === undefined ? tx : "one without a transaction");
      if (propertyOf(runner, "isReleased") === true || propertyOf(runner, "isTransactionActive") !== true)
        throw transactionRequired(expected, "one whose transaction has ended");
      await (await rawOf(dialect, tx as EntityManager)).assertTransaction();
    },
    async query(tx, sql, parameters) {
      return (await rawOf(dialect, tx)).query(sql, parameters);
    },
  };
}

const expected = "the EntityManager that dataSource.transaction(…) of TypeORM hands to its body";
const exclusiveExpected =
  "expected true on SQLite, where TypeORM has one connection for all code of the process: give the participant a data source of its own and say so, or use betterSqlite3(db)";

async function begin(runner: QueryRunner, dialect: Dialect): Promise<RawConnection> {
  if (runner.isTransactionActive)
    throw new StoreConflictError(
      "Expected no open transaction on this data source, found one; it is not exclusive",
      {},
    );
  const raw = rawConnection(dialect, await runner.connect());
  const stopListening = raw.listen();
  try {
    await runner.startTransaction(dialect === "sqlite" ? undefined : "READ COMMITTED");
    return raw;
  } catch (error) {
    await giveBack(dialect, runner, raw);
    throw error;
  } finally {
    stopListening();
  }
}

/** SQLite's one connection stays where it is. */
async function giveBack(dialect: Dialect, runner: QueryRunner, unusable?: RawConnection): Promise<void> {
  unusable?.discard();
  if (dialect !== "sqlite") await runner.release();
}

async function rawOf(dialect: Dialect, { queryRunner }: EntityManager): Promise<RawConnection> {
  return rawConnection(dialect, await queryRunner?.connect());
}

const dialects: Readonly<Record<string, Dialect>> = {
  postgres: "postgres",
  mysql: "mysql",
  mariadb: "mysql",
  "better-sqlite3": "sqlite",
};

function dialectOf(dataSource: DataSource): Dialect {
  const type = String(propertyOf(propertyOf(dataSource, "options"), "type"));
  const dialect = dialects[type];
  if (dialect !== undefined) return dialect;
  throw new OptionError(
    "dataSource",
    `typeorm: expected a data source of type ${Object.keys(dialects).join(", ")}, found ${type}`,
  );
}
