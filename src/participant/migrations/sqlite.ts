import type { MigrationSql } from "./migration.ts";
import { nowMs } from "./now.ts";

const createMigrationTable = `
CREATE TABLE IF NOT EXISTS makegood_participant_migration (
  name       TEXT PRIMARY KEY,
  applied_at INTEGER NOT NULL DEFAULT (${nowMs.sqlite})
) STRICT, WITHOUT ROWID`;

export const migrationsSqlite: MigrationSql = {
  place: [createMigrationTable],
  entry: (name) => `INSERT INTO makegood_participant_migration (name) VALUES ('${name}')`,
  *begin() {
    yield { sql: createMigrationTable, parameters: [] };
    return yield { sql: "SELECT name FROM makegood_participant_migration", parameters: [] };
  },
  *enter(name) {
    yield { sql: "INSERT INTO makegood_participant_migration (name) VALUES (?)", parameters: [name] };
  },
  *end() {},
};
