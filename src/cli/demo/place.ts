import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeStore, importPostgres, type StoreAddress } from "../store-address.ts";
import { UsageError } from "../usage-error.ts";
import { type Database, databases } from "./movements.ts";
import { type BooksPlace, bookFile } from "./open-books.ts";

/** Where one run of the demo keeps everything. */
export interface Place {
  readonly store: StoreAddress;
  readonly books: BooksPlace;
  /** Of the engine's rows, so that a store can be used for many runs. */
  readonly namespace: string;
  /** For people: where to look, without passwords. */
  describe(): readonly string[];
  /** Removes what was made for this run: never a store that the user named. */
  remove(): Promise<void>;
}

/**
 * Makes room for a run. By default the engine's store and the participants' three databases are four files in a new
 * temporary folder. With a store on PostgreSQL the participants get three databases of their own on that server, created
 * for this run; the engine's tables go into the database that the address names, under a namespace of this run. With a
 * store on MySQL or MariaDB the participants are three files all the same.
 */
export async function makePlace(address: StoreAddress | undefined): Promise<Place> {
  const run = randomBytes(4).toString("hex");
  const namespace = `demo-${run}`;
  return address?.kind === "postgres" ? serverPlace(address, namespace, run) : folderPlace(address, namespace);
}

async function folderPlace(given: StoreAddress | undefined, namespace: string): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "makegood-demo-"));
  const store = given ?? { kind: "sqlite", path: join(folder, "engine.db") };
  return {
    store,
    books: { kind: "sqlite", folder },
    namespace,
    describe: () => [
      `${describeStore(store)} (engine, namespace ${namespace})`,
      ...databases.map((name) => bookFile(folder, name)),
    ],
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function serverPlace(store: StoreAddress & { kind: "postgres" }, namespace: string, run: string): Promise<Place> {
  await importPostgres();
  const nameOf = (database: Database): string => `makegood_demo_${run}_${database}`;
  const urlOf = (database: Database): string => {
    const url = new URL(store.url);
    url.pathname = `/${nameOf(database)}`;
    return url.href;
  };
  const remove = (): Promise<void> =>
    onServer(
      store.url,
      databases.map((name) => `DROP DATABASE IF EXISTS ${nameOf(name)} WITH (FORCE)`),
    );
  try {
    await onServer(
      store.url,
      databases.map((name) => `CREATE DATABASE ${nameOf(name)} TEMPLATE template0`),
    );
  } catch (error) {
    await remove().catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `--store: expected a PostgreSQL server at ${new URL(store.url).host} on which this user may create databases, found: ${why}`,
      { cause: error },
    );
  }
  return {
    store,
    books: { kind: "postgres", urls: { orders: urlOf("orders"), stock: urlOf("stock"), accounts: urlOf("accounts") } },
    namespace,
    describe: () => [
      `${describeStore(store)} (engine, namespace ${namespace})`,
      ...databases.map((name) => `database ${nameOf(name)}`),
    ],
    remove,
  };
}

async function onServer(url: string, statements: readonly string[]): Promise<void> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
