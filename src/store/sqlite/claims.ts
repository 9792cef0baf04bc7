// Taking executions: claim, rescue and adoption all raise the token and name the worker.

import { InvariantError } from "../../core/errors.ts";
import type { Phase, Reason } from "../../core/execution.ts";
import type { ClaimedExecution, JobRef } from "../../core/store.ts";
import type { Connection, Sql } from "./connection.ts";
import type { Guard } from "./guard.ts";
import { idFromBytes, idOrNull, idToBytes } from "./id-bytes.ts";
import { isLive } from "./leases.ts";
import type { Moment } from "./moment.ts";

export interface Claim {
  readonly namespace: string;
  readonly worker: string;
  readonly jobs: readonly JobRef[];
  readonly limit: number;
}

/** Looks before it asks for the write lock, so that an idle worker's polling keeps nobody waiting. */
export async function claimReady(connection: Connection, request: Claim): Promise<readonly ClaimedExecution[]> {
  const hasReady = await connection.read((sql) => pick(sql, { ...request, limit: 1 }).length > 0);
  if (!hasReady) return [];
  const worker = idToBytes(request.worker);
  return connection.write((sql, moment) => {
    if (!isLive(sql, worker, moment.now)) return [];
    const picked = pick(sql, request);
    for (const id of picked) sql.run(takeReady, [worker, id]);
    return picked.map((id) => readClaimed(sql, id, moment));
  });
}

// Served by execution_ready, in its order: job by job, so that a long queue of one is not read for the sake of another.
const pickReady = `
SELECT id, priority, wake_at
  FROM makegood_execution
 WHERE namespace = ? AND job = ? AND version = ? AND status = 'ready'
 ORDER BY priority, wake_at, id
 LIMIT ?`;

// Served by the primary key. Picked in the same transaction: nobody else has it.
const takeReady = `
UPDATE makegood_execution SET status = 'running', worker = ?, token = token + 1, wake_at = NULL WHERE id = ?`;

function pick(sql: Sql, { namespace, jobs, limit }: Claim): readonly Uint8Array[] {
  const found = jobs.flatMap(({ job, version }) => sql.rows(pickReady, [namespace, job, version, limit]));
  if (jobs.length > 1)
    found.sort((a, b) => Number(a["priority"]) - Number(b["priority"]) || Number(a["wake_at"]) - Number(b["wake_at"]));
  return found.slice(0, limit).map((row) => row["id"] as Uint8Array);
}

// Served by both primary keys. In the order of `toClaimed`.
const selectClaimed = `
SELECT e.job, e.version, e.key, e.round, e.token, e.phase, e.reason, e.cancel, e.inbox, e.priority, e."group", e.parent, e.slot,
       e.created_at, e.deadline_at, p.input, p.root, p.trace_context, e.scheduled_at
  FROM makegood_execution AS e JOIN makegood_payload AS p ON p.execution_id = e.id
 WHERE e.id = ?`;

/** What its new owner needs; in the transaction that gave it to him. */
export function readClaimed(sql: Sql, id: Uint8Array, moment: Moment): ClaimedExecution {
  const row = sql.tuple(selectClaimed, [id]);
  if (row === undefined) throw new InvariantError(`Expected the payload of execution ${idFromBytes(id)}, found none`);
  return toClaimed(id, row as unknown as ClaimedRow, moment.now);
}

type ClaimedRow = readonly [
  job: string,
  version: number,
  key: string | null,
  round: number,
  token: number,
  phase: Phase,
  reason: Reason | null,
  cancel: Reason | null,
  inbox: number,
  priority: number,
  group: string | null,
  parent: Uint8Array | null,
  slot: Guard["slot"],
  createdAt: number,
  deadlineAt: number | null,
  input: Uint8Array | null,
  root: Uint8Array,
  traceContext: string | null,
  scheduledAt: number | null,
];

function toClaimed(bytes: Uint8Array, row: ClaimedRow, now: number): ClaimedExecution {
  const [job, version, key, round, token, phase, reason, cancel, inbox, ...rest] = row;
  const [priority, group, parent, slot, createdAt, deadlineAt, input, root, traceContext, scheduledAt] = rest;
  return {
    id: idFromBytes(bytes),
    job,
    version,
    key,
    round,
    token,
    phase,
    reason,
    cancel,
    inbox,
    priority,
    group,
    parent: idOrNull(parent),
    root: idFromBytes(root),
    holdsSlot: slot === "held",
    traceContext,
    input,
    createdAt,
    deadlineAt,
    deadlineInMs: deadlineAt === null ? null : deadlineAt - now,
    scheduledAt,
  };
}
