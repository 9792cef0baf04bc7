// Every way to become the owner of an execution: claim, rescue, adopt. Each raises the token. The journal is loaded by the
// caller in a statement begun afterwards (F2).
import type { Phase, Reason } from "../../core/execution.ts";
import type { Row } from "../../core/script.ts";
import type { ClaimedExecution, ExecutionStore, JobRef, Lease } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { bytesOrNull, int, intOrNull, numberArray, text, textArray, textOrNull } from "./values.ts";

type Claim = Parameters<ExecutionStore["claim"]>[0];
type Rescue = Parameters<ExecutionStore["rescue"]>[0];

/** What is returned of guard row `e`; with `t` for its result, what is answered. */
const takenSql = `
  e.id, e.job, e.version, e.key, e.round, e.status, e.token, e.phase, e.reason, e.cancel, e.inbox, e.priority, e."group", e.parent,
  (e.slot = 'held') IS TRUE AS holds_slot, e.created_at, e.deadline_at, e.root, e.trace_context, e.input, e.scheduled_at`;
const shownSql = `
  t.id::text AS id, t.job, t.version, t.key, t.round, t.token, t.phase, t.reason, t.cancel, t.inbox, t.priority, t."group",
  t.parent::text AS parent, t.holds_slot::integer AS holds_slot, t.created_at, t.deadline_at, t.deadline_at - c.now AS deadline_in_ms,
  t.root::text AS root, t.trace_context, t.input, t.scheduled_at`;

// Index execution_ready, one walk for each (job, version), each no further than the limit. Locked rows are passed over, so
// that two claims never wait for each other nor take the same. What was locked is found again by its place, without the
// index; a row that was changed since the snapshot is not at that place, and is left to the next claim.
export const claimSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
pick AS MATERIALIZED (
  SELECT r.place, r.priority, r.wake_at
    FROM unnest($3::text[], $4::integer[]) AS j(job, version)
   CROSS JOIN LATERAL (
         SELECT e.ctid AS place, e.priority, e.wake_at FROM makegood.execution e
          WHERE e.status = 'ready' AND e.namespace = $1::text AND e.job = j.job AND e.version = j.version
          ORDER BY e.priority, e.wake_at
          LIMIT $5::integer
            FOR NO KEY UPDATE SKIP LOCKED) r
   WHERE EXISTS (SELECT FROM makegood.worker w, clock c WHERE w.id = $2::uuid AND w.lease_until > c.now)
   ORDER BY r.priority, r.wake_at
   LIMIT $5::integer),
taken AS (
  UPDATE makegood.execution e SET status = 'running', worker = $2::uuid, token = e.token + 1, wake_at = NULL
    FROM pick k WHERE e.ctid = k.place
  RETURNING ${takenSql}, k.wake_at)
SELECT ${shownSql}
  FROM taken t, clock c
 ORDER BY t.priority, t.wake_at`;

export async function claim(
  connections: Connections,
  { namespace, worker, jobs, limit }: Claim,
): Promise<readonly ClaimedExecution[]> {
  if (jobs.length === 0 || limit <= 0) return [];
  const parameters = [namespace, worker, ...jobLists(jobs), limit];
  const rows = await connections.prepared({ name: "makegood-claim", sql: claimSql, parameters });
  return rows.map(claimedOf);
}

// Starts from executions, never from worker rows: one whose worker row is gone is found too. `owner` hops along index
// execution_running from worker to worker. `m`, the highest seq, is a hint: a row may land after it was read.
export const rescueSql = `
WITH RECURSIVE clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
owner AS (
  (SELECT e.worker FROM makegood.execution e WHERE e.status = 'running' ORDER BY e.worker LIMIT 1)
  UNION ALL
  SELECT (SELECT e.worker FROM makegood.execution e WHERE e.status = 'running' AND e.worker > o.worker ORDER BY e.worker LIMIT 1)
    FROM owner o WHERE o.worker IS NOT NULL),
dead AS MATERIALIZED (
  SELECT o.worker FROM owner o, clock c
   WHERE o.worker IS NOT NULL AND NOT EXISTS (SELECT FROM makegood.worker w WHERE w.id = o.worker AND w.lease_until > c.now)),
