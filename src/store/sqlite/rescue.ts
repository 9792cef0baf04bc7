// Executions whose owner is gone. Found from the executions, never from expired worker rows: a row that was deleted strands
// nothing. A crash is counted where it is found; one after which the journal has grown starts the count anew.
import type { ClaimedExecution, ExecutionStore } from "../../core/store.ts";
import { type Claim, readClaimed } from "./claims.ts";
import type { Connection, Sql } from "./connection.ts";
import { idFromBytes, idToBytes } from "./id-bytes.ts";
import { openIncident } from "./incidents.ts";
import { isLive } from "./leases.ts";
import type { Moment } from "./moment.ts";

type Rescued = Awaited<ReturnType<ExecutionStore["rescue"]>>;
const nothing: Rescued = { claimed: [], parked: [] };

export async function rescue(
  connection: Connection,
  request: Claim & { readonly maxCrashes: number },
): Promise<Rescued> {
  // Without the write lock: most of the time there is nobody to rescue.
  const dead = await connection.read((sql, { now }) => deadOwners(sql, now));
  if (dead.length === 0) return nothing;
  const worker = idToBytes(request.worker);
  return connection.write((sql, moment) => {
    if (!isLive(sql, worker, moment.now)) return nothing;
    const claimed: ClaimedExecution[] = [];
    const parked: string[] = [];
    for (const { id, crashCount, seq } of orphansOf(sql, dead, request, moment.now)) {
      if (crashCount > request.maxCrashes) {
        park(sql, id, crashCount, seq, moment);
        parked.push(idFromBytes(id));
      } else {
        sql.run(takeOver, [worker, crashCount, seq, id]);
        claimed.push(readClaimed(sql, id, moment));
      }
    }
    return { claimed, parked };
  });
}

// Served by execution_running: one step per worker, not per execution.
const selectDead = `
WITH RECURSIVE owner (id) AS (
  SELECT min(worker) FROM makegood_execution WHERE status = 'running'
  UNION ALL
  SELECT (SELECT min(worker) FROM makegood_execution WHERE status = 'running' AND worker > owner.id)
    FROM owner WHERE owner.id IS NOT NULL)
SELECT owner.id
  FROM owner LEFT JOIN makegood_worker AS w ON w.id = owner.id
 WHERE owner.id IS NOT NULL AND (w.id IS NULL OR w.lease_until <= ?)`;

function deadOwners(sql: Sql, now: number): readonly Uint8Array[] {
  return sql.rows(selectDead, [now]).map((row) => row["id"] as Uint8Array);
}

interface Orphan {
  readonly id: Uint8Array;
  readonly crashCount: number;
  readonly seq: number;
}

// Served by execution_running, and the journal's primary key.
const selectOrphans = `
SELECT e.id, e.job, e.version, e.crash_count, e.crash_seq,
       coalesce((SELECT max(j.seq) FROM makegood_journal AS j WHERE j.execution_id = e.id), 0) AS seq
  FROM makegood_execution AS e
 WHERE e.worker = ? AND e.status = 'running' AND e.namespace = ?
   AND EXISTS (SELECT 1 FROM json_each(?) AS mine WHERE mine.value ->> 0 = e.job AND mine.value ->> 1 = e.version)
 LIMIT ?`;

/** Asked again under the write lock: an owner may have renewed its lease meanwhile. */
function orphansOf(
  sql: Sql,
  dead: readonly Uint8Array[],
  { namespace, jobs, limit }: Claim,
  now: number,
): readonly Orphan[] {
  const mine = JSON.stringify(jobs.map(({ job, version }) => [job, version]));
  const orphans: Orphan[] = [];
  for (const worker of dead) {
    if (isLive(sql, worker, now)) continue;
    for (const row of sql.rows(selectOrphans, [worker, namespace, mine, limit - orphans.length])) {
      const seq = row["seq"] as number;
      orphans.push({
        id: row["id"] as Uint8Array,
        seq,
        crashCount: row["crash_seq"] === seq ? (row["crash_count"] as number) + 1 : 1,
      });
    }
    if (orphans.length >= limit) break;
  }
  return orphans;
}

// Both are served by the primary key; both raise the token, so that whatever the old owner still sends is lost.
const takeOver = `
UPDATE makegood_execution SET worker = ?, token = token + 1, crash_count = ?, crash_seq = ? WHERE id = ?`;
const setParked = `
UPDATE makegood_execution
   SET status = 'parked', worker = NULL, wake_at = NULL, token = token + 1, crash_count = ?, crash_seq = ?
 WHERE id = ?`;

function park(sql: Sql, id: Uint8Array, crashCount: number, seq: number, moment: Moment): void {
  sql.run(setParked, [crashCount, seq, id]);
  sql.script(openIncident(id, { code: "NO_PROGRESS", step: null, error: null }, moment));
}
