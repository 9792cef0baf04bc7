// Executors that a center addresses, and what it sent them. Times are epoch milliseconds of the database's clock. Names are
// bytes, as in the first schema; what people read is utf8mb4.
import { runStates } from "../../../core/executors.ts";

const oneOf = (values: readonly string[]): string =>
  `ENUM(${values.map((value) => `'${value}'`).join(", ")}) CHARACTER SET ascii COLLATE ascii_bin`;

const table = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

export const name = "0003-executors";

export const sql: string = `
CREATE TABLE IF NOT EXISTS makegood_executor (
  namespace  VARBINARY(256) NOT NULL,
  \`group\`    VARBINARY(255) NOT NULL,
  address    VARBINARY(1024) NOT NULL,
  source     ${oneOf(["registered", "manual"])} NOT NULL,
  generation TINYINT NULL,
  seen_at    BIGINT NOT NULL,
  live_until BIGINT NULL,                  -- null: for good
  PRIMARY KEY (namespace, \`group\`, address)
) ${table};

-- What routing remembers of each handler, where the compare-and-set is on version.
CREATE TABLE IF NOT EXISTS makegood_routing (
  namespace VARBINARY(256) NOT NULL,
  \`group\`   VARBINARY(255) NOT NULL,
  handler   VARBINARY(255) NOT NULL,
  version   INT NOT NULL,
  memory    MEDIUMTEXT NOT NULL,
  PRIMARY KEY (namespace, \`group\`, handler)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_run (
  log_id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  namespace    VARBINARY(256) NOT NULL,
  execution_id BINARY(16) NOT NULL,
  attempt      INT NOT NULL,
  shard_index  INT NOT NULL,
  shard_total  INT NOT NULL,
  \`group\`      VARBINARY(255) NOT NULL,
  handler      VARBINARY(255) NOT NULL,
  job_id       INT NOT NULL,
  address      VARBINARY(1024) NOT NULL,
  state        ${oneOf(runStates)} NOT NULL,
  opened_at    BIGINT NOT NULL,
  accepted_at  BIGINT NULL,
  ended_at     BIGINT NULL,
  checked_at   BIGINT NOT NULL,
  code         INT NULL,
  message      MEDIUMTEXT NULL,
  log_lines    INT NOT NULL DEFAULT 0,
  UNIQUE KEY run_once (execution_id, attempt, shard_index),
  KEY run_open (namespace, ended_at, checked_at)
) ${table};

CREATE TABLE IF NOT EXISTS makegood_run_log (
  log_id     BIGINT NOT NULL,
  first_line INT NOT NULL,
  line_count INT NOT NULL,
  text       MEDIUMTEXT NOT NULL,
  PRIMARY KEY (log_id, first_line)
) ${table};
`;
