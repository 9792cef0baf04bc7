// The engine's first schema. Append-only: a later change is a later file. Applied statement by statement, since each commits
// by itself (D10); every one may be run again, after a process that was killed between them.
//
// Ids are UUIDv7 (16 bytes). Times are epoch milliseconds of the database's clock in BIGINT. Values are enveloped bytes. Keys
// and names are bytes too, since MySQL and MariaDB have no collation in common that tells "A-1" from "a-1 " (D9); text that
// only people read is utf8mb4. Words from core's tables are ENUMs, filled in from there: one byte, and the check is the type.
//
// There are no partial indexes. What an index is to leave out is NULL in a stored column (`ready_in`, `due_in`, `blocked_in`,
// or `worker` itself), so that the way from running to completed moves entries of two indexes and not of six. STORED, not
// VIRTUAL: MariaDB's indexes on virtual columns have a history of faults.
import { phases, reasons, statuses } from "../../../core/execution.ts";
import { roles, stepKinds } from "../../../core/journal.ts";
import { blockingStrategies } from "../../../core/store.ts";

const oneOf = (values: readonly string[]): string =>
  `ENUM(${values.map((value) => `'${value}'`).join(", ")}) CHARACTER SET ascii COLLATE ascii_bin`;

const table = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

export const name = "0001-initial";

