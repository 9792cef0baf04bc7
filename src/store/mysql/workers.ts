// Workers and their leases, judged by the database's clock alone.
import type { Reason } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { JobRef, WorkerStore } from "../../core/store.ts";
import { adopt, jobsText } from "./claims.ts";
import { nowSql } from "./clock.ts";
import type { Connections } from "./connection.ts";
import { bytesOf, hexOf, idBytes, idOf, int, list, listTable, text, textOrNull } from "./values.ts";

type Registration = Parameters<WorkerStore["register"]>[0];

// Index worker_name. The fence and not the lease protects, so a predecessor's lease may be ended while it still runs. Its ids
// are read first: a repeated registration of two processes would else wait for each other's index entries.
const predecessorsSql = `
SELECT HEX(w.id) AS id FROM makegood_worker w WHERE w.namespace = ? AND w.name = ? AND w.id <> ? AND w.lease_until > ${nowSql}`;

function* register({ id, name, namespace, leaseMs, jobs }: Registration): Script<void> {
  const before = yield { sql: predecessorsSql, parameters: [bytesOf(namespace), bytesOf(name), idBytes(id)] };
  for (const row of before) yield { sql: endSql, parameters: [idBytes(idOf(row.id))] };
  // A repeat is a renewal.
  yield {
    sql: `
      INSERT INTO makegood_worker (id, namespace, name, jobs, started_at, lease_until)
      VALUES (?, ?, ?, ?, ${nowSql}, ${nowSql} + ?)
      ON DUPLICATE KEY UPDATE jobs = ?, lease_until = ${nowSql} + ?`,
    parameters: [idBytes(id), bytesOf(namespace), bytesOf(name), jobsText(jobs), leaseMs, jobsText(jobs), leaseMs],
  };
}

// Primary key. Whether the row is there is asked, not counted: what an update counts depends on the connection's flags.
const renewSql = `UPDATE makegood_worker SET lease_until = ${nowSql} + ?, jobs = ? WHERE id = ?`;
const findSql = "SELECT 1 AS found FROM makegood_worker w WHERE w.id = ?";
const endSql = `UPDATE makegood_worker SET lease_until = LEAST(lease_until, ${nowSql}) WHERE id = ?`;

// Index execution_running.
const sweepSql = `
SELECT e.id, e.token, e.cancel, e.inbox
  FROM makegood_execution e FORCE INDEX (execution_running)
 WHERE e.worker = ? AND e.status = 'running'`;

// Primary key of execution.
const lostSql = `
SELECT j.id
  FROM ${listTable(["id", "id"], ["token", "number"])}
  LEFT JOIN makegood_execution e ON e.id = UNHEX(j.id) AND e.token = j.token AND e.status = 'running'
 WHERE e.id IS NULL`;

// Index execution_ready.
const unservedSql = `
SELECT e.job, e.version, COUNT(*) AS count
  FROM makegood_execution e FORCE INDEX (execution_ready)
 WHERE e.ready_in = ? AND e.wake_at < ${nowSql} - ?
 GROUP BY e.job, e.version`;
const liveJobsSql = `SELECT w.jobs FROM makegood_worker w WHERE w.namespace = ? AND w.lease_until > ${nowSql}`;

export function workerStore(connections: Connections): WorkerStore {
  return {
    register: (worker) => connections.transaction(() => register(worker)),
    async renew({ id, leaseMs, jobs }) {
      await connections.write({ sql: renewSql, parameters: [leaseMs, jobsText(jobs), idBytes(id)] });
      return (await connections.read({ sql: findSql, parameters: [idBytes(id)] })).length > 0;
    },
    async sweep({ worker, held }) {
      const rows = await connections.read({ sql: sweepSql, parameters: [idBytes(worker)] });
      const isHeld = new Set(held);
      return rows
        .map((row) => ({
          id: idOf(row.id),
          token: int(row.token),
          cancel: textOrNull<Reason>(row.cancel),
          inbox: int(row.inbox),
        }))
        .filter(({ id, cancel, inbox }) => !isHeld.has(id) || cancel !== null || inbox > 0);
    },
    adopt: ({ worker, orphans }) => adopt(connections, worker, orphans),
    async lostAmong(leases) {
      if (leases.length === 0) return [];
      const asked = list(leases.map(({ executionId, token }) => [hexOf(executionId), token]));
      return (await connections.read({ sql: lostSql, parameters: [asked] })).map((row) => idOf(row.id));
    },
    async end(id) {
      await connections.write({ sql: endSql, parameters: [idBytes(id)] });
    },
    async unserved({ namespace, olderThanMs }) {
      const space = bytesOf(namespace);
      const rows = await connections.read({ sql: unservedSql, parameters: [space, olderThanMs] });
      const live = rows.length === 0 ? [] : await connections.read({ sql: liveJobsSql, parameters: [space] });
      const served = new Set(live.flatMap((row) => (JSON.parse(text(row.jobs)) as readonly unknown[]).map(nameOf)));
      return rows
        .map((row) => ({ job: text(row.job), version: int(row.version), count: int(row.count) }))
        .filter(({ job, version }: JobRef) => !served.has(nameOf([job, version])));
    },
  };
}

const nameOf = (pair: unknown): string => JSON.stringify(pair);