pick AS MATERIALIZED (
  SELECT r.id, r.crash_seq, r.crash_count, (SELECT COALESCE(max(j.seq), 0) FROM makegood.journal j WHERE j.execution_id = r.id) AS m
    FROM dead d
   CROSS JOIN LATERAL (
         SELECT e.id, e.crash_seq, e.crash_count FROM makegood.execution e
          WHERE e.status = 'running' AND e.worker = d.worker AND e.namespace = $1::text
            AND EXISTS (SELECT FROM unnest($3::text[], $4::integer[]) AS j(job, version) WHERE j.job = e.job AND j.version = e.version)
          LIMIT $5::integer
            FOR NO KEY UPDATE SKIP LOCKED) r
   WHERE EXISTS (SELECT FROM makegood.worker w, clock c WHERE w.id = $2::uuid AND w.lease_until > c.now)
   LIMIT $5::integer),
counted AS MATERIALIZED (
  SELECT k.id, k.m, CASE WHEN k.crash_seq = k.m THEN LEAST(k.crash_count + 1, 32767) ELSE 1 END AS crash_count FROM pick k),
taken AS (
  UPDATE makegood.execution e
     SET token = e.token + 1, crash_count = k.crash_count, crash_seq = k.m, wake_at = NULL,
         status = CASE WHEN k.crash_count > $6::integer THEN 'parked' ELSE 'running' END,
         worker = CASE WHEN k.crash_count > $6::integer THEN NULL ELSE $2::uuid END
    FROM counted k WHERE e.id = k.id
  RETURNING ${takenSql}, e.namespace),
opened AS (
  INSERT INTO makegood.incident (id, namespace, execution_id, code, opened_at)
  SELECT makegood.new_id(), t.namespace, t.id, 'NO_PROGRESS', c.now FROM taken t, clock c WHERE t.status = 'parked')
SELECT t.status, ${shownSql}
  FROM taken t, clock c
 ORDER BY t.priority, t.created_at`;

export async function rescue(connections: Connections, request: Rescue): ReturnType<ExecutionStore["rescue"]> {
  const { namespace, worker, jobs, limit, maxCrashes } = request;
  if (jobs.length === 0 || limit <= 0) return { claimed: [], parked: [] };
  const parameters = [namespace, worker, ...jobLists(jobs), limit, maxCrashes];
  const rows = await connections.write({ sql: rescueSql, parameters });
  const isParked = (row: Row): boolean => row.status === "parked";
  return {
    claimed: rows.filter((row) => !isParked(row)).map(claimedOf),
    parked: rows.filter(isParked).map((row) => text(row.id)),
  };
}

// Primary key of execution. Compare-and-set on the token that the sweep saw; it waits for a commit in flight.
const adoptSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
taken AS (
  UPDATE makegood.execution e SET token = e.token + 1
    FROM unnest($2::uuid[], $3::integer[]) AS o(id, token)
   WHERE e.id = o.id AND e.token = o.token AND e.worker = $1::uuid AND e.status = 'running'
  RETURNING ${takenSql})
SELECT ${shownSql}
  FROM taken t, clock c`;

export async function adopt(
  connections: Connections,
  worker: string,
  orphans: readonly Lease[],
): Promise<readonly ClaimedExecution[]> {
  if (orphans.length === 0) return [];
  const sorted = [...orphans].sort((a, b) => (a.executionId < b.executionId ? -1 : 1));
  const lists = [textArray(sorted.map((lease) => lease.executionId)), numberArray(sorted.map((lease) => lease.token))];
  return (await connections.write({ sql: adoptSql, parameters: [worker, ...lists] })).map(claimedOf);
}

export const jobLists = (jobs: readonly JobRef[]): readonly [string, string] => [
  textArray(jobs.map(({ job }) => job)),
  numberArray(jobs.map(({ version }) => version)),
];

const claimedOf = (row: Row): ClaimedExecution => ({
  id: text(row.id),
  job: text(row.job),
  version: int(row.version),
  key: textOrNull(row.key),
  round: int(row.round),
  token: int(row.token),
  phase: text<Phase>(row.phase),
  reason: textOrNull<Reason>(row.reason),
  cancel: textOrNull<Reason>(row.cancel),
  inbox: int(row.inbox),
  priority: int(row.priority),
  group: textOrNull(row.group),
  parent: textOrNull(row.parent),
  root: textOrNull(row.root) ?? text(row.id),
  holdsSlot: int(row.holds_slot) === 1,
  traceContext: textOrNull(row.trace_context),
  input: bytesOrNull(row.input),
  createdAt: int(row.created_at),
  deadlineAt: intOrNull(row.deadline_at),
  deadlineInMs: intOrNull(row.deadline_in_ms),
  scheduledAt: intOrNull(row.scheduled_at),
});
