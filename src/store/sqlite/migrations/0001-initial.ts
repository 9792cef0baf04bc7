// The engine's first schema. Append-only: a later change is a later file.
// Ids are UUIDv7 (16 bytes). Times are epoch milliseconds. Values are enveloped bytes. Text compares byte by byte (BINARY,
// SQLite's default). CHECK lists are filled in from core's tables, so that they cannot differ from the code; as OR and not
// as IN, for which SQLite builds a table with every insert (4.9 µs a journal row against 1.7, Node 24, 2 cores).
import { phases, reasons, statuses } from "../../../core/execution.ts";
import { roles, stepKinds } from "../../../core/journal.ts";
import { blockingStrategies } from "../../../core/store.ts";

const oneOf = (column: string, values: readonly string[]): string =>
  values.map((value) => `${column} = '${value}'`).join(" OR ");

export const name = "0001-initial";

export const sql: string = `
-- Names this database among others; one row.
CREATE TABLE makegood_store (
  id BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO makegood_store (id) VALUES (randomblob(16));

-- The guard row: narrow, read and written by every fenced write. Payload, journal and outcome live elsewhere.
CREATE TABLE makegood_execution (
  id              BLOB PRIMARY KEY NOT NULL,
  namespace       TEXT NOT NULL,
  job             TEXT NOT NULL,
  version         INTEGER NOT NULL,
  key             TEXT,                                -- business key; unique through execution_key
  round           INTEGER NOT NULL DEFAULT 0,
  status          TEXT NOT NULL CHECK (${oneOf("status", statuses)}),
  phase           TEXT NOT NULL DEFAULT 'open' CHECK (${oneOf("phase", phases)}),
  reason          TEXT CHECK (${oneOf("reason", reasons)}),
  cancel          TEXT CHECK (${oneOf("cancel", reasons)}),
  token           INTEGER NOT NULL DEFAULT 0,          -- never falls, kept when terminal
  worker          BLOB,
  wake_at         INTEGER,                             -- ready: since when; waiting: at the latest when; null: by a message only
  inbox           INTEGER NOT NULL DEFAULT 0,
  priority        INTEGER NOT NULL,
  "group"         TEXT,
  concurrency_key TEXT,
  blocking        TEXT CHECK (${oneOf("blocking", blockingStrategies)}),
  slot            TEXT CHECK (slot = 'wanted' OR slot = 'held'),
  parent          BLOB,
  crash_count     INTEGER NOT NULL DEFAULT 0,
  crash_seq       INTEGER NOT NULL DEFAULT -1,
  created_at      INTEGER NOT NULL,
  deadline_at     INTEGER,
  ended_at        INTEGER,
  retain_ms       INTEGER NOT NULL,
  prune_at        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_execution_ready   ON makegood_execution (namespace, job, version, priority, wake_at) WHERE status = 'ready';
CREATE INDEX makegood_execution_due     ON makegood_execution (namespace, wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
CREATE INDEX makegood_execution_running ON makegood_execution (worker) WHERE status = 'running';
CREATE INDEX makegood_execution_blocked ON makegood_execution (namespace, job, concurrency_key, priority, id) WHERE slot = 'wanted' AND status = 'waiting' AND wake_at IS NULL;
CREATE INDEX makegood_execution_child   ON makegood_execution (parent) WHERE parent IS NOT NULL;
CREATE INDEX makegood_execution_prune   ON makegood_execution (namespace, prune_at) WHERE prune_at IS NOT NULL;

-- Written once at the start, never changed.
CREATE TABLE makegood_payload (
  execution_id  BLOB PRIMARY KEY NOT NULL,
  input         BLOB,
  root          BLOB NOT NULL,
  trace_context TEXT,
  actor         TEXT NOT NULL                          -- kind:id
) STRICT, WITHOUT ROWID;

-- Written once, with the decision (confirm) or the end. No row: completed with undefined and nothing undone.
CREATE TABLE makegood_outcome (
  execution_id BLOB PRIMARY KEY NOT NULL,
  result       BLOB,
  error        BLOB,
  undone_count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- The one place where a business key is unique. Outlives the execution; "round" makes (namespace, job, key, round) unique.
CREATE TABLE makegood_execution_key (
  namespace    TEXT NOT NULL,
  job          TEXT NOT NULL,
  key          TEXT NOT NULL,
  round        INTEGER NOT NULL DEFAULT 0,
  execution_id BLOB NOT NULL,
  fingerprint  TEXT NOT NULL,
  retain_ms    INTEGER NOT NULL,
  status       TEXT,                                   -- set when retention takes the execution, with prune_at
  prune_at     INTEGER,
  PRIMARY KEY (namespace, job, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_execution_key_prune ON makegood_execution_key (namespace, prune_at) WHERE prune_at IS NOT NULL;

-- One row per settled step and role; insert only.
CREATE TABLE makegood_journal (
  execution_id BLOB NOT NULL,
  step         TEXT NOT NULL,                          -- name, or name:id
  role         TEXT NOT NULL CHECK (${oneOf("role", roles)}),
  kind         TEXT NOT NULL CHECK (${oneOf("kind", stepKinds)}),
  seq          INTEGER NOT NULL,                       -- order of delivery to the function
  started      INTEGER NOT NULL,                       -- order of calls; undone in reverse
  attempt      INTEGER NOT NULL,
  state        TEXT NOT NULL CHECK (state = 'done' OR state = 'refused' OR state = 'failed'),
  body         BLOB,
  at           INTEGER NOT NULL,
  token        INTEGER NOT NULL,                       -- who wrote it
  actor        TEXT,
  PRIMARY KEY (execution_id, step, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_attempt (
  execution_id BLOB NOT NULL,
  step         TEXT NOT NULL,
  role         TEXT NOT NULL,
  attempt      INTEGER NOT NULL,
  token        INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  next_at      INTEGER NOT NULL,
  is_unknown   INTEGER NOT NULL CHECK (is_unknown BETWEEN 0 AND 1),
  is_counted   INTEGER NOT NULL DEFAULT 1 CHECK (is_counted BETWEEN 0 AND 1),
  error        BLOB,
  PRIMARY KEY (execution_id, step, role, attempt, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_signal (
  execution_id BLOB NOT NULL,
  signal_id    TEXT NOT NULL,
  name         TEXT NOT NULL,
  payload      BLOB,
  seq          INTEGER NOT NULL,                       -- the inbox that it raised the guard row to: order of acceptance
  at           INTEGER NOT NULL,
  taken_by     TEXT,                                   -- step
  PRIMARY KEY (execution_id, signal_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_slot (
  namespace       TEXT NOT NULL,
  job             TEXT NOT NULL,
  concurrency_key TEXT NOT NULL,
  execution_id    BLOB NOT NULL,
  PRIMARY KEY (namespace, job, concurrency_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_worker (
  id          BLOB PRIMARY KEY NOT NULL,               -- fresh per process start
  namespace   TEXT NOT NULL,
  name        TEXT NOT NULL,                           -- stable
  jobs        TEXT NOT NULL,                           -- JSON: [[job, version], …]
  started_at  INTEGER NOT NULL,
  lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_worker_name ON makegood_worker (namespace, name);

-- What needs a person. The alarm that must go out with it is the same row, until alarmed_at is set.
CREATE TABLE makegood_incident (
  id           BLOB PRIMARY KEY NOT NULL,
  namespace    TEXT NOT NULL,
  execution_id BLOB NOT NULL,
  code         TEXT NOT NULL,
  step         TEXT,
  error        BLOB,
  opened_at    INTEGER NOT NULL,
  alarmed_at   INTEGER,
  closed_at    INTEGER,
  closed_by    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_incident_open ON makegood_incident (namespace, opened_at) WHERE closed_at IS NULL;
CREATE INDEX makegood_incident_execution ON makegood_incident (execution_id);

CREATE TABLE makegood_audit (
  id           BLOB PRIMARY KEY NOT NULL,
  namespace    TEXT NOT NULL,
  execution_id BLOB NOT NULL,
  verb         TEXT NOT NULL,
  actor_kind   TEXT NOT NULL,
  actor_id     TEXT NOT NULL,
  note         TEXT,
  at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_audit_execution ON makegood_audit (execution_id, id);

CREATE TABLE makegood_progress (
  execution_id BLOB PRIMARY KEY NOT NULL,
  fraction     REAL NOT NULL,
  note         TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_search_attribute (
  execution_id BLOB NOT NULL,
  namespace    TEXT NOT NULL,
  name         TEXT NOT NULL,
  value        TEXT NOT NULL,
  PRIMARY KEY (execution_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX makegood_search_attribute_value ON makegood_search_attribute (namespace, name, value, execution_id);
`;
