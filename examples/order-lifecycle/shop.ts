// The database in which the orders are, of whatever kind: what the replay needs of it.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Participant, participant, type TxAdapter } from "makegood";
import { nodeSqlite } from "makegood/sqlite";
import { UsageError } from "./arguments.ts";
import { type OrderEvent, orderMachine, table } from "./machine.ts";

export interface Shop {
  /** Inserts orders that nothing has happened to yet. */
  expect(run: string, ids: readonly string[]): Promise<void>;
  /** Delivers one event in a transaction of its own. */
  deliver(id: string, event: OrderEvent, by: string): Promise<"moved" | "refused" | "duplicate">;
  /** How many orders of a run are in each main state. */
  countStates(run: string): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

const createTable = `CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR(120) PRIMARY KEY, run VARCHAR(50) NOT NULL, state VARCHAR(40) NOT NULL)`;
/** One for each worker. */
const maxConnections = 16;

/** Opens the database and makes its tables. Throws UsageError for an address that is none. */
export async function openShop(address: string): Promise<Shop> {
  const scheme = /^([a-z]{2,}):/i.exec(address)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
    case "sqlite":
      return openFile(address.replace(/^sqlite:(\/\/(?=\/))?/i, ""));
    case "postgres":
    case "postgresql":
      return openPostgres(address);
    case "mysql":
    case "mariadb":
      return openMysql(address.replace(/^mariadb:/i, "mysql:"));
    default:
      throw new UsageError(
        `--store: expected a file, postgres:// or mysql://, found an address of the unknown kind "${scheme}:".`,
      );
  }
}

async function openFile(path: string): Promise<Shop> {
  const folder = dirname(resolve(path));
  if (path === "" || !existsSync(folder))
    throw new UsageError(`--store: expected a file in a folder that exists, found ${JSON.stringify(path)}.`);
  const db = new DatabaseSync(path, { timeout: 2_000 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${createTable}`);
  return makeShop(nodeSqlite(db), () => db.close());
}

async function openPostgres(connectionString: string): Promise<Shop> {
  const [{ default: pg }, { nodePostgres }] = await Promise.all([import("pg"), import("makegood/postgres")]);
  const pool = new pg.Pool({ connectionString, max: maxConnections, connectionTimeoutMillis: 10_000 });
  await pool.query(createTable);
  return makeShop(nodePostgres(pool), () => pool.end());
}

async function openMysql(uri: string): Promise<Shop> {
  const [{ createPool }, { mysql2 }] = await Promise.all([import("mysql2/promise"), import("makegood/mysql")]);
  const pool = createPool({ uri, connectionLimit: maxConnections, connectTimeout: 10_000 });
  await pool.query(createTable);
  return makeShop(mysql2(pool), () => pool.end());
}

async function makeShop<Tx, M extends "async" | "sync">(
  adapter: TxAdapter<Tx, M>,
  close: () => void | Promise<void>,
): Promise<Shop> {
  const on: Participant<Tx, M> = participant("orders", adapter);
  await on.migrate();
  const order = orderMachine(on);
  // On SQLite bodies are synchronous, and what they give is no promise: to wait for it does no harm.
  const transaction = async <R>(body: (tx: Tx) => R): Promise<Awaited<R>> =>
    await (adapter.transaction(body as never) as R);
  const mark = (n: number): string => (adapter.dialect === "postgres" ? `$${n}` : "?");
  const count = `SELECT state, COUNT(*) AS n FROM ${table} WHERE run = ${mark(1)} GROUP BY state`;
  return {
    expect: async (run, ids) => {
      const rows = ids.map((_, at) => `(${mark(3 * at + 1)}, ${mark(3 * at + 2)}, ${mark(3 * at + 3)})`);
      const insert = `INSERT INTO ${table} (id, run, state) VALUES ${rows.join(", ")}`;
      const values = ids.flatMap((id) => [id, run, order.initial]);
      await transaction((tx) => adapter.query(tx, insert, values));
    },
    deliver: async (id, event, by) => {
      // Each event comes once to an order, so its name is its id.
      const moved = await transaction((tx) => order.tryMove(tx, { id }, event as never, { eventId: event, by }));
      if (moved.kind === "moved" || moved.kind === "duplicate") return moved.kind;
      if (moved.kind === "illegal") return "refused";
      throw new Error(`expected order ${id} to take or refuse ${event}, found ${moved.kind}`);
    },
    countStates: async (run) => {
      const counts: Record<string, number> = {};
      for (const { state, n } of await transaction((tx) => adapter.query(tx, count, [run]))) {
        const [main = ""] = String(state).split(".");
        counts[main] = (counts[main] ?? 0) + Number(n);
      }
      return Object.fromEntries(Object.entries(counts).sort());
    },
    close: async () => close(),
  };
}
