// Schedules, and on each execution whose fire it is.
import { pauseReasons, scheduleSources } from "../../../core/schedule-store.ts";

const oneOf = (column: string, values: readonly string[]): string =>
  values.map((value) => `${column} = '${value}'`).join(" OR ");

export const name = "0002-schedules";

export const sql: string = `
ALTER TABLE makegood_execution ADD COLUMN schedule BLOB;
ALTER TABLE makegood_execution ADD COLUMN scheduled_at INTEGER;
CREATE INDEX makegood_execution_schedule ON makegood_execution (schedule, id) WHERE schedule IS NOT NULL;

CREATE TABLE makegood_schedule (
  id            BLOB PRIMARY KEY NOT NULL,
  namespace     TEXT NOT NULL,
  name          TEXT,
  source        TEXT NOT NULL CHECK (${oneOf("source", scheduleSources)}),
  version       INTEGER NOT NULL,                      -- raised by every edit, pause and resume
  paused        TEXT CHECK (${oneOf("paused", pauseReasons)}),
  next_at       INTEGER,                               -- null: never again, or when what it awaits has ended
  last_fired_at INTEGER,                               -- never falls
  awaits        BLOB,                                  -- an execution, for a fixed delay
  last_ended_at INTEGER,                               -- of the execution that it awaited
  enabled_at    INTEGER NOT NULL,
  needs_code    INTEGER NOT NULL,
  job           TEXT NOT NULL,
  "group"       TEXT,
  definition    TEXT NOT NULL,                         -- JSON
  input         BLOB,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX makegood_schedule_name ON makegood_schedule (namespace, name) WHERE name IS NOT NULL;
CREATE INDEX makegood_schedule_due    ON makegood_schedule (namespace, next_at) WHERE next_at IS NOT NULL AND paused IS NULL;
CREATE INDEX makegood_schedule_awaits ON makegood_schedule (namespace, awaits) WHERE awaits IS NOT NULL AND paused IS NULL;
`;
