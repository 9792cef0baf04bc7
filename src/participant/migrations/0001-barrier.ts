import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// DTM's columns and DTM's name for the constraint, so that its client libraries can write here too; round and result are
// ours. create_time: epoch ms of the database's clock. On SQLite not WITHOUT ROWID: a row may hold a large result. On MySQL
// names are bytes, since its collations take "Key1", "key1" and "KEY1 " for one, and no binary one without padding has the
// same name on MariaDB.
export const barrier: Migration = {
  name: "0001-barrier",
  statements: {
    postgres: [
      `CREATE TABLE makegood.barrier (
         trans_type  text COLLATE "C" NOT NULL,
         gid         text COLLATE "C" NOT NULL,
         branch_id   text COLLATE "C" NOT NULL,
         op          text COLLATE "C" NOT NULL,
         barrier_id  text COLLATE "C" NOT NULL,
         reason      text COLLATE "C" NOT NULL,
         create_time bigint NOT NULL DEFAULT ${nowMs.postgres},
         round       integer,
         result      bytea,
         CONSTRAINT uniq_barrier PRIMARY KEY (gid, branch_id, op, barrier_id)
       )`,
    ],
    sqlite: [
      `CREATE TABLE makegood_barrier (
         trans_type  TEXT NOT NULL,
         gid         TEXT NOT NULL,
         branch_id   TEXT NOT NULL,
         op          TEXT NOT NULL,
         barrier_id  TEXT NOT NULL,
         reason      TEXT NOT NULL,
         create_time INTEGER NOT NULL DEFAULT (${nowMs.sqlite}),
         round       INTEGER,
         result      BLOB,
         PRIMARY KEY (gid, branch_id, op, barrier_id)
       ) STRICT`,
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_barrier (
         trans_type  VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
         gid         VARBINARY(128) NOT NULL,
         branch_id   VARBINARY(1024) NOT NULL,
         op          VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
         barrier_id  VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
         reason      VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
         create_time BIGINT NOT NULL DEFAULT (${nowMs.mysql}),
         round       INT,
         result      LONGBLOB,
         PRIMARY KEY (gid, branch_id, op, barrier_id)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
    ],
  },
};
