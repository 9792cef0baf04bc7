// The engine's first schema. Append-only: a later change is a later file.
// Ids are UUIDv7 (16 bytes). Times are epoch milliseconds of the database's clock in BIGINT. Values are enveloped bytes.
// {statuses}, {phases} … are filled in from core's state table, so that the CHECKs cannot differ from the code.
import { phases, reasons, statuses } from "../../../core/execution.ts";
import { roles, stepKinds } from "../../../core/journal.ts";
import { blockingStrategies } from "../../../core/store.ts";

/** As one constant: every statement that writes to a table reads its CHECKs anew, and a list of many takes it several µs. */
const oneOf = (values: readonly string[]): string => `= ANY ('{${values.join(",")}}'::text[])`;

export const name = "0001-initial";

export const sql: string = `
CREATE FUNCTION makegood.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
  AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- A UUIDv7 of the database's clock, for rows that no caller names: milliseconds over a random UUIDv4, version bits 0111.
CREATE FUNCTION makegood.new_id() RETURNS uuid LANGUAGE sql VOLATILE
  AS $$ SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(makegood.now_ms()) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid $$;

-- The guard row, locked by every fenced write, with what was given at the start and what it ended with: docs/decisions/0013.
-- What changes stands together, between what does not: an update within its page logs only what lies between the first and
-- the last byte that differ. Hence also the fillfactor, which leaves each row room for a later version of it beside it.
CREATE TABLE makegood.execution (
  id              uuid PRIMARY KEY,
  version         integer NOT NULL,
  round           integer NOT NULL DEFAULT 0,
  created_at      bigint NOT NULL,
  retain_ms       bigint NOT NULL,
  priority        smallint NOT NULL,
  crash_count     smallint NOT NULL DEFAULT 0,
  crash_seq       integer NOT NULL DEFAULT -1,
  inbox           integer NOT NULL DEFAULT 0,
  token           integer NOT NULL DEFAULT 0,          -- never falls, kept when terminal
  status          text COLLATE "C" NOT NULL CHECK (status ${oneOf(statuses)}),
  phase           text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (phase ${oneOf(phases)}),
  reason          text COLLATE "C" CHECK (reason ${oneOf(reasons)}),
  cancel          text COLLATE "C" CHECK (cancel ${oneOf(reasons)}),
  worker          uuid,
  slot            text COLLATE "C" CHECK (slot ${oneOf(["wanted", "held"])}),
  undone_count    integer,                             -- null: none
  wake_at         bigint,                              -- ready: since when; waiting: at the latest when; null: by a message only
  ended_at        bigint,
  prune_at        bigint,
  result          bytea,                               -- with error and undone_count written once, with the decision (confirm) or the end
  error           bytea,
  deadline_at     bigint,
  parent          uuid,
  root            uuid,                                -- null: this one
  namespace       text COLLATE "C" NOT NULL,
  job             text COLLATE "C" NOT NULL,
  actor           text NOT NULL,                       -- who started it: kind:id
  key             text COLLATE "C",                    -- business key; unique through execution_key
  "group"         text COLLATE "C",
  concurrency_key text COLLATE "C",
  blocking        text COLLATE "C" CHECK (blocking ${oneOf(blockingStrategies)}),
  trace_context   text,
  input           bytea
) WITH (fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02); -- each claim and end leaves a dead row before the next claim
CREATE INDEX execution_ready   ON makegood.execution (namespace, job, version, priority, wake_at) WHERE status = 'ready';
CREATE INDEX execution_due     ON makegood.execution (namespace, wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;
CREATE INDEX execution_running ON makegood.execution (worker) WHERE status = 'running';
CREATE INDEX execution_blocked ON makegood.execution (namespace, job, concurrency_key, priority, id) WHERE slot = 'wanted' AND status = 'waiting' AND wake_at IS NULL;
CREATE INDEX execution_child   ON makegood.execution (parent) WHERE parent IS NOT NULL;
CREATE INDEX execution_prune   ON makegood.execution (namespace, prune_at) WHERE prune_at IS NOT NULL;

-- The one place where a business key is unique. Outlives the execution; "round" makes (namespace, job, key, round) unique.
CREATE TABLE makegood.execution_key (
  namespace    text COLLATE "C" NOT NULL,
  job          text COLLATE "C" NOT NULL,
  key          text COLLATE "C" NOT NULL,
  round        integer NOT NULL DEFAULT 0,
  execution_id uuid NOT NULL,
  fingerprint  text COLLATE "C" NOT NULL,
  retain_ms    bigint NOT NULL,
  status       text COLLATE "C",                       -- set when retention takes the execution, with prune_at
  prune_at     bigint,
  PRIMARY KEY (namespace, job, key)
);
CREATE INDEX execution_key_prune ON makegood.execution_key (namespace, prune_at) WHERE prune_at IS NOT NULL;

-- One row per settled step and role; insert only.
CREATE TABLE makegood.journal (
  execution_id uuid NOT NULL,
  step         text COLLATE "C" NOT NULL,              -- name, or name:id
  role         text COLLATE "C" NOT NULL CHECK (role ${oneOf(roles)}),
  kind         text COLLATE "C" NOT NULL CHECK (kind ${oneOf(stepKinds)}),
  seq          integer NOT NULL,                       -- order of delivery to the function
  started      integer NOT NULL,                       -- order of calls; undone in reverse
  attempt      integer NOT NULL,
  state        text COLLATE "C" NOT NULL CHECK (state ${oneOf(["done", "refused", "failed"])}),
  body         bytea,
  at           bigint NOT NULL,
  token        integer NOT NULL,                       -- who wrote it
  actor        text,
  PRIMARY KEY (execution_id, step, role)
);

CREATE TABLE makegood.attempt (
  execution_id uuid NOT NULL,
  step         text COLLATE "C" NOT NULL,
  role         text COLLATE "C" NOT NULL,
  attempt      integer NOT NULL,
  token        integer NOT NULL,
  at           bigint NOT NULL,
  next_at      bigint NOT NULL,
  is_unknown   boolean NOT NULL,
  is_counted   boolean NOT NULL DEFAULT true,
  error        bytea,
  PRIMARY KEY (execution_id, step, role, attempt, token)
);

CREATE TABLE makegood.signal (
  execution_id uuid NOT NULL,
  signal_id    text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  payload      bytea,
  seq          integer NOT NULL,                       -- the inbox that it raised the guard row to: order of acceptance
  at           bigint NOT NULL,
  taken_by     text,                                   -- step
  PRIMARY KEY (execution_id, signal_id)
);

CREATE TABLE makegood.slot (
  namespace       text COLLATE "C" NOT NULL,
  job             text COLLATE "C" NOT NULL,
  concurrency_key text COLLATE "C" NOT NULL,
  execution_id    uuid NOT NULL,
  PRIMARY KEY (namespace, job, concurrency_key)
);

CREATE TABLE makegood.worker (
  id          uuid PRIMARY KEY,                        -- fresh per process start
  namespace   text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,               -- stable
  jobs        jsonb NOT NULL,                          -- [[job, version], …]
  started_at  bigint NOT NULL,
  lease_until bigint NOT NULL
);
CREATE INDEX worker_name ON makegood.worker (namespace, name);

-- What needs a person. The alarm that must go out with it is the same row, until alarmed_at is set.
CREATE TABLE makegood.incident (
  id           uuid PRIMARY KEY,
  namespace    text COLLATE "C" NOT NULL,
  execution_id uuid NOT NULL,
  code         text COLLATE "C" NOT NULL,
  step         text,
  error        bytea,
  opened_at    bigint NOT NULL,
  alarmed_at   bigint,
  closed_at    bigint,
  closed_by    text
);
CREATE INDEX incident_open ON makegood.incident (namespace, opened_at) WHERE closed_at IS NULL;
CREATE INDEX incident_execution ON makegood.incident (execution_id);

CREATE TABLE makegood.audit (
  id           uuid PRIMARY KEY,
  namespace    text COLLATE "C" NOT NULL,
  execution_id uuid NOT NULL,
  verb         text COLLATE "C" NOT NULL,
  actor_kind   text COLLATE "C" NOT NULL,
  actor_id     text COLLATE "C" NOT NULL,
  note         text,
  at           bigint NOT NULL
);
CREATE INDEX audit_execution ON makegood.audit (execution_id, id);

CREATE TABLE makegood.progress (
  execution_id uuid PRIMARY KEY,
  fraction     double precision NOT NULL,
  note         text
);

CREATE TABLE makegood.search_attribute (
  execution_id uuid NOT NULL,
  namespace    text COLLATE "C" NOT NULL,
  name         text COLLATE "C" NOT NULL,
  value        text COLLATE "C" NOT NULL,
  PRIMARY KEY (execution_id, name)
);
CREATE INDEX search_attribute_value ON makegood.search_attribute (namespace, name, value, execution_id);

-- Records a step in the user's own transaction, through whatever client he has: a function, because its plans are kept by the
-- session, and planning its statements anew cost three times what they take. Locks the guard row and waits for it, then
-- inserts: the lock yields the row as it is when it comes free, and ON CONFLICT sees what a snapshot does not. A process
-- frozen before its COMMIT would hold the guard row, and so block its own rescue: hence the limit, unless the session has one.
CREATE FUNCTION makegood.record_own(
  p_execution_id uuid, p_step text, p_role text, p_kind text, p_seq integer, p_started integer, p_attempt integer, p_state text,
  p_body bytea, p_at bigint, p_token integer, p_actor text, p_is_back boolean, p_max_idle text)
RETURNS TABLE (token integer, status text, phase text, cancel text, inbox integer, wrote_count integer)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  guard record;
  wrote integer := 0;
BEGIN
  IF current_setting('idle_in_transaction_session_timeout') = '0' THEN
    PERFORM set_config('idle_in_transaction_session_timeout', p_max_idle, true);
  END IF;
  SELECT e.token, e.status, e.phase, e.cancel, e.inbox INTO guard
    FROM makegood.execution e WHERE e.id = p_execution_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF guard.token = p_token AND guard.status = 'running' AND (guard.phase = 'back') = p_is_back THEN
    INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
    VALUES (p_execution_id, p_step, p_role, p_kind, p_seq, p_started, p_attempt, p_state, p_body, p_at, p_token, p_actor)
    ON CONFLICT (execution_id, step, role) DO NOTHING;
    GET DIAGNOSTICS wrote = ROW_COUNT;
  END IF;
  RETURN QUERY SELECT guard.token, guard.status, guard.phase, guard.cancel, guard.inbox, wrote;
END
$$;
`;
