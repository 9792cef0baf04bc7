import type { Reason } from "../../core/execution.ts";
import type { JobRef, WorkerStore } from "../../core/store.ts";
import { readClaimed } from "./claims.ts";
import type { Connection } from "./connection.ts";
import { idFromBytes, idToBytes } from "./id-bytes.ts";
import { unservedJobs } from "./unserved.ts";

/** Rows of workers that ended are kept so long for those who look; executions never depend on them. */
const keepEndedMs = 86_400_000;

// A repeated registration is a renewal. The next two are served by worker_name.
const upsertWorker = `
INSERT INTO makegood_worker (id, namespace, name, jobs, started_at, lease_until) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET jobs = excluded.jobs, lease_until = excluded.lease_until`;
// Safe though the predecessor may live: the fence protects, not the lease. It only makes a restart take over at once.
const endPredecessors = `
UPDATE makegood_worker SET lease_until = ? WHERE namespace = ? AND name = ? AND id <> ? AND lease_until > ?`;
const forgetPredecessors = `
DELETE FROM makegood_worker WHERE namespace = ? AND name = ? AND lease_until < ?`;

// Served by the primary key. Renewing late is allowed.
const renewLease = `
UPDATE makegood_worker SET lease_until = ?, jobs = ? WHERE id = ?`;
const endLease = `
UPDATE makegood_worker SET lease_until = ? WHERE id = ? AND lease_until > ?`;

// Served by execution_running.
const selectMine = `
SELECT id, token, cancel, inbox FROM makegood_execution WHERE worker = ? AND status = 'running'`;
// Served by the primary key. Raising the token sets the adopted apart from a claim whose statement is still on its way.
const adoptOne = `
UPDATE makegood_execution SET token = token + 1 WHERE id = ? AND token = ? AND worker = ? AND status = 'running'`;
const selectHeld = `
SELECT 1 FROM makegood_execution WHERE id = ? AND token = ? AND status = 'running'`;

export function workerStore(connection: Connection): WorkerStore {
  return {
    register: ({ id, name, namespace, leaseMs, jobs }) =>
      connection.write((sql, { now }) => {
        const worker = idToBytes(id);
        sql.run(upsertWorker, [worker, namespace, name, listOf(jobs), now, now + leaseMs]);
        sql.run(endPredecessors, [now, namespace, name, worker, now]);
        sql.run(forgetPredecessors, [namespace, name, now - keepEndedMs]);
      }),
    renew: ({ id, leaseMs, jobs }) =>
      connection.write((sql, { now }) => sql.run(renewLease, [now + leaseMs, listOf(jobs), idToBytes(id)]) === 1),
    sweep: ({ worker, held }) =>
      connection.read((sql) => {
        const isHeld = new Set(held);
        return sql
          .rows(selectMine, [idToBytes(worker)])
          .map((row) => ({
            id: idFromBytes(row["id"]),
            token: row["token"] as number,
            cancel: row["cancel"] as Reason | null,
            inbox: row["inbox"] as number,
          }))
          .filter(({ id, cancel, inbox }) => !isHeld.has(id) || cancel !== null || inbox > 0);
      }),
    adopt: ({ worker, orphans }) => {
      if (orphans.length === 0) return Promise.resolve([]);
      const me = idToBytes(worker);
      return connection.write((sql, moment) =>
        orphans
          .map(({ executionId, token }) => ({ id: idToBytes(executionId), token }))
          .filter(({ id, token }) => sql.run(adoptOne, [id, token, me]) === 1)
          .map(({ id }) => readClaimed(sql, id, moment)),
      );
    },
    lostAmong: (leases) =>
      connection.read((sql) =>
        leases
          .filter(({ executionId, token }) => sql.tuple(selectHeld, [idToBytes(executionId), token]) === undefined)
          .map(({ executionId }) => executionId),
      ),
    end: (id) => connection.write((sql, { now }) => void sql.run(endLease, [now, idToBytes(id), now])),
    unserved: ({ namespace, olderThanMs }) =>
      connection.read((sql, { now }) => unservedJobs(sql, namespace, olderThanMs, now)),
  };
}

const listOf = (jobs: readonly JobRef[]): string => JSON.stringify(jobs.map(({ job, version }) => [job, version]));
