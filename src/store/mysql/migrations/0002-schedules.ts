// Schedules, and on each execution whose fire it is. Statement by statement, each of which may be run again: a column is added
// only where it is not there yet, and MySQL has no words for that.
import { pauseReasons, scheduleSources } from "../../../core/schedule-store.ts";

const oneOf = (values: readonly string[]): string =>
  `ENUM(${values.map((value) => `'${value}'`).join(", ")}) CHARACTER SET ascii COLLATE ascii_bin`;

const table = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

export const name = "0002-schedules";

export const sql: string = `
SET @makegood_sql = IF(
  (SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'makegood_execution' AND column_name = 'schedule') > 0,
  'DO 0',
  'ALTER TABLE makegood_execution ADD COLUMN schedule BINARY(16) NULL, ADD COLUMN scheduled_at BIGINT NULL, ADD KEY execution_schedule (schedule, id)');
PREPARE makegood_statement FROM @makegood_sql;
EXECUTE makegood_statement;
DEALLOCATE PREPARE makegood_statement;

CREATE TABLE IF NOT EXISTS makegood_schedule (
  id            BINARY(16) NOT NULL PRIMARY KEY,
  namespace     VARBINARY(256) NOT NULL,
  name          VARBINARY(1024) NULL,
  source        ${oneOf(scheduleSources)} NOT NULL,
  version       INT NOT NULL,                          -- raised by every edit, pause and resume
  paused        ${oneOf(pauseReasons)} NULL,
  next_at       BIGINT NULL,                           -- null: never again, or when what it awaits has ended
  last_fired_at BIGINT NULL,                           -- never falls
  awaits        BINARY(16) NULL,                       -- an execution, for a fixed delay
  last_ended_at BIGINT NULL,                           -- of the execution that it awaited
  enabled_at    BIGINT NOT NULL,
  needs_code    TINYINT NOT NULL,
  job           VARBINARY(400) NOT NULL,
  \`group\`       VARBINARY(1024) NULL,
  definition    MEDIUMTEXT NOT NULL,                   -- JSON
  input         MEDIUMBLOB NULL,
  created_at    BIGINT NOT NULL,
  updated_at    BIGINT NOT NULL,
  due_in        VARBINARY(256) AS (IF(paused IS NULL AND next_at IS NOT NULL, namespace, NULL)) STORED,
  awaits_in     VARBINARY(256) AS (IF(paused IS NULL AND awaits IS NOT NULL, namespace, NULL)) STORED,
  UNIQUE KEY schedule_name (namespace, name),
  KEY schedule_due    (due_in, next_at),
  KEY schedule_awaits (awaits_in, awaits)
) ${table};
`;
