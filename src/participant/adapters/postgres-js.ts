import { setImmediate as nextTurn } from "node:timers/promises";
import { propertyOf } from "../../core/error-chain.ts";
import { OptionError } from "../../core/errors.ts";
import type { TxAdapter } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import { type Life, lifeOf } from "./life.ts";
import { noTransaction, probeTransaction } from "./pg-probe.ts";
import { guardTransactionSql } from "./postgres-js-guard.ts";
import { transactionRequired } from "./transaction-required.ts";

/** The part of postgres.js that is used, so that nobody needs its types who does not use it. */
export interface PostgresJsClient {
  readonly options: {
    readonly transform: { readonly column: { readonly from?: unknown }; readonly row: { readonly from?: unknown } };
  };
  begin(...parameters: never[]): unknown;
}
/** `TransactionSql`, with the user's own types. */
export type PostgresJsTransaction<Sql> = Sql extends {
  begin: (options: string, body: (sql: infer Tx) => never) => unknown;
}
  ? Tx
  : never;
type Begin<Tx> = (options: string, body: (sql: Tx) => unknown) => Promise<unknown>;

interface UnsafeSql {
  unsafe(sql: string, parameters: readonly unknown[], options: { readonly prepare: boolean }): Promise<readonly Row[]>;
}

/**
 * A participant on a client of postgres.js. Bodies get a `TransactionSql` inside an open transaction at READ COMMITTED. Open
 * the client with `fetch_types: false` and a short `connect_timeout`: otherwise a connection that breaks while it is being
 * made is an unhandled rejection in postgres.js 3.4, which ends the process, and one that breaks with a statement not yet
 * sent is never mended, so that whoever is given it waits for that long. Versions before 3.4.5 are not safe to use.
 *
 * That object is guarded: when the connection is lost, postgres.js 3.4 lets a body that still runs send its next statement
 * over whatever connection comes in the place of the lost one, outside of any transaction or inside another's, and sends
 * its own COMMIT or ROLLBACK there too, or brings the process down (porsager/postgres issues 1208 and 1216; both seen in
 * our tests without the guard). The guard refuses every statement after the loss.
 */
export function postgresJs<Sql extends PostgresJsClient>(sql: Sql): TxAdapter<PostgresJsTransaction<Sql>, "async"> {
  const readRows = rowReader(sql);
  const begin = sql.begin as Begin<PostgresJsTransaction<Sql>>;
  return {
    mode: "async",
    dialect: "postgres",
    transaction: (body) =>
      survivingLoss((enter) =>
        begin("isolation level read committed", (tx) => enter((life) => body(guardTransactionSql(tx, life)))),
      ),
    assertTransaction: assertPostgresJsTransaction,
    async query(tx, text, parameters) {
      const { unsafe } = tx as UnsafeSql;
      return readRows(await unsafe(text, [...parameters], { prepare: true }));
    },
  };
}

const expected = "a TransactionSql of postgres.js, before its transaction ends";

export async function assertPostgresJsTransaction(tx: unknown): Promise<void> {
  if (typeof tx !== "function" || !("savepoint" in tx)) throw transactionRequired(expected, describe(tx));
  const life = lifeOf(tx);
  const isOpen = life === undefined ? await isInTransaction(tx as unknown as UnsafeSql) : !life.isOver;
  if (!isOpen) throw transactionRequired(expected, "one that has ended");
}

/** One that the caller began, unguarded: the server is asked, since postgres.js would use the connection as it stands. */
async function isInTransaction({ unsafe }: UnsafeSql): Promise<boolean> {
  try {
    await unsafe(probeTransaction, [], { prepare: false });
    return true;
  } catch (error) {
    if (propertyOf(error, "code") === noTransaction) return false;
    throw error;
  }
}

const describe = (tx: unknown): unknown => (typeof tx === "function" && "begin" in tx ? "the client itself" : tx);

/**
 * Runs a transaction that postgres.js manages. `begin` must call `enter` with the body inside of it. When the connection is
 * lost, `begin` rejects while the body may still run; from then on the body's end is kept from postgres.js, which would
 * send COMMIT or ROLLBACK over another connection.
 */
async function survivingLoss<R>(
  begin: (enter: (body: (life: Life) => R | PromiseLike<R>) => Promise<R>) => Promise<unknown>,
): Promise<R> {
  const life: Life = { isOver: false };
  let isLost = false;
  const enter = async (body: (life: Life) => R | PromiseLike<R>): Promise<R> => {
    try {
      return await body(life);
    } finally {
      // A statement has met what looks like a loss. If it is one, `begin` is told in the same turn of the event loop.
      if (life.isOver) await nextTurn();
      if (isLost) await new Promise<never>(() => undefined);
    }
  };
  try {
    return (await begin(enter)) as R;
  } catch (error) {
    isLost = true;
    throw error;
  } finally {
    life.isOver = true;
  }
}

/** Gives back the columns by the names that the statement gave them, where the client was told to rename them. */
export function rowReader(sql: PostgresJsClient): (rows: readonly Row[]) => readonly Row[] {
  const { column, row } = sql.options.transform;
  if (row.from !== undefined)
    throw new OptionError(
      "transform.row",
      "Expected a postgres.js client without transform.row, found one with it: makegood cannot read its own rows there. Give the participant a client of its own",
    );
  const rename = column.from;
  if (typeof rename !== "function") return (rows) => [...rows];
  return (rows) =>
    rows.map(
      (renamed) =>
        new Proxy(renamed, {
          get: (target, name) => Reflect.get(target, typeof name === "string" ? rename(name) : name),
        }),
    );
}
