// Workers and their leases, judged by the database's clock alone.
import type { Reason } from "../../core/execution.ts";
import type { JobRef, WorkerStore } from "../../core/store.ts";
import { adopt } from "./claims.ts";
import type { Connections } from "./connection.ts";
import { int, numberArray, text, textArray, textOrNull } from "./values.ts";

// Index worker_name. The fence and not the lease protects, so a predecessor's lease may be ended while it still runs.
const registerSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
ended AS (
  UPDATE makegood.worker w SET lease_until = c.now FROM clock c
   WHERE w.namespace = $2::text AND w.name = $3::text AND w.id <> $1::uuid AND w.lease_until > c.now)
INSERT INTO makegood.worker AS w (id, namespace, name, jobs, started_at, lease_until)
SELECT $1::uuid, $2::text, $3::text, $4::text::jsonb, c.now, c.now + $5::bigint FROM clock c
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, jobs = excluded.jobs`;

const renewSql = `
UPDATE makegood.worker w SET lease_until = makegood.now_ms() + $2::bigint, jobs = $3::text::jsonb
 WHERE w.id = $1::uuid
RETURNING 1 AS found`;

const endSql = `UPDATE makegood.worker w SET lease_until = LEAST(w.lease_until, makegood.now_ms()) WHERE w.id = $1::uuid`;

// Index execution_running. What is held is wanted only if there is news.
const sweepSql = `
SELECT e.id::text AS id, e.token, e.cancel, e.inbox
  FROM makegood.execution e
 WHERE e.status = 'running' AND e.worker = $1::uuid
   AND (e.cancel IS NOT NULL OR e.inbox > 0 OR e.id NOT IN (SELECT unnest($2::uuid[])))`;

// Primary key of execution.
const lostSql = `
SELECT l.id::text AS id
  FROM unnest($1::uuid[], $2::integer[]) AS l(id, token)
  LEFT JOIN makegood.execution e ON e.id = l.id AND e.token = l.token AND e.status = 'running'
 WHERE e.id IS NULL`;

// Index execution_ready. `jobs` is [[job, version], …].
const unservedSql = `
SELECT r.job, r.version, r.count
  FROM (SELECT e.job, e.version, count(*) AS count
          FROM makegood.execution e
         WHERE e.status = 'ready' AND e.namespace = $1::text AND e.wake_at < (SELECT makegood.now_ms()) - $2::bigint
         GROUP BY e.job, e.version) r
 WHERE NOT EXISTS (
       SELECT FROM makegood.worker w
        WHERE w.namespace = $1::text AND w.lease_until > makegood.now_ms() AND w.jobs @> jsonb_build_array(jsonb_build_array(r.job, r.version)))`;

export function workerStore(connections: Connections): WorkerStore {
  return {
    async register({ id, name, namespace, leaseMs, jobs }) {
      await connections.write({ sql: registerSql, parameters: [id, namespace, name, jobsText(jobs), leaseMs] });
    },
    async renew({ id, leaseMs, jobs }) {
      return (await connections.write({ sql: renewSql, parameters: [id, leaseMs, jobsText(jobs)] })).length > 0;
    },
    async sweep({ worker, held }) {
      const rows = await connections.read({ sql: sweepSql, parameters: [worker, textArray(held)] });
      return rows.map((row) => ({
        id: text(row.id),
        token: int(row.token),
        cancel: textOrNull<Reason>(row.cancel),
        inbox: int(row.inbox),
      }));
    },
    adopt: ({ worker, orphans }) => adopt(connections, worker, orphans),
    async lostAmong(leases) {
      if (leases.length === 0) return [];
      const lists = [
        textArray(leases.map((lease) => lease.executionId)),
        numberArray(leases.map((lease) => lease.token)),
      ];
      return (await connections.read({ sql: lostSql, parameters: lists })).map((row) => text(row.id));
    },
    async end(id) {
      await connections.write({ sql: endSql, parameters: [id] });
    },
    async unserved({ namespace, olderThanMs }) {
      const rows = await connections.read({ sql: unservedSql, parameters: [namespace, olderThanMs] });
      return rows.map((row) => ({ job: text(row.job), version: int(row.version), count: int(row.count) }));
    },
  };
}

const jobsText = (jobs: readonly JobRef[]): string => JSON.stringify(jobs.map(({ job, version }) => [job, version]));
