import type { Sequelize, Transaction } from "sequelize";
import { propertyOf } from "../../core/error-chain.ts";
import { InvariantError, OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Dialect } from "../../core/store.ts";
import { type RawConnection, rawConnection, runBegun } from "./raw-connection.ts";
import { transactionRequired } from "./transaction-required.ts";

/**
 * A participant on Sequelize 6 over pg or mysql2. Bodies get a `Transaction` at READ COMMITTED; hand it to each query as
 * `{ transaction: tx }`, or that query runs outside of it.
 *
 * @throws OPTION_INVALID for another dialect. SQLite is not among them: Sequelize 6 reaches it through `sqlite3`, whose
 * transactions begin DEFERRED.
 */
export function sequelize(db: Sequelize): TxAdapter<Transaction, "async"> {
  const dialect = dialectOf(db);
  return {
    mode: "async",
    dialect,
    async transaction(body) {
      const tx = await db.transaction({ isolationLevel: readCommitted });
      const raw = rawConnection(dialect, connectionOf(tx));
      const begun = {
        tx,
        raw,
        commit: () => tx.commit(),
        rollback: async () => (holds(tx) ? raw.query("ROLLBACK", []) : undefined),
        release: (isUsable: boolean) => (holds(tx) ? giveBack(tx, isUsable ? undefined : raw) : undefined),
      };
      return await runBegun(begun, body);
    },
    async assertTransaction(tx) {
      const connection = connectionOf(tx);
      if (typeof propertyOf(tx, "commit") !== "function") throw transactionRequired(expected, describe(tx));
      if (connection === undefined || propertyOf(tx, "finished") !== undefined || !holds(tx as Transaction))
        throw transactionRequired(expected, "one that has ended");
      await rawConnection(dialect, connection).assertTransaction();
    },
    async query(tx, sql, parameters) {
      if (!holds(tx)) throw endedError();
      return rawConnection(dialect, connectionOf(tx)).query(sql, parameters);
    },
  };
}

const expected = "a Transaction of Sequelize, before it ends";
const readCommitted = "READ COMMITTED" as Transaction.ISOLATION_LEVELS;

const describe = (tx: unknown): unknown =>
  typeof propertyOf(tx, "transaction") === "function" ? "the Sequelize instance itself" : tx;

/** Not in Sequelize's types; it takes the transaction's statements to this connection itself. */
const connectionOf = (tx: unknown): unknown => propertyOf(tx, "connection");

/**
 * Whether the connection is still this transaction's: COMMIT and ROLLBACK of Sequelize's give it back by themselves, and after
 * a deadlock on MySQL Sequelize rolls back unasked. From then on it may be another's.
 */
const holds = (tx: Transaction): boolean => propertyOf(connectionOf(tx), "uuid") === propertyOf(tx, "id");

const endedError = (): InvariantError =>
  new InvariantError(
    "Expected the transaction to be open, found it ended; a body must not commit or roll back by itself, or hide an error after which the database rolls back, such as a deadlock. Its effect may have happened",
  );

async function giveBack(tx: Transaction, unusable: RawConnection | undefined): Promise<void> {
  const ending = tx as unknown as { finished?: string; cleanup(): unknown; forceCleanup(): Promise<void> };
  ending.finished ??= "rollback";
  if (unusable === undefined) return void ending.cleanup();
  unusable.discard();
  await ending.forceCleanup().catch(() => undefined);
}

function dialectOf(db: Sequelize): Dialect {
  const name = typeof db.getDialect === "function" ? db.getDialect() : "none";
  if (name === "postgres" || name === "mysql") return name;
  throw new OptionError("db", `sequelize: expected a Sequelize of dialect postgres or mysql, found ${name}`);
}
