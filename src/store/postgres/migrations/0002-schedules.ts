// Schedules, and on each execution whose fire it is. A column without a default is added without rewriting the table.
import { pauseReasons, scheduleSources } from "../../../core/schedule-store.ts";

const oneOf = (values: readonly string[]): string => `= ANY ('{${values.join(",")}}'::text[])`;

export const name = "0002-schedules";

export const sql: string = `
ALTER TABLE makegood.execution ADD COLUMN schedule uuid, ADD COLUMN scheduled_at bigint;
CREATE INDEX execution_schedule ON makegood.execution (schedule, id) WHERE schedule IS NOT NULL;

-- What changes with each fire stands together: see execution. The next time is in an index, so that each fire leaves an entry
-- behind; vacuum comes early for it.
CREATE TABLE makegood.schedule (
  id            uuid PRIMARY KEY,
  created_at    bigint NOT NULL,
  updated_at    bigint NOT NULL,
  version       integer NOT NULL,                      -- raised by every edit, pause and resume
  next_at       bigint,                                -- null: never again, or when what it awaits has ended
  last_fired_at bigint,                                -- never falls
  awaits        uuid,                                  -- an execution, for a fixed delay
  last_ended_at bigint,                                -- of the execution that it awaited
  enabled_at    bigint NOT NULL,
  needs_code    boolean NOT NULL,
  namespace     text COLLATE "C" NOT NULL,
  name          text COLLATE "C",
  source        text COLLATE "C" NOT NULL CHECK (source ${oneOf(scheduleSources)}),
  paused        text COLLATE "C" CHECK (paused ${oneOf(pauseReasons)}),
  job           text COLLATE "C" NOT NULL,
  "group"       text COLLATE "C",
  definition    text NOT NULL,                         -- JSON
  input         bytea
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE UNIQUE INDEX schedule_name ON makegood.schedule (namespace, name) WHERE name IS NOT NULL;
CREATE INDEX schedule_due    ON makegood.schedule (namespace, next_at) WHERE next_at IS NOT NULL AND paused IS NULL;
CREATE INDEX schedule_awaits ON makegood.schedule (namespace, awaits) WHERE awaits IS NOT NULL AND paused IS NULL;
`;
