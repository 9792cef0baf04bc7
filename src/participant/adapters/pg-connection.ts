// A client of pg's pool, checked out for one transaction.
import { createHash } from "node:crypto";
import type { Pool, PoolClient } from "pg";
import { propertyOf } from "../../core/error-chain.ts";
import { InvariantError } from "../../core/errors.ts";
import type { Awaitable } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { systemClock } from "../../system.ts";
import { CommitUnknownError } from "./commit-unknown.ts";
import { lend, lenderOf } from "./lend.ts";
import { lifeOf } from "./life.ts";
import { listenForLostConnections } from "./pg-pool.ts";
import { noTransaction, probeTransaction } from "./pg-probe.ts";
import { PgTransaction } from "./pg-transaction.ts";
import { rollBackPatiently } from "./roll-back.ts";
import { transactionRequired } from "./transaction-required.ts";

export interface PgConnections {
  /**
   * Checks a client out and hands it to `use`, which begins and commits, and keeps it from bodies that go on after that. If
   * it throws: ROLLBACK, and the client is discarded unless the server said that it did so (D8).
   */
  checkOut<R>(use: (client: PoolClient) => Promise<R>): Promise<R>;
  /** Begins with the body's first statement, and commits. */
  transaction<R>(body: (tx: PoolClient) => Promise<R>): Promise<R>;
  /** Throws CommitUnknownError of a last one. */
  query(tx: PoolClient, sql: string, parameters: readonly unknown[], isLast?: boolean): Promise<readonly Row[]>;
  /** What the server said when it ended the connection between two statements; else `error` itself. */
  reasonOf(client: PoolClient, error: unknown): unknown;
}

interface KnownClient {
  /** When the server was last heard of on it, by the monotonic clock. */
  heardAt: number;
  /** What the server said when it ended the connection between two statements. */
  ending: Error | undefined;
}

/** For how long a client that was heard of counts as alive. */
const aliveMs = 1_000;

/** @param prepare whether statements of ours are prepared once on each connection, instead of parsed and planned each time */
export function pgConnections(pool: Pool, prepare = false): PgConnections {
  listenForLostConnections(pool);
  const known = new WeakMap<PoolClient, KnownClient>();
  const knowClient = (client: PoolClient, heardAt: number): KnownClient => {
    const made: KnownClient = { heardAt, ending: undefined };
    client.on("error", (error) => {
      made.ending ??= error;
    });
    known.set(client, made);
    return made;
  };
  pool.on("connect", (client) => void knowClient(client, systemClock.monotonicMs()));
  const reasonOf = (client: PoolClient, error: unknown): unknown => known.get(client)?.ending ?? error;

  const checkOut = async <R>(use: (client: PoolClient, heardAt: number) => Promise<R>, undo = rollBack): Promise<R> => {
    const client = await pool.connect();
    const about = known.get(client) ?? knowClient(client, Number.NEGATIVE_INFINITY);
    let isClean = false;
    try {
      const result = await use(client, about.heardAt);
      isClean = true;
      return result;
    } catch (error) {
      isClean = about.ending === undefined && (await rollBackPatiently(() => undo(client)));
      throw error;
    } finally {
      if (isClean) about.heardAt = systemClock.monotonicMs();
      client.release(!isClean);
    }
  };
  return {
    checkOut: (use) => checkOut(use),
    transaction(body) {
      let transaction: PgTransaction | undefined;
      return checkOut(
        async (client, heardAt) => {
          transaction = new PgTransaction(client, systemClock.monotonicMs() - heardAt < aliveMs);
          const result = await lendPgTransaction(client, transaction, body);
          await transaction.commit();
          return result;
        },
        async (client) => {
          await transaction?.allSent();
          if (transaction?.isSent === true) await rollBack(client);
        },
      );
    },
    async query(tx, sql, parameters, isLast = false) {
      const client = lenderOf(tx);
      const life = lifeOf(tx);
      const name = prepare ? preparedName(sql) : undefined;
      try {
        if (life instanceof PgTransaction) {
          if (life.isOpen) refuseEnded(client);
          return await life.query({ text: sql, values: parameters, name }, isLast);
        }
        refuseEnded(client);
        return (await client.query<Row>({ text: sql, values: [...parameters], ...(name && { name }) })).rows;
      } catch (error) {
        throw error instanceof CommitUnknownError ? error : reasonOf(client, error);
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

/** Lends a body its client, whose transaction somebody else begins. */
export const lendPg = <R>(client: PoolClient, use: (tx: PoolClient) => PromiseLike<R>): Promise<R> =>
  lend(client, { methods }, use);
const methods: ReadonlySet<string | symbol> = new Set(["query", "release", "end"]);

/** Lends a body its client, on which its first statement begins this transaction. */
export const lendPgTransaction = <R>(
  client: PoolClient,
  transaction: PgTransaction,
  use: (tx: PoolClient) => PromiseLike<R>,
): Promise<R> =>
  lend(client, { methods, life: transaction, instead: { query: (given) => transaction.send(given) } }, use);

const expected = "a client of pg between BEGIN and COMMIT";

export function assertPgTransaction(tx: unknown): Awaitable<void> {
  if (typeof propertyOf(tx, "query") !== "function") throw transactionRequired(expected, tx);
  const life = lifeOf(tx as object);
  if (life?.isOver === true) throw transactionRequired(expected, "one whose transaction has ended");
  // Begun by us, or to be begun with what is asked for next.
  if (life instanceof PgTransaction && !life.isOpen) return;
  if (typeof propertyOf(tx, "totalCount") === "number") throw transactionRequired(expected, "a pool");
  const status = (tx as PoolClient).getTransactionStatus?.();
  if (status === undefined) return askForTransaction(tx as PoolClient);
  if (status !== "T" && status !== "E") throw withoutTransaction();
}

/** Older versions of pg cannot tell, so the server is asked: outside of a transaction it refuses a savepoint. */
async function askForTransaction(client: PoolClient): Promise<void> {
  try {
    await client.query(probeTransaction);
  } catch (error) {
    throw propertyOf(error, "code") === noTransaction ? withoutTransaction() : error;
  }
}

const withoutTransaction = (): Error => transactionRequired(expected, "a client without an open transaction");

/** `I` is idle: no transaction. Older versions of pg cannot tell. */
export function refuseEnded(client: PoolClient): void {
  if (client.getTransactionStatus?.() !== "I") return;
  throw new InvariantError(
    "Expected the transaction to be open, found it ended; a body must not send COMMIT or ROLLBACK. Its effect may have happened",
  );
}
