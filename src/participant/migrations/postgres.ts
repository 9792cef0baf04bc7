import type { MigrationSql } from "./migration.ts";
import { nowMs } from "./now.ts";

// CREATE … IF NOT EXISTS asks for the right to create even where the thing exists, which a migrated application's user
// need not have: so each is looked up first, under a lock that lets one process migrate at a time.
// As text, since Prisma cannot read a column of type void.
const lockMigrations = `SELECT pg_advisory_xact_lock(hashtextextended('makegood.participant_migration', 0))::text AS locked`;
const findPlaces = `
SELECT to_regnamespace('makegood') IS NOT NULL AS has_schema,
       to_regclass('makegood.participant_migration') IS NOT NULL AS has_table`;
const createMigrationTable = `
CREATE TABLE makegood.participant_migration (
  name       text COLLATE "C" PRIMARY KEY,
  applied_at bigint NOT NULL DEFAULT ${nowMs.postgres}
)`;

export const migrationsPostgres: MigrationSql = {
  place: ["CREATE SCHEMA IF NOT EXISTS makegood", createMigrationTable],
  entry: (name) => `INSERT INTO makegood.participant_migration (name) VALUES ('${name}')`,
  *begin() {
    yield { sql: lockMigrations, parameters: [] };
    const [found] = yield { sql: findPlaces, parameters: [] };
    if (found?.["has_schema"] !== true) yield { sql: "CREATE SCHEMA makegood", parameters: [] };
    if (found?.["has_table"] !== true) yield { sql: createMigrationTable, parameters: [] };
    return yield { sql: "SELECT name FROM makegood.participant_migration", parameters: [] };
  },
  *enter(name) {
    yield { sql: "INSERT INTO makegood.participant_migration (name) VALUES ($1::text)", parameters: [name] };
  },
  *end() {},
};