export const sql: string = `
-- The guard row, locked by every fenced write, with what was given at the start and what it ended with: docs/decisions/0013.
CREATE TABLE IF NOT EXISTS makegood_execution (
  id              BINARY(16) NOT NULL PRIMARY KEY,
  version         INT NOT NULL,
  round           INT NOT NULL DEFAULT 0,
  created_at      BIGINT NOT NULL,
  retain_ms       BIGINT NOT NULL,
  priority        SMALLINT NOT NULL,
  crash_count     SMALLINT NOT NULL DEFAULT 0,
  crash_seq       INT NOT NULL DEFAULT -1,
  inbox           INT NOT NULL DEFAULT 0,
  token           INT NOT NULL DEFAULT 0,              -- never falls, kept when terminal
  status          ${oneOf(statuses)} NOT NULL,
  phase           ${oneOf(phases)} NOT NULL DEFAULT 'open',
  reason          ${oneOf(reasons)} NULL,
  cancel          ${oneOf(reasons)} NULL,
  worker          BINARY(16) NULL,                     -- only while running
  slot            ${oneOf(["wanted", "held"])} NULL,
  undone_count    INT NULL,                            -- null: none
  wake_at         BIGINT NULL,                         -- ready: since when; waiting: at the latest when; null: by a message only
  ended_at        BIGINT NULL,
  prune_at        BIGINT NULL,
  deadline_at     BIGINT NULL,
  parent          BINARY(16) NULL,
  root            BINARY(16) NULL,                     -- null: this one
  namespace       VARBINARY(256) NOT NULL,
  job             VARBINARY(400) NOT NULL,
  \`key\`           VARBINARY(255) NULL,                 -- business key; unique through execution_key
  \`group\`         VARBINARY(1024) NULL,
  concurrency_key VARBINARY(1024) NULL,
  blocking        ${oneOf(blockingStrategies)} NULL,
  actor           TEXT NOT NULL,                       -- who started it: kind:id
  trace_context   TEXT NULL,
  result          MEDIUMBLOB NULL,                     -- with error and undone_count written once, with the decision (confirm) or the end
  error           MEDIUMBLOB NULL,
  input           MEDIUMBLOB NULL,
  ready_in        VARBINARY(256) AS (IF(status = 'ready', namespace, NULL)) STORED,
  due_in          VARBINARY(256) AS (IF(status = 'waiting' AND wake_at IS NOT NULL, namespace, NULL)) STORED,
  blocked_in      VARBINARY(256) AS (IF(slot = 'wanted' AND status = 'waiting' AND wake_at IS NULL, namespace, NULL)) STORED,
  KEY execution_ready   (ready_in, job, version, priority, wake_at),
  KEY execution_due     (due_in, wake_at),
  KEY execution_running (worker),
  KEY execution_blocked (blocked_in, job, concurrency_key, priority, id),
  KEY execution_child   (parent),
  KEY execution_prune   (namespace, prune_at)
) ${table};

-- The one place where a business key is unique. Outlives the execution; "round" makes (namespace, job, key, round) unique.
CREATE TABLE IF NOT EXISTS makegood_execution_key (
  namespace    VARBINARY(256) NOT NULL,
  job          VARBINARY(400) NOT NULL,
  \`key\`        VARBINARY(255) NOT NULL,
  round        INT NOT NULL DEFAULT 0,
  execution_id BINARY(16) NOT NULL,
  fingerprint  VARBINARY(255) NOT NULL,
  retain_ms    BIGINT NOT NULL,
  status       ${oneOf(statuses)} NULL,                -- set when retention takes the execution, with prune_at
  prune_at     BIGINT NULL,
  PRIMARY KEY (namespace, job, \`key\`),
  KEY execution_key_prune (namespace, prune_at)
) ${table};

-- One row per settled step and role; insert only.
CREATE TABLE IF NOT EXISTS makegood_journal (
  execution_id BINARY(16) NOT NULL,
  step         VARBINARY(512) NOT NULL,                -- name, or name:id
  role         ${oneOf(roles)} NOT NULL,
  kind         ${oneOf(stepKinds)} NOT NULL,
  seq          INT NOT NULL,                           -- order of delivery to the function
  started      INT NOT NULL,                           -- order of calls; undone in reverse
  attempt      INT NOT NULL,
  state        ${oneOf(["done", "refused", "failed"])} NOT NULL,
  body         MEDIUMBLOB NULL,
  at           BIGINT NOT NULL,
  token        INT NOT NULL,                           -- who wrote it
  actor        TEXT NULL,
  PRIMARY KEY (execution_id, step, role)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_attempt (
  execution_id BINARY(16) NOT NULL,
  step         VARBINARY(512) NOT NULL,
  role         ${oneOf(roles)} NOT NULL,
  attempt      INT NOT NULL,
  token        INT NOT NULL,
  at           BIGINT NOT NULL,
  next_at      BIGINT NOT NULL,
  is_unknown   TINYINT NOT NULL,
  is_counted   TINYINT NOT NULL DEFAULT 1,
  error        MEDIUMBLOB NULL,
  PRIMARY KEY (execution_id, step, role, attempt, token)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_signal (
  execution_id BINARY(16) NOT NULL,
  signal_id    VARBINARY(1024) NOT NULL,
  name         VARBINARY(1024) NOT NULL,
  payload      MEDIUMBLOB NULL,
  seq          INT NOT NULL,                           -- the inbox that it raised the guard row to: order of acceptance
  at           BIGINT NOT NULL,
  taken_by     VARBINARY(512) NULL,                    -- step
  PRIMARY KEY (execution_id, signal_id)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_slot (
  namespace       VARBINARY(256) NOT NULL,
  job             VARBINARY(400) NOT NULL,
  concurrency_key VARBINARY(1024) NOT NULL,
  execution_id    BINARY(16) NOT NULL,
  PRIMARY KEY (namespace, job, concurrency_key)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_worker (
  id          BINARY(16) NOT NULL PRIMARY KEY,         -- fresh per process start
  namespace   VARBINARY(256) NOT NULL,
  name        VARBINARY(1024) NOT NULL,                -- stable
  jobs        MEDIUMBLOB NOT NULL,                     -- JSON: [[job, version], …]
  started_at  BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  KEY worker_name (namespace, name)
) ${table};

-- What needs a person. The alarm that must go out with it is the same row, until alarmed_at is set.
CREATE TABLE IF NOT EXISTS makegood_incident (
  id           BINARY(16) NOT NULL PRIMARY KEY,
  namespace    VARBINARY(256) NOT NULL,
  execution_id BINARY(16) NOT NULL,
  code         VARBINARY(255) NOT NULL,
  step         VARBINARY(512) NULL,
  error        MEDIUMBLOB NULL,
  opened_at    BIGINT NOT NULL,
  alarmed_at   BIGINT NULL,
  closed_at    BIGINT NULL,
  closed_by    TEXT NULL,
  KEY incident_open (namespace, closed_at, opened_at),
  KEY incident_execution (execution_id)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_audit (
  id           BINARY(16) NOT NULL PRIMARY KEY,
  namespace    VARBINARY(256) NOT NULL,
  execution_id BINARY(16) NOT NULL,
  verb         VARBINARY(255) NOT NULL,
  actor_kind   VARBINARY(64) NOT NULL,
  actor_id     TEXT NOT NULL,
  note         TEXT NULL,
  at           BIGINT NOT NULL,
  KEY audit_execution (execution_id, id)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_progress (
  execution_id BINARY(16) NOT NULL PRIMARY KEY,
  fraction     DOUBLE NOT NULL,
  note         TEXT NULL
) ${table};

CREATE TABLE IF NOT EXISTS makegood_search_attribute (
  execution_id BINARY(16) NOT NULL,
  namespace    VARBINARY(256) NOT NULL,
  name         VARBINARY(255) NOT NULL,
  value        VARBINARY(255) NOT NULL,
  PRIMARY KEY (execution_id, name),
  KEY search_attribute_value (namespace, name, value, execution_id)
) ${table};
`;
