import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Store } from "../index.ts";
import { UsageError } from "./usage-error.ts";

/** Where an engine's store is, as the command line says it. */
export type StoreAddress =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string }
  | { readonly kind: "mysql"; readonly url: string };

export const storeHelp =
  "a file (PATH or sqlite:PATH), postgres://USER:PASSWORD@HOST:PORT/DATABASE, or mysql:// (mariadb://) likewise";

/** Throws UsageError for an address of a kind that is not known, without showing a password that it may hold. */
export function parseStoreAddress(text: string): StoreAddress {
  // Two letters at least: `C:\orders.db` is a path.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return fileAddress(text);
    case "sqlite":
      return fileAddress(text.slice("sqlite:".length).replace(/^\/\/(?=\/)/, ""));
    case "postgres":
    case "postgresql":
      return { kind: "postgres", url: checkUrl(text) };
    case "mysql":
    case "mariadb":
      return { kind: "mysql", url: checkUrl(text) };
    default:
      throw new UsageError(`--store: expected ${storeHelp}, found an address of the unknown kind "${scheme}:".`);
  }
}

/** The address that an option gives. Throws UsageError as `parseStoreAddress` does, and for a file that cannot be one. */
export function readStoreOption(text: string): StoreAddress {
  const address = parseStoreAddress(text);
  if (address.kind === "sqlite") checkPath(address.path);
  return address;
}

function checkPath(path: string): void {
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw new UsageError(`--store: expected a file in a folder that exists, found ${folder}.`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--store: expected a file, found a folder: ${path}.`);
}

function fileAddress(path: string): StoreAddress {
  if (path === "") throw new UsageError(`--store: expected ${storeHelp}, found an empty path.`);
  if (path === ":memory:" || path.includes("\0"))
    throw new UsageError("--store: expected a file that several processes can open.");
  return { kind: "sqlite", path };
}

function checkUrl(url: string): string {
  if (!/^\w+:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`--store: expected ${storeHelp}, found an address that is not a URL.`);
  return url;
}

/** As it may be shown: without user and password. */
export function describeStore(address: StoreAddress): string {
  if (address.kind === "sqlite") return address.path;
  const { protocol, host, pathname } = new URL(address.url);
  return `${protocol}//${host}${pathname}`;
}

/** No driver is loaded before it is asked for: those for servers are optional dependencies. */
export async function storeAt(address: StoreAddress): Promise<Store> {
  switch (address.kind) {
    case "sqlite":
      return (await import("../sqlite.ts")).sqlite(address.path);
    case "postgres":
      return (await importPostgres()).postgresFromUrl(address.url);
    case "mysql":
      return (await importMysql()).mysqlFromUrl(address.url);
  }
}

/** Brings the tables of a store up to date. Returns the names of the migrations that it applied. */
export async function migrateStore(address: StoreAddress): Promise<readonly string[]> {
  const store = await storeAt(address);
  try {
    return await store.migrate();
  } finally {
    await store.close();
  }
}

/** Brings a participant's tables in the database at this address up to date. */
export async function migrateParticipant(address: StoreAddress): Promise<void> {
  const { participant } = await import("../index.ts");
  if (address.kind === "sqlite") {
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(address.path);
    const { nodeSqlite } = await import("../sqlite.ts");
    await participant("database", nodeSqlite(database)).migrate();
    database.close();
    return;
  }
  if (address.kind === "mysql") {
    const { mysql2, openPool } = await importMysql();
    const pool = openPool(address.url);
    try {
      await participant("database", mysql2(pool)).migrate();
    } finally {
      await pool.end();
    }
    return;
  }
  const { nodePostgres, openPool } = await importPostgres();
  const pool = await openPool(address.url);
  try {
    await participant("database", nodePostgres(pool)).migrate();
  } finally {
    await pool.end();
  }
}

export async function importPostgres() {
  const { default: driver } = await importDriver("PostgreSQL", "pg", () => import("pg"));
  const openPool = async (connectionString: string) => new driver.Pool({ connectionString, max: 2 });
  return { ...(await import("../postgres.ts")), openPool };
}

export async function importMysql() {
  const { default: driver } = await importDriver("MySQL", "mysql2", () => import("mysql2/promise"));
  const openPool = (uri: string) => driver.createPool({ uri: uri.replace(/^mariadb:/i, "mysql:"), connectionLimit: 2 });
  return { ...(await import("../mysql.ts")), openPool };
}

/** Throws UsageError where the package is not installed. */
async function importDriver<T>(database: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new UsageError(
      `--store: ${database} is reached through the package ${name}, which is not installed: npm install ${name}`,
      { cause: error },
    );
  }
}

function isMissing(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    error.code === "ERR_MODULE_NOT_FOUND" &&
    error.message.includes(`'${name}'`)
  );
}
