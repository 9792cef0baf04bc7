// Numbered migrations, each in one transaction with its row: a process killed in the middle leaves nothing of one, and of
// several processes the first applies it while the others wait for the write lock, then find it applied.
import { CatalogError } from "../../core/errors.ts";
import type { Connection, Sql } from "./connection.ts";
import * as initial from "./migrations/0001-initial.ts";
import * as schedules from "./migrations/0002-schedules.ts";
import * as executors from "./migrations/0003-executors.ts";
import * as scheduleLookups from "./migrations/0004-schedule-lookups.ts";

interface Migration {
  /** 1, 2, 3 … without gaps: the schema's version. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** The oldest code, by the schema version that it knows, which may go on using a database migrated so far. */
  readonly oldestCode: number;
}

const migrations: readonly Migration[] = [
  { number: 1, name: initial.name, sql: initial.sql, oldestCode: 1 },
  { number: 2, name: schedules.name, sql: schedules.sql, oldestCode: 1 },
  { number: 3, name: executors.name, sql: executors.sql, oldestCode: 1 },
  { number: 4, name: scheduleLookups.name, sql: scheduleLookups.sql, oldestCode: 1 },
];
export const schemaVersion: number = migrations.length;

const createTable = `
CREATE TABLE IF NOT EXISTS makegood_migration (
  number      INTEGER PRIMARY KEY,
  name        TEXT NOT NULL,
  oldest_code INTEGER NOT NULL,
  applied_at  INTEGER NOT NULL
) STRICT`;
const findTable = `
SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'makegood_migration'`;
const selectApplied = `
SELECT coalesce(max(number), 0), coalesce(max(oldest_code), 0) FROM makegood_migration`;
const insertApplied = `
INSERT INTO makegood_migration (number, name, oldest_code, applied_at) VALUES (?, ?, ?, ?)`;

/** Returns the names of those it applied. Throws STORE_SCHEMA for a database that needs newer code. */
export async function migrate(connection: Connection): Promise<readonly string[]> {
  const applied: string[] = [];
  for (;;) {
    // Most databases are up to date: seen without the write lock.
    if ((await connection.read((sql) => nextMigration(sql, connection.path))) === undefined) return applied;
    const name = await connection.write((sql, { now }) => {
      const next = nextMigration(sql, connection.path);
      if (next === undefined) return null;
      sql.run(createTable, []);
      sql.execute(next.sql);
      sql.run(insertApplied, [next.number, next.name, next.oldestCode, now]);
      return next.name;
    });
    if (name !== null) applied.push(name);
  }
}

function nextMigration(sql: Sql, path: string): Migration | undefined {
  if (sql.tuple(findTable, []) === undefined) return migrations[0];
  const [version, oldestCode] = sql.tuple(selectApplied, []) as readonly [number, number];
  if (oldestCode > schemaVersion)
    throw new CatalogError(
      "STORE_SCHEMA",
      `${path} has schema ${version}, which needs code of schema ${oldestCode} or newer; this code knows ${schemaVersion}. Deploy the newer version of makegood`,
      { path, version, oldestCode, schemaVersion },
    );
  return migrations[version];
}
