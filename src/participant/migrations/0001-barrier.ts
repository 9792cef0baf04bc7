import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// DTM's columns and DTM's name for the constraint, so that its client libraries can write here too; round and result are
// ours. create_time: epoch ms of the database's clock. On SQLite not WITHOUT ROWID: a row may hold a large result.
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
    mysql: [],
  },
};
