import { propertyOf } from "../../core/error-chain.ts";
import { OptionError } from "../../core/errors.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { TxAdapter } from "../../core/participant.ts";
import { type Row, runScript } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { affectedRow } from "./mysql2-rows.ts";
import { prismaError, transactionError } from "./prisma-error.ts";
import { createQueue, type Queue } from "./queue.ts";
import { type Durability, durabilityScript, resolveSqliteOptions } from "./sqlite-durability.ts";
import { takeWriteLock } from "./sqlite-write-lock.ts";
import { transactionRequired } from "./transaction-required.ts";

/** The part of a generated client that is used; `$transaction` is of interest for the type that its body gets. */
export interface PrismaClientLike {
  // biome-ignore lint/suspicious/noExplicitAny: has overloads in the generated client
  $transaction(...parameters: any[]): any;
}

/** What `prisma.$transaction(async (tx) => …)` hands to its body, with the user's own models. */
export type PrismaTransaction<Client> = Client extends {
  $transaction(body: (tx: infer Tx) => Promise<unknown>, options?: never): unknown;
}
  ? Tx
  : never;

export interface PrismaOptions {
  /** As the datasource's provider: postgresql is "postgres". MariaDB is "mysql". */
  readonly dialect: Dialect;
  /** How long a transaction may last before Prisma rolls it back, in ms. Default 30 000; Prisma's own is 5 000. */
  readonly timeoutMs?: number;
  /** How long to wait for a connection, in ms. Default 5 000. */
  readonly maxWaitMs?: number;
  /**
   * Says that nothing but this participant uses the client. Required on SQLite: there Prisma has one connection for all code
   * of the process, so that a statement of anyone's would come into an open transaction, and be rolled back with it.
   */
  readonly exclusive?: boolean;
  /** On SQLite, as for `betterSqlite3`. */
  readonly durability?: Durability;
}

/**
 * A participant on Prisma 7 with a driver adapter: @prisma/adapter-pg, @prisma/adapter-mariadb or
 * @prisma/adapter-better-sqlite3. Bodies get the client of an interactive transaction: at READ COMMITTED, on SQLite holding
 * the write lock from the start. On MySQL 8 open the driver adapter with `{ useTextProtocol: true }`: savepoints are not to
 * be had as prepared statements there.
 *
 * @throws OPTION_INVALID for an unknown dialect, and on SQLite without `exclusive`.
 */
export function prisma<Client extends PrismaClientLike>(
  client: Client,
  options: PrismaOptions,
): TxAdapter<PrismaTransaction<Client>, "async"> {
  const { dialect, settings, durability } = resolve(options);
  const queue: Queue = dialect === "sqlite" ? createQueue() : (run) => run();
  let isChecked = false;

  const prepare = async (tx: unknown): Promise<void> => {
    if (dialect !== "sqlite") return;
    await query(dialect, tx, takeWriteLock, []);
    if (!isChecked) await runScript(durabilityScript(durability), ({ sql }) => query(dialect, tx, sql, []));
    isChecked = true;
  };
  return {
    mode: "async",
    dialect,
    transaction: (body) =>
      queue(async () => {
        const run = async (tx: PrismaTransaction<Client>): Promise<unknown> => {
          await prepare(tx);
          return body(tx);
        };
        try {
          return await client.$transaction(run, settings);
        } catch (error) {
          throw prismaError(dialect, error);
        }
      }),
    async assertTransaction(tx) {
      if (typeof propertyOf(tx, "$queryRawUnsafe") !== "function") throw transactionRequired(expected, tx);
      if (propertyOf(tx, "$connect") !== undefined) throw transactionRequired(expected, "the client itself");
      try {
        await query(dialect, tx, "SELECT 1", []);
      } catch (error) {
        // Said by Prisma itself, before any statement.
        throw isTransactionGone(error) ? transactionRequired(expected, "one that has ended") : error;
      }
    },
    query: (tx, sql, parameters) => query(dialect, tx, sql, parameters),
  };
}

const expected = "the client that $transaction(async (tx) => …) of Prisma hands to its body, before it ends";

const isTransactionGone = (error: unknown): boolean =>
  propertyOf(propertyOf(error, "cause"), "code") === transactionError;

interface RawClient {
  $queryRawUnsafe(sql: string, ...parameters: readonly unknown[]): Promise<readonly Row[]>;
  $executeRawUnsafe(sql: string, ...parameters: readonly unknown[]): Promise<number>;
}

async function query(
  dialect: Dialect,
  tx: unknown,
  sql: string,
  parameters: readonly unknown[],
): Promise<readonly Row[]> {
  try {
    const client = tx as RawClient;
    if (dialect === "mysql" && !hasResultSet.test(sql)) return [await execute(client, sql, parameters)];
    return (await client.$queryRawUnsafe(sql, ...parameters)).map(readRow);
  } catch (error) {
    throw prismaError(dialect, error);
  }
}

const hasResultSet = /^\s*(SELECT|SHOW|WITH|VALUES|EXPLAIN|DESCRIBE)\b/i;
const makesId = /^\s*(INSERT|REPLACE)\b|\bLAST_INSERT_ID\(/i;

/** Prisma tells how many rows, and keeps to itself which id; that is asked for where there may be one. */
async function execute(client: RawClient, sql: string, parameters: readonly unknown[]): Promise<Row> {
  const affected = await client.$executeRawUnsafe(sql, ...parameters);
  if (affected === 0 || !makesId.test(sql)) return affectedRow(affected, 0);
  const [row] = await client.$queryRawUnsafe("SELECT LAST_INSERT_ID() AS id");
  return affectedRow(affected, row?.["id"]);
}

/** Prisma reads 64-bit numbers as bigints. */
function readRow(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, readValue(value)]));
}

function readValue(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

const dialects: readonly unknown[] = ["postgres", "mysql", "sqlite"] satisfies readonly Dialect[];

function resolve(options: PrismaOptions) {
  checkOptions(options, ["dialect", "timeoutMs", "maxWaitMs", "exclusive", "durability"], "options");
  const { dialect, exclusive, durability = "warn" } = options;
  if (!dialects.includes(dialect))
    throw new OptionError("options.dialect", `prisma: expected options.dialect "postgres", "mysql" or "sqlite"`);
  if (dialect === "sqlite" && exclusive !== true)
    throw new OptionError(
      "options.exclusive",
      "options.exclusive: expected true on SQLite, where Prisma has one connection for all code of the process: give the participant a client of its own and say so, or use betterSqlite3(db)",
    );
  resolveSqliteOptions({ durability });
  const timeout = checkInteger(options.timeoutMs ?? 30_000, "options.timeoutMs", 1, maxMs);
  const maxWait = checkInteger(options.maxWaitMs ?? 5_000, "options.maxWaitMs", 1, maxMs);
  const isolation = dialect === "sqlite" ? {} : { isolationLevel: "ReadCommitted" };
  return { dialect, durability, settings: { timeout, maxWait, ...isolation } };
}

const maxMs = 2 ** 31 - 1;
