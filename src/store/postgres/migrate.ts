// The schema and its versions. Every migration is one transaction under one lock, which ends with the process that holds it:
// two processes take turns, and one that is killed in the middle leaves nothing behind.
//
// makegood.meta says what the tables are: `schema_version`, how many migrations they have seen, and `oldest_code`, the oldest
// schema version whose code may still use them. So code of version n and n + 1 run side by side on version n + 1.
import { CatalogError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { Connections, Patience } from "./connection.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as schedules from "./migrations/0002-schedules.ts";
import * as executors from "./migrations/0003-executors.ts";
import * as scheduleLookups from "./migrations/0004-schedule-lookups.ts";
import * as sealOwn from "./migrations/0005-seal-own.ts";
import { int, text } from "./values.ts";

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** The oldest schema version whose code understands the tables afterwards. */
  readonly oldestCode: number;
}
const migrations: readonly Migration[] = [
  { name: initial.name, sql: initial.sql, oldestCode: 1 },
  { name: schedules.name, sql: schedules.sql, oldestCode: 1 },
  { name: executors.name, sql: executors.sql, oldestCode: 1 },
  { name: scheduleLookups.name, sql: scheduleLookups.sql, oldestCode: 1 },
  { name: sealOwn.name, sql: sealOwn.sql, oldestCode: 1 },
];
const codeVersion = migrations.length;

/** "makegood" in ASCII. */
const lockKey = "7881698906146303844";

/** A large table takes its time, and so does a process before us. */
const patience: Patience = { deadlineMs: 600_000, lockTimeoutMs: 600_000 };

const bootstrapSql = `
CREATE SCHEMA IF NOT EXISTS makegood;
CREATE TABLE IF NOT EXISTS makegood.migration (
  name       text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS makegood.meta (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  store_id       uuid NOT NULL,
  schema_version integer NOT NULL,
  oldest_code    integer NOT NULL
);
INSERT INTO makegood.meta (store_id, schema_version, oldest_code) VALUES (gen_random_uuid(), 0, 0) ON CONFLICT DO NOTHING;`;

export async function migrate(connections: Connections): Promise<readonly string[]> {
  await connections.transaction(bootstrap, patience);
  const applied: string[] = [];
  for (const [index, migration] of migrations.entries())
    if (await connections.transaction(() => apply(migration, index + 1), patience)) applied.push(migration.name);
  return applied;
}

function* lock(): Script<void> {
  yield { sql: `SELECT pg_advisory_xact_lock(${lockKey})`, parameters: [] };
}

function* bootstrap(): Script<void> {
  yield* lock();
  const [found] = yield { sql: `SELECT 1 AS found WHERE to_regclass('makegood.meta') IS NOT NULL`, parameters: [] };
  if (found === undefined) yield { sql: bootstrapSql, parameters: [] };
}

/** True if it was missing. */
function* apply({ name, sql, oldestCode }: Migration, version: number): Script<boolean> {
  yield* lock();
  const [found] = yield { sql: `SELECT 1 AS found FROM makegood.migration WHERE name = $1::text`, parameters: [name] };
  if (found !== undefined) return false;
  yield { sql, parameters: [] };
  yield { sql: `INSERT INTO makegood.migration (name) VALUES ($1::text)`, parameters: [name] };
  yield {
    sql: `
      UPDATE makegood.meta SET schema_version = GREATEST(schema_version, $1::integer), oldest_code = GREATEST(oldest_code, $2::integer)`,
    parameters: [version, oldestCode],
  };
  return true;
}

/** Throws STORE_SCHEMA unless the tables are there and of a version that this code can use. Answers the store's identity. */
export async function checkSchema(connections: Connections): Promise<string> {
  const [found] = await connections.read({
    sql: `SELECT 1 AS found WHERE to_regclass('makegood.meta') IS NOT NULL`,
    parameters: [],
  });
  const [row] =
    found === undefined
      ? []
      : await connections.read({
          sql: `SELECT m.store_id::text || '/' || current_database() AS identity, m.schema_version, m.oldest_code FROM makegood.meta m`,
          parameters: [],
        });
  const version = row === undefined ? 0 : int(row.schema_version);
  if (row === undefined || version < codeVersion)
    throw new CatalogError(
      "STORE_SCHEMA",
      `Expected schema makegood of version ${codeVersion}, found ${version === 0 ? "none" : `version ${version}`}. Run \`makegood migrate\`, or open the store with migrate: true`,
      { expected: codeVersion, found: version },
    );
  const oldestCode = int(row.oldest_code);
  if (oldestCode > codeVersion)
    throw new CatalogError(
      "STORE_SCHEMA",
      `Expected a schema that code of version ${codeVersion} can use, found version ${version}, which needs code of version ${oldestCode}. Deploy newer code`,
      { expected: codeVersion, found: version, oldestCode },
    );
  return text(row.identity);
}
