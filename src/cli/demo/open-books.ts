import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TxAdapter } from "../../index.ts";
import { nodeSqlite } from "../../sqlite.ts";
import { importPostgres } from "../store-address.ts";
import { type Books, makeBooks, type Watch } from "./books.ts";
import { type Database, databases } from "./movements.ts";

/** Where the participants' databases are: as many files, or as many databases of a PostgreSQL server. */
export type BooksPlace =
  | { readonly kind: "sqlite"; readonly folder: string }
  | { readonly kind: "postgres"; readonly urls: Readonly<Record<Database, string>> };

/** It blocks the process while it waits; the engine repeats what met a busy database by itself. */
const busyTimeoutMs = 50;
/** Per database. Three times this, and the engine's own, stay well below PostgreSQL's default of 100 connections. */
const maxConnections = 8;
/** For a connection, and for the answer to a statement; by itself the client waits for ever. */
const patienceMs = 10_000;

/** Opens the three databases. What is in `Tx` is the business of the client alone. */
export async function openBooks(place: BooksPlace, watch: Watch): Promise<Books<unknown>> {
  return place.kind === "sqlite" ? openFiles(place.folder, watch) : openServer(place.urls, watch);
}

export const bookFile = (folder: string, database: Database): string => join(folder, `${database}.db`);

function openFiles(folder: string, watch: Watch): Books<unknown> {
  const clients = perDatabase((name) => {
    const db = new DatabaseSync(bookFile(folder, name), { timeout: busyTimeoutMs });
    // Durable, as a database of orders should be: FULL syncs at every commit.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return db;
  });
  return makeBooks({
    adapters: perDatabase((name) => nodeSqlite(clients[name]) as unknown as TxAdapter<unknown, "async">),
    watch,
    close: async () => {
      for (const name of databases) clients[name].close();
    },
  });
}

async function openServer(urls: Readonly<Record<Database, string>>, watch: Watch): Promise<Books<unknown>> {
  const { nodePostgres } = await importPostgres();
  const { default: pg } = await import("pg");
  const pools = perDatabase((name) => {
    return new pg.Pool({
      connectionString: urls[name],
      max: maxConnections,
      connectionTimeoutMillis: patienceMs,
      query_timeout: patienceMs,
      keepAlive: true,
    });
  });
  return makeBooks({
    adapters: perDatabase((name) => nodePostgres(pools[name]) as TxAdapter<unknown, "async">),
    watch,
    close: async () => {
      await Promise.all(databases.map((name) => pools[name].end()));
    },
  });
}

function perDatabase<T>(make: (name: Database) => T): Readonly<Record<Database, T>> {
  return { orders: make("orders"), stock: make("stock"), accounts: make("accounts") };
}
