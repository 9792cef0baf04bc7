// A client of pg's pool, checked out for one transaction.
import { createHash } from "node:crypto";
import type { Pool, PoolClient } from "pg";
import { InvariantError } from "../../core/errors.ts";
import type { Row } from "../../core/script.ts";
import { propertyOf } from "../error-chain.ts";
import { lend, lenderOf } from "./lend.ts";
import { lifeOf } from "./life.ts";
import { listenForLostConnections } from "./pg-pool.ts";
import { noTransaction, probeTransaction } from "./pg-probe.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { transactionRequired } from "./transaction-required.ts";

export interface PgConnections {
  /**
   * Checks a client out and hands it to `use`, which begins and commits, and keeps it from bodies that go on after that. If
   * it throws: ROLLBACK, and the client is discarded unless the server said that it did so (D8).
   */
  checkOut<R>(use: (client: PoolClient) => Promise<R>): Promise<R>;
  query(tx: PoolClient, sql: string, parameters: readonly unknown[]): Promise<readonly Row[]>;
  /** What the server said when it ended the connection between two statements; else `error` itself. */
  reasonOf(client: PoolClient, error: unknown): unknown;
}

/** @param prepare whether statements of ours are prepared once on each connection, instead of parsed and planned each time */
export function pgConnections(pool: Pool, prepare = false): PgConnections {
  listenForLostConnections(pool);
  const endings = new WeakMap<PoolClient, Error>();
  const reasonOf = (client: PoolClient, error: unknown): unknown => endings.get(client) ?? error;
  return {
    async checkOut(use) {
      const client = await pool.connect();
      const hear = (error: Error): void => {
        if (!endings.has(client)) endings.set(client, error);
      };
      client.on("error", hear);
      let isClean = false;
      try {
        const result = await use(client);
        isClean = true;
        return result;
      } catch (error) {
        isClean = !endings.has(client) && (await rollBackPatiently(() => rollBack(client)));
        throw error;
      } finally {
        client.release(!isClean);
        client.off("error", hear);
      }
    },
    async query(tx, sql, parameters) {
      const client = lenderOf(tx);
      refuseEnded(client);
      try {
        const name = prepare ? preparedName(sql) : undefined;
        return (await client.query<Row>({ text: sql, values: [...parameters], ...(name && { name }) })).rows;
      } catch (error) {
        throw reasonOf(client, error);
      }
    },
    reasonOf,
  };
}

/** Where the answer is not that of ROLLBACK, driver and server are out of step: the connection must go. */
async function rollBack(client: PoolClient): Promise<void> {
  const { command } = await client.query("ROLLBACK");
  if (command !== "ROLLBACK") throw new InvariantError("Expected the answer to ROLLBACK, found another");
}

/** A connection keeps what it has prepared, so texts that are made anew each time must not be without end. */
const maxPrepared = 200;
const names = new Map<string, string>();

/**
 * A prepared plan is kept, also when it was made for a small table that has become a large one: up to a minute, until that is
 * analyzed. What finds one row by its key is the same in both; what looks for many, or joins a list, is planned each time.
 */
const looksForMany = /\bLIMIT\b|\bjson_/;
/** Migrations are run once. */
const isRepeated = /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b/;

/** The same for the same text in every process, since a pooler may hand one connection to several. Undefined: not prepared. */
function preparedName(sql: string): string | undefined {
  const known = names.get(sql);
  if (known !== undefined || names.size >= maxPrepared) return known;
  if (!isRepeated.test(sql) || looksForMany.test(sql)) return undefined;
  const name = `makegood_${createHash("sha256").update(sql).digest("base64url").slice(0, 22)}`;
  names.set(sql, name);
  return name;
}

/** Lends a client's body its transaction. */
export const lendPg = <R>(client: PoolClient, use: (tx: PoolClient) => PromiseLike<R>): Promise<R> =>
  lend(client, pgMethods, use);
const pgMethods: ReadonlySet<string | symbol> = new Set(["query", "release", "end"]);

const expected = "a client of pg between BEGIN and COMMIT";

export async function assertPgTransaction(tx: unknown): Promise<void> {
  if (typeof propertyOf(tx, "totalCount") === "number") throw transactionRequired(expected, "a pool");
  if (typeof propertyOf(tx, "query") !== "function") throw transactionRequired(expected, tx);
  if (lifeOf(tx as object)?.isOver === true) throw transactionRequired(expected, "one whose transaction has ended");
  if (!(await isInTransaction(tx as PoolClient)))
    throw transactionRequired(expected, "a client without an open transaction");
}

/** Older versions of pg cannot tell, so the server is asked: outside of a transaction it refuses a savepoint. */
async function isInTransaction(client: PoolClient): Promise<boolean> {
  const status = client.getTransactionStatus?.();
  if (status !== undefined) return status === "T" || status === "E";
  try {
    await client.query(probeTransaction);
    return true;
  } catch (error) {
    if (propertyOf(error, "code") === noTransaction) return false;
    throw error;
  }
}

/** `I` is idle: no transaction. Older versions of pg cannot tell. */
export function refuseEnded(client: PoolClient): void {
  if (client.getTransactionStatus?.() !== "I") return;
  throw new InvariantError(
    "Expected the transaction to be open, found it ended; a body must not send COMMIT or ROLLBACK. Its effect may have happened",
  );
}
