// Executors that a center addresses, and what it sent them. Times are epoch milliseconds of the database's clock.
import { runStates } from "../../../core/executors.ts";

const oneOf = (values: readonly string[]): string => `= ANY ('{${values.join(",")}}'::text[])`;

export const name = "0003-executors";

export const sql: string = `
CREATE TABLE makegood.executor (
  namespace  text COLLATE "C" NOT NULL,
  "group"    text COLLATE "C" NOT NULL,
  address    text COLLATE "C" NOT NULL,
  source     text NOT NULL CHECK (source IN ('registered', 'manual')),
  generation smallint,
  seen_at    bigint NOT NULL,
  live_until bigint,                  -- null: for good
  PRIMARY KEY (namespace, "group", address)
);

-- What routing remembers of each handler; the compare-and-set is on version.
CREATE TABLE makegood.routing (
  namespace text COLLATE "C" NOT NULL,
  "group"   text COLLATE "C" NOT NULL,
  handler   text COLLATE "C" NOT NULL,
  version   integer NOT NULL,
  memory    text NOT NULL,
  PRIMARY KEY (namespace, "group", handler)
);

CREATE TABLE makegood.run (
  log_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace    text COLLATE "C" NOT NULL,
  execution_id uuid NOT NULL,
  attempt      integer NOT NULL,
  shard_index  integer NOT NULL,
  shard_total  integer NOT NULL,
  "group"      text COLLATE "C" NOT NULL,
  handler      text COLLATE "C" NOT NULL,
  job_id       integer NOT NULL,
  address      text COLLATE "C" NOT NULL,
  state        text NOT NULL CHECK (state ${oneOf(runStates)}),
  opened_at    bigint NOT NULL,
  accepted_at  bigint,
  ended_at     bigint,
  checked_at   bigint NOT NULL,
  code         integer,
  message      text,
  log_lines    integer NOT NULL DEFAULT 0,
  UNIQUE (execution_id, attempt, shard_index)
) WITH (fillfactor = 80);
CREATE INDEX run_open ON makegood.run (namespace, checked_at) WHERE ended_at IS NULL;
CREATE INDEX run_prune ON makegood.run (namespace, ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE makegood.run_log (
  log_id     bigint NOT NULL,
  first_line integer NOT NULL,
  line_count integer NOT NULL,
  text       text NOT NULL,
  PRIMARY KEY (log_id, first_line)
);
`;
