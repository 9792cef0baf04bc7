import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// status, see core/outbox.ts: 0 waiting, 1 claimed, 2 started, 3 blocked, 4 dead; 5 done, 6 skipped, 7 canceled. due_at: when
// a relay may have it: its time, the time of its retry, the end of its claim, the next look at its executions. not_before:
// asked for by the publisher; until then it does not hold up its key, unlike one that waits for a retry.
// What ended is deleted, or kept for a while where the publisher gave the id (fingerprint is not null). seq orders a key; it
// is never used again, since a late report names it.
export const outbox: Migration = {
  name: "0004-outbox",
  statements: {
    postgres: [
      `CREATE TABLE makegood.outbox (
         seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
         topic        text COLLATE "C" NOT NULL,
         id           text COLLATE "C" NOT NULL,
         ordering_key text COLLATE "C",
         cancel_key   text COLLATE "C",
         headers      text,
         payload      bytea,
         fingerprint  text,
         status       smallint NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 7),
         due_at       bigint NOT NULL,
         not_before   bigint,
         fence        integer NOT NULL DEFAULT 0,
         starts       integer NOT NULL DEFAULT 0,
         fails        integer NOT NULL DEFAULT 0,
         executions   text,
         remaining    text,
         error        text,
         audit        text,
         published_at bigint NOT NULL,
         ended_at     bigint,
         CONSTRAINT outbox_message UNIQUE (topic, id)
       ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
      `CREATE INDEX outbox_due ON makegood.outbox (topic, status, due_at, seq) WHERE status < 4`,
      `CREATE INDEX outbox_key ON makegood.outbox (topic, ordering_key, seq) WHERE status < 5 AND ordering_key IS NOT NULL`,
      `CREATE INDEX outbox_cancel ON makegood.outbox (cancel_key) WHERE status = 0 AND cancel_key IS NOT NULL`,
      `CREATE INDEX outbox_stuck ON makegood.outbox (seq) WHERE status IN (3, 4)`,
      `CREATE INDEX outbox_ended ON makegood.outbox (ended_at) WHERE status > 4`,
      `CREATE TABLE makegood.outbox_subscriber (
         topic      text COLLATE "C" NOT NULL,
         subscriber text COLLATE "C" NOT NULL,
         seen_at    bigint NOT NULL DEFAULT ${nowMs.postgres},
         PRIMARY KEY (topic, subscriber)
       )`,
    ],
    sqlite: [
      `CREATE TABLE makegood_outbox (
         seq          INTEGER PRIMARY KEY AUTOINCREMENT,
         topic        TEXT NOT NULL,
         id           TEXT NOT NULL,
         ordering_key TEXT,
         cancel_key   TEXT,
         headers      TEXT,
         payload      BLOB,
         fingerprint  TEXT,
         status       INTEGER NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 7),
         due_at       INTEGER NOT NULL,
         not_before   INTEGER,
         fence        INTEGER NOT NULL DEFAULT 0,
         starts       INTEGER NOT NULL DEFAULT 0,
         fails        INTEGER NOT NULL DEFAULT 0,
         executions   TEXT,
         remaining    TEXT,
         error        TEXT,
         audit        TEXT,
         published_at INTEGER NOT NULL,
         ended_at     INTEGER,
         UNIQUE (topic, id)
       ) STRICT`,
      `CREATE INDEX makegood_outbox_due ON makegood_outbox (topic, status, due_at, seq) WHERE status < 4`,
      `CREATE INDEX makegood_outbox_key ON makegood_outbox (topic, ordering_key, seq) WHERE status < 5 AND ordering_key IS NOT NULL`,
      `CREATE INDEX makegood_outbox_cancel ON makegood_outbox (cancel_key) WHERE status = 0 AND cancel_key IS NOT NULL`,
      `CREATE INDEX makegood_outbox_stuck ON makegood_outbox (seq) WHERE status IN (3, 4)`,
      `CREATE INDEX makegood_outbox_ended ON makegood_outbox (ended_at) WHERE status > 4`,
      `CREATE TABLE makegood_outbox_subscriber (
         topic      TEXT NOT NULL,
         subscriber TEXT NOT NULL,
         seen_at    INTEGER NOT NULL DEFAULT (${nowMs.sqlite}),
         PRIMARY KEY (topic, subscriber)
       ) STRICT, WITHOUT ROWID`,
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_outbox (
         seq          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
         topic        VARBINARY(512) NOT NULL,
         id           VARBINARY(255) NOT NULL,
         ordering_key VARBINARY(255),
         cancel_key   VARBINARY(255),
         headers      MEDIUMTEXT,
         payload      LONGBLOB,
         fingerprint  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
         status       TINYINT NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 7),
         due_at       BIGINT NOT NULL,
         not_before   BIGINT,
         fence        INT NOT NULL DEFAULT 0,
         starts       INT NOT NULL DEFAULT 0,
         fails        INT NOT NULL DEFAULT 0,
         executions   MEDIUMTEXT,
         remaining    MEDIUMTEXT,
         error        MEDIUMTEXT,
         audit        MEDIUMTEXT,
         published_at BIGINT NOT NULL,
         ended_at     BIGINT,
         UNIQUE KEY outbox_message (topic, id),
         KEY outbox_due (topic, status, due_at, seq),
         KEY outbox_key (topic, ordering_key, seq),
         KEY outbox_cancel (cancel_key),
         KEY outbox_ended (ended_at)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
      `CREATE TABLE IF NOT EXISTS makegood_outbox_subscriber (
         topic      VARBINARY(512) NOT NULL,
         subscriber VARBINARY(1024) NOT NULL,
         seen_at    BIGINT NOT NULL DEFAULT (${nowMs.mysql}),
         PRIMARY KEY (topic, subscriber)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
    ],
  },
};
