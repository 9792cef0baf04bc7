// Where samples are taken: the servers, and a fresh place on them for each sample.

import { totalmem } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { makeFolder, removeFolder } from "../test/services/guarded.ts";
import { createMariadbDatabase, mariadbService, startMariadb } from "../test/services/mariadb.ts";
import { createDatabase, postgresService, startPostgres } from "../test/services/postgres.ts";
import { redisService, startRedis } from "../test/services/redis.ts";
import { findPrivateService } from "../test/services/service.ts";
import { UsageError } from "./arguments.ts";
import type { Contender, Place } from "./contender.ts";

/** A place for one sample, which nobody used before. */
export interface FreshPlace {
  readonly place: Place;
  readonly serverPid: number | null;
  /** The statements that took longest here, as text; where `withStatements` was wished for. */
  readonly statements?: () => Promise<string>;
  /** Removes all that the sample left. */
  release(): Promise<void>;
}

export interface PlaceSource {
  /** The database and its settings, in one line. */
  readonly settings: string;
  fresh(): Promise<FreshPlace>;
  close(): Promise<void>;
}

export type PlaceKind = "postgres" | "mariadb" | "sqlite" | "folder" | "redis always" | "redis everysec";

export function placeKindOf({ needs, appendFsync }: Pick<Contender, "needs" | "appendFsync">): PlaceKind {
  return needs === "redis" ? `redis ${appendFsync ?? "always"}` : needs;
}

/** Why places of this kind cannot be had on this machine; null if they can. */
export function whyMissing(kind: PlaceKind, givenUrl: string | null): string | null {
  switch (kind) {
    case "postgres": {
      if (givenUrl !== null) return null;
      const found = findPrivateService(postgresService);
      return found.kind === "missing" ? `${found.reason}, or give --store postgres://…` : null;
    }
    case "mariadb": {
      if (givenUrl !== null) return null;
      const found = findPrivateService(mariadbService);
      return found.kind === "missing" ? `${found.reason}, or give --store mysql://…` : null;
    }
    case "redis always":
    case "redis everysec": {
      const found = findPrivateService(redisService);
      return found.kind === "missing" ? found.reason : null;
    }
    case "sqlite":
    case "folder":
      return null;
  }
}

/** `withStatements`: a private PostgreSQL also counts and times its statements, which costs it some speed. */
export async function openPlaces(
  kind: PlaceKind,
  givenUrl: string | null,
  withStatements: boolean,
): Promise<PlaceSource> {
  switch (kind) {
    case "postgres":
      return openPostgresPlaces(givenUrl, withStatements && givenUrl === null);
    case "mariadb":
      return openMariadbPlaces(givenUrl);
    case "redis always":
      return redisPlaces("always");
    case "redis everysec":
      return redisPlaces("everysec");
    case "sqlite":
      return {
        settings: `SQLite ${process.versions.sqlite}: WAL, synchronous=FULL`,
        fresh: async () => {
          const folder = await makeFolder("makegood-bench-", null);
          return {
            place: { url: join(folder, "bench.db"), folder },
            serverPid: null,
            release: () => removeFolder(folder),
          };
        },
        close: nothingToClose,
      };
    case "folder":
      return { settings: "", fresh: freshFolder, close: nothingToClose };
  }
}

const nothingToClose = (): Promise<void> => Promise.resolve();

async function freshFolder(): Promise<FreshPlace> {
  const folder = await makeFolder("makegood-bench-", null);
  return { place: { url: folder, folder }, serverPid: null, release: () => removeFolder(folder) };
}

// ── PostgreSQL ─────────────────────────────────────────────────────────────────────────────────────────────────────

const mib = 2 ** 20;

/** One server for all: a database of its own for each sample, begun right after a checkpoint. */
async function openPostgresPlaces(givenUrl: string | null, withStatements: boolean): Promise<PlaceSource> {
  const preload = withStatements ? { shared_preload_libraries: "pg_stat_statements" } : {};
  const server = givenUrl === null ? await startPostgres({ settings: { ...serverSettings(), ...preload } }) : null;
  const url = givenUrl ?? server?.url ?? "";
  if (withStatements) await query(url, "CREATE EXTENSION pg_stat_statements");
  return {
    settings: await describePostgres(url),
    async fresh() {
      const database = await createDatabase(url);
      await query(url, "CHECKPOINT");
      const folder = await makeFolder("makegood-bench-", null);
      return {
        place: { url: database.url, folder },
        serverPid: server?.pid ?? null,
        ...(withStatements ? { statements: () => topStatements(url, database.url) } : {}),
        async release() {
          await database.drop();
          await removeFolder(folder);
        },
      };
    },
    async close() {
      await server?.close();
    },
  };
}

