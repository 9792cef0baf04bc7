import type { Sequelize, Transaction } from "sequelize";
import { OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Dialect } from "../../core/store.ts";
import { propertyOf } from "../error-chain.ts";
import { rawConnection, runBegun } from "./raw-connection.ts";
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
      let isCommitted = false;
      const begun = {
        tx,
        raw,
        async commit() {
          await tx.commit();
          isCommitted = true;
        },
        rollback: async () => raw.query("ROLLBACK", []),
        // COMMIT and ROLLBACK of Sequelize's give the connection back by themselves; after an error it is destroyed instead.
        release: () => (isCommitted ? undefined : destroy(tx)),
      };
      return await runBegun(begun, body);
    },
    async assertTransaction(tx) {
      const connection = connectionOf(tx);
      if (typeof propertyOf(tx, "commit") !== "function") throw transactionRequired(expected, describe(tx));
      if (connection === undefined || propertyOf(tx, "finished") !== undefined)
        throw transactionRequired(expected, "one that has ended");
      await rawConnection(dialect, connection).assertTransaction();
    },
    query: async (tx, sql, parameters) => rawConnection(dialect, connectionOf(tx)).query(sql, parameters),
  };
}

const expected = "a Transaction of Sequelize, before it ends";
const readCommitted = "READ COMMITTED" as Transaction.ISOLATION_LEVELS;

const describe = (tx: unknown): unknown =>
  typeof propertyOf(tx, "transaction") === "function" ? "the Sequelize instance itself" : tx;

/** Not in Sequelize's types; it takes the transaction's statements to this connection itself. */
const connectionOf = (tx: unknown): unknown => propertyOf(tx, "connection");

async function destroy(tx: Transaction): Promise<void> {
  const ending = tx as unknown as { finished?: string; forceCleanup(): Promise<void> };
  ending.finished ??= "rollback";
  await ending.forceCleanup().catch(() => undefined);
}

function dialectOf(db: Sequelize): Dialect {
  const name = typeof db.getDialect === "function" ? db.getDialect() : "none";
  if (name === "postgres" || name === "mysql") return name;
  throw new OptionError("db", `sequelize: expected a Sequelize of dialect postgres or mysql, found ${name}`);
}
