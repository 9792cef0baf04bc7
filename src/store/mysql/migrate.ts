// The schema and its versions. A statement that makes a table commits by itself (D10), so migrations run one statement at a
// time, each of which may be run again, under a named lock that ends with the session that holds it: two processes take turns,
// and the next one finishes what a killed one left.
//
// makegood_store says what the tables are: `schema_version`, how many migrations they have seen, and `oldest_code`, the oldest
// schema version whose code may still use them. So code of version n and n + 1 run side by side on version n + 1.
import { CatalogError, StoreConflictError } from "../../core/errors.ts";
import { nowSql } from "./clock.ts";
import type { Connections, Send } from "./connection.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as schedules from "./migrations/0002-schedules.ts";
import * as executors from "./migrations/0003-executors.ts";
import * as scheduleLookups from "./migrations/0004-schedule-lookups.ts";
import { inlined, int, text } from "./values.ts";

interface Migration {
  readonly name: string;
  /** Statements that end with a semicolon at the end of a line; each may be run again. */
  readonly sql: string;
  /** The oldest schema version whose code understands the tables afterwards. */
  readonly oldestCode: number;
}
const migrations: readonly Migration[] = [
  { name: initial.name, sql: initial.sql, oldestCode: 1 },
  { name: schedules.name, sql: schedules.sql, oldestCode: 1 },
  { name: executors.name, sql: executors.sql, oldestCode: 1 },
  { name: scheduleLookups.name, sql: scheduleLookups.sql, oldestCode: 1 },
];
const codeVersion = migrations.length;

/** A large table takes its time, and so does a process before us. */
const patienceMs = 600_000;

const bootstrap = [
  `CREATE TABLE IF NOT EXISTS makegood_migration (
     name       VARBINARY(255) NOT NULL PRIMARY KEY,
     applied_at BIGINT NOT NULL
   ) ENGINE=InnoDB`,
  `CREATE TABLE IF NOT EXISTS makegood_store (
     only_row       TINYINT NOT NULL PRIMARY KEY,
     store_id       VARBINARY(36) NOT NULL,
     schema_version INT NOT NULL,
     oldest_code    INT NOT NULL
   ) ENGINE=InnoDB`,
  `INSERT INTO makegood_store (only_row, store_id, schema_version, oldest_code) VALUES (1, UUID(), 0, 0)
   ON DUPLICATE KEY UPDATE only_row = only_row`,
];

// Names of locks are the server's, so the database is in it; 64 characters at most.
const lockName = "CONCAT('makegood:', MD5(DATABASE()))";

export async function migrate(connections: Connections): Promise<readonly string[]> {
  if ((await versionOf(connections)) === codeVersion) return [];
  return connections.session(patienceMs, async (send) => {
    await send("SET SESSION autocommit = 1");
    const [row] = await send(`SELECT GET_LOCK(${lockName}, ${patienceMs / 1_000}) AS is_mine`);
    if (Number(row?.["is_mine"]) !== 1)
      throw new StoreConflictError("Expected the lock of the migration, found it held by another process", {});
    for (const sql of bootstrap) await send(sql);
    const applied: string[] = [];
    for (const [index, migration] of migrations.entries())
      if (await apply(send, migration, index + 1)) applied.push(migration.name);
    return applied;
  });
}

/** True if it was missing. */
async function apply(send: Send, { name, sql, oldestCode }: Migration, version: number): Promise<boolean> {
  const [found] = await send(inlined("SELECT 1 AS found FROM makegood_migration WHERE name = ?", [name]));
  if (found !== undefined) return false;
  for (const statement of sql.split(/;\n/)) if (statement.trim() !== "") await send(statement);
  await send(
    inlined(
      `UPDATE makegood_store SET schema_version = GREATEST(schema_version, ?), oldest_code = GREATEST(oldest_code, ?) WHERE only_row = 1`,
      [version, oldestCode],
    ),
  );
  // Last, and a repeat of the one before changes nothing.
  await send(inlined(`INSERT INTO makegood_migration (name, applied_at) VALUES (?, ${nowSql})`, [name]));
  return true;
}

export const identitySql = "SELECT CONCAT(s.store_id, '/', DATABASE()) AS identity FROM makegood_store s";
export const findTableSql = `
  SELECT 1 AS found FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'makegood_store'`;

const schemaSql = `
  SELECT CONCAT(s.store_id, '/', DATABASE()) AS identity, s.schema_version, s.oldest_code FROM makegood_store s`;

async function schemaOf(connections: Connections) {
  const [found] = await connections.read({ sql: findTableSql, parameters: [] });
  const [row] = found === undefined ? [] : await connections.read({ sql: schemaSql, parameters: [] });
  return row;
}

/** Null for a newer one too: `checkSchema` says what is wrong with it. */
async function versionOf(connections: Connections): Promise<number> {
  const row = await schemaOf(connections);
  return row === undefined ? 0 : Math.min(int(row["schema_version"]), codeVersion);
}

/** Throws STORE_SCHEMA unless the tables are there and of a version that this code can use. Answers the store's identity. */
export async function checkSchema(connections: Connections): Promise<string> {
  const row = await schemaOf(connections);
  const version = row === undefined ? 0 : int(row["schema_version"]);
  if (row === undefined || version < codeVersion)
    throw new CatalogError(
      "STORE_SCHEMA",
      `Expected the tables makegood_… of version ${codeVersion}, found ${version === 0 ? "none" : `version ${version}`}. Run \`makegood migrate\`, or open the store with migrate: true`,
      { expected: codeVersion, found: version },
    );
  const oldestCode = int(row["oldest_code"]);
  if (oldestCode > codeVersion)
    throw new CatalogError(
      "STORE_SCHEMA",
      `Expected tables that code of version ${codeVersion} can use, found version ${version}, which needs code of version ${oldestCode}. Deploy newer code`,
      { expected: codeVersion, found: version, oldestCode },
    );
  return text(row["identity"]);
}
