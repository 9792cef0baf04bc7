// The life of executions: loading, waking, reading back, pruning. Claims are in claims.ts, commits in commit.ts.

import { InvariantError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { BlockingStrategy, ExecutionStore, Lease, PruneRequest } from "../../core/store.ts";
import { claim, rescue } from "./claims.ts";
import { committing } from "./commit.ts";
import { type Connections, RollBack } from "./connection.ts";
import { loadExecutions } from "./load.ts";
import type { Notices } from "./notify.ts";
import { discard, lockSlot, seekSlot } from "./slots.ts";
import { int, intOrNull, plainList, text, textOrNull } from "./values.ts";

export function executionStore(connections: Connections, notices: Notices): ExecutionStore {
  return {
    commit: committing(connections, notices),
    claim: (request) => claim(connections, request),
    rescue: (request) => rescue(connections, request),
    load: (ids) => loadExecutions(connections, ids),
    wakeDue: (request) => wakeDue(connections, request),
    readBack: (lease, step, role) => connections.transaction(() => readBack(lease, step, role)),
    prunable: (request) => prunable(connections, request),
    prune: (request) => prune(connections, request),
  };
}

// ── Waking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// Index execution_due for the first `limit` that are due; then by primary key. Locked rows are passed over: mostly somebody
// else is waking them, but he may roll back, so `left_count` tells of them. Those that want a slot must lock that first; here
// they are only named.
export const wakeDueSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
due AS MATERIALIZED (
  SELECT e.id, (e.slot = 'wanted') IS TRUE AS wants_slot
    FROM makegood.execution e
   WHERE e.namespace = $1::text AND e.status = 'waiting' AND e.wake_at <= (SELECT c.now FROM clock c)
   ORDER BY e.wake_at LIMIT $2::integer),
locked AS MATERIALIZED (
  SELECT d.id
    FROM due d
   CROSS JOIN LATERAL (
         SELECT e.id FROM makegood.execution e
          WHERE e.id = d.id AND e.status = 'waiting' AND e.wake_at <= (SELECT c.now FROM clock c)
            FOR NO KEY UPDATE SKIP LOCKED) e
   WHERE NOT d.wants_slot),
woken AS (
  UPDATE makegood.execution e SET status = 'ready', wake_at = c.now FROM locked l, clock c WHERE e.id = l.id)
SELECT (SELECT count(*) FROM due) AS due_count,
       (SELECT count(*) FROM locked) AS woken_count,
       (SELECT array_agg(d.id)::text FROM due d WHERE d.wants_slot) AS seekers,
       (SELECT min(e.wake_at) - c.now FROM makegood.execution e
         WHERE e.namespace = $1::text AND e.status = 'waiting' AND e.wake_at > c.now) AS next_in_ms
  FROM clock c`;

/** When to look again after due rows that others hold. */
const lockedAgainMs = 50;

async function wakeDue(
  connections: Connections,
  { namespace, limit }: { readonly namespace: string; readonly limit: number },
) {
  const [row] = await connections.write({ sql: wakeDueSql, parameters: [namespace, limit] });
  const seekers = plainList(row?.seekers);
  let wokenCount = int(row?.woken_count);
  const leftCount = int(row?.due_count) - wokenCount - seekers.length;
  for (const id of seekers) if (await connections.transaction(() => seekWhenDue(id))) wokenCount++;
  const nextInMs = intOrNull(row?.next_in_ms) ?? Number.POSITIVE_INFINITY;
  const soonest = Math.min(nextInMs, int(row?.due_count) >= limit ? 0 : leftCount > 0 ? lockedAgainMs : nextInMs);
  return { wokenCount, nextInMs: Number.isFinite(soonest) ? soonest : null };
}

/** A delayed execution's time has come: it gets its slot, waits on for it, or is discarded. True if it is ready now. */
function* seekWhenDue(id: string): Script<boolean> {
  const [found] = yield {
    sql: `
      SELECT e.namespace, e.job, e.concurrency_key, e.blocking, e.actor
        FROM makegood.execution e WHERE e.id = $1::uuid`,
    parameters: [id],
  };
  if (found === undefined) return false;
  const slot = { namespace: text(found.namespace), job: text(found.job), concurrencyKey: text(found.concurrency_key) };
  const { holder } = yield* lockSlot(slot, id);
  const [still] = yield {
    sql: `
      SELECT e.id::text AS id, e.parent::text AS parent FROM makegood.execution e
       WHERE e.id = $1::uuid AND e.status = 'waiting' AND e.slot = 'wanted' AND e.wake_at <= makegood.now_ms()
         FOR NO KEY UPDATE SKIP LOCKED`,
    parameters: [id],
  };
  // Somebody else was here, or is: what he did stands, and the slot that was taken above is given back.
  if (still === undefined) throw new RollBack(false);
  const standing = yield* seekSlot(
    slot,
    id,
    holder,
    textOrNull<BlockingStrategy>(found.blocking) ?? "serial",
    starterOf(found.actor),
  );
  if (standing === "discarded") yield* discard([still]);
  else
    yield {
      sql: `
        UPDATE makegood.execution e
           SET slot = $2::text, status = CASE WHEN $2::text = 'held' THEN 'ready' ELSE e.status END,
               wake_at = CASE WHEN $2::text = 'held' THEN makegood.now_ms() END
         WHERE e.id = $1::uuid`,
      parameters: [id, standing],
    };
  return standing === "held";
}

/** Who started it, as execution.actor has it: `kind:id`. */
function starterOf(found: unknown) {
  const [kind = "system", ...id] = text(found).split(":");
  return { kind: kind as "system", id: id.join(":") };
}

// ── Reading back ───────────────────────────────────────────────────────────────────────────────────────────────────

/** The lock waits for a commit that is still under way; the second statement then sees what it left. */
function* readBack(lease: Lease, step: string, role: string): Script<"done" | "absent" | "lost"> {
  const [guard] = yield {
    sql: `SELECT e.status FROM makegood.execution e WHERE e.id = $1::uuid AND e.token = $2::integer FOR NO KEY UPDATE`,
    parameters: [lease.executionId, lease.token],
  };
  if (guard === undefined) return "lost";
  const [row] = yield {
    sql: `
      SELECT j.token FROM makegood.journal j
       WHERE j.execution_id = $1::uuid AND j.step = $2::text AND j.role = $3::text`,
    parameters: [lease.executionId, step, role],
  };
  if (row !== undefined && int(row.token) === lease.token) return "done";
  if (row !== undefined)
    throw new InvariantError("Expected no journal row of another owner for a step of mine, found one", {
      executionId: lease.executionId,
      step,
    });
  return guard.status === "running" ? "absent" : "lost";
}

// ── Retention ──────────────────────────────────────────────────────────────────────────────────────────────────────

// Index execution_prune.
const prunableSql = `
SELECT e.id FROM makegood.execution e
 WHERE e.namespace = $1::text AND e.prune_at <= (SELECT makegood.now_ms()) AND e.ended_at <= (SELECT makegood.now_ms()) - $3::bigint
 ORDER BY e.prune_at LIMIT $2::integer`;

async function prunable(connections: Connections, { namespace, limit, endedForMs = 0 }: PruneRequest) {
  const rows = await connections.read({ sql: prunableSql, parameters: [namespace, limit, endedForMs] });
  return rows.map((row) => text(row.id));
}

// Index execution_prune. All rows of an execution go with it; its key record stays, with the status it ended with, unless a
// later round has taken the key. Whoever commands the execution meanwhile holds its row, and is passed over.
const pruneSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
gone AS MATERIALIZED (
  SELECT e.id, e.namespace, e.job, e.key, e.status FROM makegood.execution e
   WHERE e.namespace = $1::text AND e.prune_at <= (SELECT c.now FROM clock c)
     AND e.ended_at <= (SELECT c.now FROM clock c) - $3::bigint
   ORDER BY e.prune_at LIMIT $2::integer
     FOR UPDATE SKIP LOCKED),
key_kept AS (
  UPDATE makegood.execution_key k SET status = g.status, prune_at = c.now + k.retain_ms
    FROM gone g, clock c
   WHERE k.namespace = g.namespace AND k.job = g.job AND k.key = g.key AND k.execution_id = g.id),
journal_gone AS (DELETE FROM makegood.journal x USING gone g WHERE x.execution_id = g.id),
attempt_gone AS (DELETE FROM makegood.attempt x USING gone g WHERE x.execution_id = g.id),
signal_gone AS (DELETE FROM makegood.signal x USING gone g WHERE x.execution_id = g.id),
progress_gone AS (DELETE FROM makegood.progress x USING gone g WHERE x.execution_id = g.id),
attribute_gone AS (DELETE FROM makegood.search_attribute x USING gone g WHERE x.execution_id = g.id),
incident_gone AS (DELETE FROM makegood.incident x USING gone g WHERE x.execution_id = g.id),
audit_gone AS (DELETE FROM makegood.audit x USING gone g WHERE x.execution_id = g.id),
execution_gone AS (DELETE FROM makegood.execution e USING gone g WHERE e.id = g.id)
SELECT count(*) AS count FROM gone`;

// Index execution_key_prune. Null while an execution has the key. A start of this key waits, then inserts it anew.
const pruneKeysSql = `
WITH gone AS MATERIALIZED (
  SELECT k.namespace, k.job, k.key FROM makegood.execution_key k
   WHERE k.namespace = $1::text AND k.prune_at <= (SELECT makegood.now_ms())
   ORDER BY k.prune_at LIMIT $2::integer
     FOR UPDATE SKIP LOCKED),
key_gone AS (
  DELETE FROM makegood.execution_key k USING gone g WHERE k.namespace = g.namespace AND k.job = g.job AND k.key = g.key)
SELECT count(*) AS count FROM gone`;

/** Worker rows are small, and wanted for a while by people who ask what happened. */
const workerRetainMs = 86_400_000;
const pruneWorkersSql = `DELETE FROM makegood.worker w WHERE w.namespace = $1::text AND w.lease_until < makegood.now_ms() - $2::bigint`;

async function prune(connections: Connections, { namespace, limit, endedForMs = 0 }: PruneRequest) {
  const [executions] = await connections.write({ sql: pruneSql, parameters: [namespace, limit, endedForMs] });
  const [keys] = await connections.write({ sql: pruneKeysSql, parameters: [namespace, limit] });
  await connections.write({ sql: pruneWorkersSql, parameters: [namespace, workerRetainMs] });
  return { executionCount: int(executions?.count), keyCount: int(keys?.count) };
}
