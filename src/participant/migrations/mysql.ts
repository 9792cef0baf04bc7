import { StoreConflictError } from "../../core/errors.ts";
import type { MigrationSql } from "./migration.ts";
import { nowMs } from "./now.ts";

// DDL commits, so nothing is all or nothing here: the lock lets one process migrate at a time, each statement may be run
// again, and a name is entered after its statements. The lock is the connection's and goes with it; it is one for the whole
// server, so it bears the database's name. Asked for without waiting: whoever asks again holds no connection meanwhile.
const lockName = "CONCAT('makegood participant ', MD5(DATABASE()))";
const lockMigrations = `SELECT GET_LOCK(${lockName}, 0) AS locked`;
const unlockMigrations = `DO RELEASE_LOCK(${lockName})`;

// CREATE … IF NOT EXISTS asks for the right to create even where the table exists, so it is looked up first.
const findTable = `
SELECT 1 AS found FROM information_schema.tables
 WHERE table_schema = DATABASE() AND table_name = 'makegood_participant_migration'`;
const createMigrationTable = `
CREATE TABLE IF NOT EXISTS makegood_participant_migration (
  name       VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  applied_at BIGINT NOT NULL DEFAULT (${nowMs.mysql})
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`;

export const migrationsMysql: MigrationSql = {
  place: [createMigrationTable],
  entry: (name) => `INSERT IGNORE INTO makegood_participant_migration (name) VALUES ('${name}')`,
  *begin() {
    const [lock] = yield { sql: lockMigrations, parameters: [] };
    if (Number(lock?.["locked"]) !== 1)
      throw new StoreConflictError("Expected to be the only one to migrate this database, found another at it", {});
    const found = yield { sql: findTable, parameters: [] };
    if (found.length === 0) yield { sql: createMigrationTable, parameters: [] };
    return yield { sql: "SELECT name FROM makegood_participant_migration", parameters: [] };
  },
  *enter(name) {
    yield { sql: "INSERT IGNORE INTO makegood_participant_migration (name) VALUES (?)", parameters: [name] };
  },
  *end() {
    yield { sql: unlockMigrations, parameters: [] };
  },
};
