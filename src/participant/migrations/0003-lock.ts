import type { Migration } from "./migration.ts";

// One row for each name that was ever locked and not pruned since: a release keeps it, so that the fence goes on growing.
// fence begins at epoch ms, so that it grows even after its row was pruned. until_at: epoch ms of the database's clock.
export const lock: Migration = {
  name: "0003-lock",
  statements: {
    postgres: [
      `CREATE TABLE makegood.lock (
         name     text COLLATE "C" PRIMARY KEY,
         owner    text COLLATE "C" NOT NULL,
         fence    bigint NOT NULL,
         until_at bigint NOT NULL
       ) WITH (fillfactor = 50)`,
    ],
    sqlite: [
      `CREATE TABLE makegood_lock (
         name     TEXT PRIMARY KEY,
         owner    TEXT NOT NULL,
         fence    INTEGER NOT NULL,
         until_at INTEGER NOT NULL
       ) STRICT, WITHOUT ROWID`,
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_lock (
         name     VARBINARY(255) NOT NULL PRIMARY KEY,
         owner    VARBINARY(64) NOT NULL,
         fence    BIGINT NOT NULL,
         until_at BIGINT NOT NULL
       ) ENGINE = InnoDB`,
    ],
  },
};
