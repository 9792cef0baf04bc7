import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// One row for each update by `updateVersioned` that was given a key: the intent took effect, and made this version.
// `relation` is the table's name as it was given, `entity` the id of the user's row as text.
export const versioned: Migration = {
  name: "0006-versioned",
  statements: {
    postgres: [
      `CREATE TABLE makegood.versioned (
         relation text COLLATE "C" NOT NULL,
         entity   text COLLATE "C" NOT NULL,
         key      text COLLATE "C" NOT NULL,
         version  bigint NOT NULL,
         at       bigint NOT NULL DEFAULT ${nowMs.postgres},
         PRIMARY KEY (relation, entity, key)
       )`,
    ],
    sqlite: [
      `CREATE TABLE makegood_versioned (
         relation TEXT NOT NULL,
         entity   TEXT NOT NULL,
         key      TEXT NOT NULL,
         version  INTEGER NOT NULL,
         at       INTEGER NOT NULL DEFAULT (${nowMs.sqlite}),
         PRIMARY KEY (relation, entity, key)
       ) STRICT, WITHOUT ROWID`,
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_versioned (
         relation VARBINARY(130) NOT NULL,
         entity   VARBINARY(255) NOT NULL,
         \`key\`    VARBINARY(255) NOT NULL,
         version  BIGINT NOT NULL,
         at       BIGINT NOT NULL DEFAULT (${nowMs.mysql}),
         PRIMARY KEY (relation, entity, \`key\`)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
    ],
  },
};