/** As an administrator would set them on a machine that the database shares with one application. */
function serverSettings(): Readonly<Record<string, string>> {
  const sharedMib = Math.min(2_048, Math.floor(totalmem() / mib / 8));
  return { shared_buffers: `${sharedMib}MB`, max_wal_size: "8GB", checkpoint_timeout: "15min" };
}

const shownSettings = ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"] as const;
const durableSettings: readonly string[] = ["fsync", "synchronous_commit", "full_page_writes"];

async function describePostgres(url: string): Promise<string> {
  try {
    const [version] = await query(url, "SHOW server_version");
    const values = await Promise.all(shownSettings.map(async (name) => [name, (await query(url, `SHOW ${name}`))[0]]));
    const isDurable = values.every(([name, value]) => !durableSettings.includes(String(name)) || value !== "off");
    const warning = isDurable ? "" : "; NOT DURABLE, so not to be compared";
    return `PostgreSQL ${version}: ${values.map((it) => it.join("=")).join(", ")}${warning}`;
  } catch (error) {
    throw new UsageError(
      `Expected PostgreSQL to answer at --store, found: ${error instanceof Error ? error.message : String(error)}; check address, role and password.`,
      { cause: error },
    );
  }
}

/** A line for each: calls, ms in all, rows, text. */
async function topStatements(serverUrl: string, databaseUrl: string): Promise<string> {
  const database = new URL(databaseUrl).pathname.slice(1);
  const lines = await query(
    serverUrl,
    `SELECT format('%s calls  %s ms  %s rows  %s', calls, round(total_exec_time::numeric, 1), rows, regexp_replace(query, '\\s+', ' ', 'g'))
       FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
      WHERE datname = '${database}' ORDER BY total_exec_time DESC LIMIT 40`,
  );
  return `${lines.join("\n")}\n`;
}

/** The first column. */
async function query(url: string, sql: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows.map(([first]) => first);
  } finally {
    await client.end();
  }
}

// ── MariaDB ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One server for all, a database of its own for each sample. */
async function openMariadbPlaces(givenUrl: string | null): Promise<PlaceSource> {
  const sharedMib = Math.min(2_048, Math.floor(totalmem() / mib / 8));
  const settings = { innodb_buffer_pool_size: `${sharedMib}M`, innodb_log_file_size: "2G" };
  const server = givenUrl === null ? await startMariadb({ settings }) : null;
  const url = givenUrl ?? server?.url ?? "";
  return {
    settings: await describeMariadb(url),
    async fresh() {
      const database = await createMariadbDatabase(url);
      const folder = await makeFolder("makegood-bench-", null);
      return {
        place: { url: database.url, folder },
        serverPid: server?.pid ?? null,
        async release() {
          await database.drop();
          await removeFolder(folder);
        },
      };
    },
    async close() {
      await server?.close();
    },
  };
}

async function describeMariadb(url: string): Promise<string> {
  try {
    const names = ["innodb_flush_log_at_trx_commit", "innodb_doublewrite", "log_bin", "innodb_buffer_pool_size"];
    const connection = await mysql.createConnection({ uri: url });
    const [rows] = await connection.query<mysql.RowDataPacket[][]>({
      sql: `SELECT VERSION(), ${names.map((name) => `@@${name}`).join(", ")}`,
      rowsAsArray: true,
    });
    await connection.end();
    const [version, ...found] = rows[0] ?? [];
    const warning = String(found[0]) === "1" ? "" : "; NOT DURABLE, so not to be compared";
    return `MySQL or MariaDB ${version}: ${names.map((name, at) => `${name}=${found[at]}`).join(", ")}${warning}`;
  } catch (error) {
    throw new UsageError(
      `Expected MySQL or MariaDB to answer at --store, found: ${error instanceof Error ? error.message : String(error)}; check address, user and password.`,
      { cause: error },
    );
  }
}

// ── Redis ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A server of its own for each sample: it starts in a moment, and what others wrote can weigh on nobody. */
function redisPlaces(appendfsync: "always" | "everysec"): PlaceSource {
  return {
    settings: `Redis: appendonly=yes, appendfsync=${appendfsync}, no snapshots`,
    async fresh() {
      const server = await startRedis({ settings: { appendfsync } });
      const folder = await makeFolder("makegood-bench-", null);
      return {
        place: { url: server.url, folder },
        serverPid: server.pid,
        async release() {
          await server.close();
          await removeFolder(folder);
        },
      };
    },
    close: nothingToClose,
  };
}
