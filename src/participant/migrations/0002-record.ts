import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// Execution records: of `once`, written as succeeded in the effect's own transaction, and of `idempotent`, with a lease.
//
//   status      1 processing, 2 succeeded, 3 failed for good, 4 waits for a person, 5 open: whoever comes next may claim it
//   held_until  of processing: the lease; of open: until then it rests
//   expire_at   from then on the row may be pruned; never while it waits for a person
//
// MySQL alone counts renewals, and has no index of those that wait for a person: see record/mysql.ts.
//
// Times are epoch ms of the database's clock. The check is one expression, since each costs every write some µs.
export const recordStates =
  "status BETWEEN 1 AND 5 AND (status IN (1, 5)) = (held_until IS NOT NULL) AND (status = 4) = (expire_at IS NULL)";

const enterBody = `
  INSERT INTO makegood.execution_record (scope, record_key, status, owner, fingerprint, expire_at)
  VALUES (new_scope, new_key, 2, pg_current_xact_id()::text, new_fingerprint, ${nowMs.postgres} + retain_ms)
  ON CONFLICT (scope, record_key) DO NOTHING
  RETURNING owner INTO entered;
  RETURN coalesce(entered, 'taken');`;
const enterParameters = "new_scope text, new_key text, new_fingerprint text, retain_ms bigint";

// Functions keep their plans, where a statement of a client is planned anew each time: two thirds of its cost.
const functionsPostgres = [
  `CREATE FUNCTION makegood.enter_record(${enterParameters}) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  entered text;
BEGIN${enterBody}
END $$`,
  // Says 'busy' where another transaction holds the key, without aborting the caller's, since the block is a savepoint; and
  // the server restores the lock timeout at the function's end.
  `CREATE FUNCTION makegood.try_enter_record(${enterParameters}) RETURNS text LANGUAGE plpgsql
SET lock_timeout = '1ms' AS $$
DECLARE
  entered text;
BEGIN${enterBody}
EXCEPTION WHEN lock_not_available THEN
  RETURN 'busy';
END $$`,
  // A plan that is made while the table is small must not read all of it when it no longer is.
  `CREATE FUNCTION makegood.keep_record(of_scope text, of_key text, new_result bytea) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
  IF new_result IS NULL THEN
    PERFORM 1 FROM makegood.execution_record
      WHERE scope = of_scope AND record_key = of_key AND owner = pg_current_xact_id()::text;
  ELSE
    UPDATE makegood.execution_record SET result = new_result
      WHERE scope = of_scope AND record_key = of_key AND owner = pg_current_xact_id()::text;
  END IF;
  RETURN FOUND;
END $$`,
];

export const record: Migration = {
  name: "0002-record",
  statements: {
    // The fillfactor leaves room for the version of a row that has its result: an update within the page touches no index.
    postgres: [
      `CREATE TABLE makegood.execution_record (
         scope       text COLLATE "C" NOT NULL,
         record_key  text COLLATE "C" NOT NULL,
         status      smallint NOT NULL,
         attempts    integer NOT NULL DEFAULT 1,
         fence       bigint NOT NULL DEFAULT 1,
         held_until  bigint,
         created_at  bigint NOT NULL DEFAULT ${nowMs.postgres},
         expire_at   bigint,
         owner       text COLLATE "C" NOT NULL,
         fingerprint text COLLATE "C",
         settled_by  text,
         result      bytea,
         error       bytea,
         PRIMARY KEY (scope, record_key),
         CONSTRAINT execution_record_state CHECK (${recordStates})
       ) WITH (fillfactor = 70)`,
      "CREATE INDEX execution_record_expiry ON makegood.execution_record (expire_at)",
      "CREATE INDEX execution_record_manual ON makegood.execution_record (scope, record_key) WHERE status = 4",
      ...functionsPostgres,
    ],
    sqlite: [
      `CREATE TABLE makegood_execution_record (
         scope       TEXT NOT NULL,
         record_key  TEXT NOT NULL,
         status      INTEGER NOT NULL,
         attempts    INTEGER NOT NULL DEFAULT 1,
         fence       INTEGER NOT NULL DEFAULT 1,
         held_until  INTEGER,
         created_at  INTEGER NOT NULL DEFAULT (${nowMs.sqlite}),
         expire_at   INTEGER,
         owner       TEXT NOT NULL,
         fingerprint TEXT,
         settled_by  TEXT,
         result      BLOB,
         error       BLOB,
         PRIMARY KEY (scope, record_key),
         CHECK (${recordStates})
       ) STRICT`,
      "CREATE INDEX makegood_execution_record_expiry ON makegood_execution_record (expire_at)",
      "CREATE INDEX makegood_execution_record_manual ON makegood_execution_record (scope, record_key) WHERE status = 4",
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_execution_record (
         scope       VARBINARY(255) NOT NULL,
         record_key  VARBINARY(255) NOT NULL,
         status      TINYINT NOT NULL,
         attempts    INT NOT NULL DEFAULT 1,
         fence       BIGINT NOT NULL DEFAULT 1,
         renewals    BIGINT NOT NULL DEFAULT 0,
         held_until  BIGINT,
         created_at  BIGINT NOT NULL DEFAULT (${nowMs.mysql}),
         expire_at   BIGINT,
         owner       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
         fingerprint VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
         settled_by  VARCHAR(255),
         result      LONGBLOB,
         error       LONGBLOB,
         PRIMARY KEY (scope, record_key),
         KEY makegood_execution_record_expiry (expire_at),
         CHECK (${recordStates})
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
    ],
  },
};
