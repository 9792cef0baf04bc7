// Executors that a center addresses, and what it sent them. Times are epoch milliseconds.
import { runStates } from "../../../core/executors.ts";

const oneOf = (values: readonly string[]): string => `IN (${values.map((value) => `'${value}'`).join(", ")})`;

export const name = "0003-executors";

export const sql: string = `
CREATE TABLE makegood_executor (
  namespace  TEXT NOT NULL,
  "group"    TEXT NOT NULL,
  address    TEXT NOT NULL,
  source     TEXT NOT NULL CHECK (source IN ('registered', 'manual')),
  generation INTEGER,
  seen_at    INTEGER NOT NULL,
  live_until INTEGER,                  -- null: for good
  PRIMARY KEY (namespace, "group", address)
) STRICT, WITHOUT ROWID;

-- What routing remembers of each handler; the compare-and-set is on version.
CREATE TABLE makegood_routing (
  namespace TEXT NOT NULL,
  "group"   TEXT NOT NULL,
  handler   TEXT NOT NULL,
  version   INTEGER NOT NULL,
  memory    TEXT NOT NULL,
  PRIMARY KEY (namespace, "group", handler)
) STRICT, WITHOUT ROWID;

CREATE TABLE makegood_run (
  log_id       INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace    TEXT NOT NULL,
  execution_id BLOB NOT NULL,
  attempt      INTEGER NOT NULL,
  shard_index  INTEGER NOT NULL,
  shard_total  INTEGER NOT NULL,
  "group"      TEXT NOT NULL,
  handler      TEXT NOT NULL,
  job_id       INTEGER NOT NULL,
  address      TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state ${oneOf(runStates)}),
  opened_at    INTEGER NOT NULL,
  accepted_at  INTEGER,
  ended_at     INTEGER,
  checked_at   INTEGER NOT NULL,
  code         INTEGER,
  message      TEXT,
  log_lines    INTEGER NOT NULL DEFAULT 0,
  UNIQUE (execution_id, attempt, shard_index)
) STRICT;
CREATE INDEX makegood_run_open ON makegood_run (namespace, checked_at) WHERE ended_at IS NULL;
CREATE INDEX makegood_run_prune ON makegood_run (namespace, ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE makegood_run_log (
  log_id     INTEGER NOT NULL,
  first_line INTEGER NOT NULL,
  line_count INTEGER NOT NULL,
  text       TEXT NOT NULL,
  PRIMARY KEY (log_id, first_line)
) STRICT, WITHOUT ROWID;
`;
