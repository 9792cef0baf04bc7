// One start as a script: in the caller's own transaction, and here wherever a start needs more than the flush can do (a slot,
// a restart, or a repeat that met its own row).
//
// In this order: the slot's row is locked, the key record is made this execution's, the one who holds the slot is dealt
// with, the execution is inserted. So nobody is canceled or discarded for a start that then loses its key to another.
import { InvariantError } from "../../core/errors.ts";
import type { Status } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome } from "../../core/store.ts";
import { unsuccessfulSql } from "../server/fence.ts";
import type { SlotName } from "../server/land-writes.ts";
import { actorName } from "./cancel.ts";
import { giveBackSlot, lockSlot, type Standing, seekSlot } from "./slots.ts";
import { int, intOrNull, text, textOrNull } from "./values.ts";

type Existing = Extract<StartOutcome, { readonly kind: "exists" }>;

/** Retention may take the key record between two looks at it. */
const maxTries = 3;

/** `mayClaim`: false inside the caller's transaction, since before its commit nobody may run it. */
export function* startScript(execution: NewExecution, mayClaim: boolean): Script<StartOutcome> {
  const slot = slotSoughtBy(execution);
  const hold = slot && (yield* lockSlot(slot, execution.id));
  for (let tried = 0; tried < maxTries; tried++) {
    const round = yield* takeKey(execution);
    if (round !== undefined) {
      const { id, blocking, actor } = execution;
      const standing = slot && hold && (yield* seekSlot(slot, id, hold.holder, blocking ?? "serial", actor));
      const started = yield* insert(execution, round, standing, mayClaim);
      if (started !== undefined) return started;
    }
    const existing = yield* findExisting(execution);
    if (existing === undefined) continue;
    if (slot && hold?.isNew) yield* giveBackSlot(slot, execution.id);
    return existing;
  }
  throw new InvariantError("Expected a start to insert its execution or to find the one in its place, found neither", {
    executionId: execution.id,
  });
}

/** With a delay the slot is sought only when that has passed. */
function slotSoughtBy({ namespace, job, concurrencyKey, delayMs }: NewExecution): SlotName | undefined {
  return concurrencyKey === null || delayMs > 0 ? undefined : { namespace, job, concurrencyKey };
}

/** The round under which the key record is now this execution's; undefined if it stays another's. */
function* takeKey(execution: NewExecution): Script<number | undefined> {
  const { id, namespace, job, key, fingerprint, keyRetainMs, replacesRound } = execution;
  if (key === null) return 0;
  if (replacesRound !== null) {
    // Compare-and-set on the key record: of two restarts one wins. Terminal statuses never change, so the one read is true.
    const [row] = yield {
      sql: `
        UPDATE makegood.execution_key k
           SET round = k.round + 1, execution_id = $5::uuid, fingerprint = $6::text, retain_ms = $7::bigint, status = NULL, prune_at = NULL
         WHERE k.namespace = $1::text AND k.job = $2::text AND k.key = $3::text AND k.round = $4::integer
           AND COALESCE((SELECT e.status FROM makegood.execution e WHERE e.id = k.execution_id), k.status) IN (${unsuccessfulSql})
        RETURNING k.round`,
      parameters: [namespace, job, key, replacesRound, id, fingerprint, keyRetainMs],
    };
    if (row !== undefined) return int(row.round);
  }
  // Of two starts of one key the later waits for the earlier, then inserts nothing (D6).
  const [row] = yield {
    sql: `
      INSERT INTO makegood.execution_key (namespace, job, key, execution_id, fingerprint, retain_ms)
      VALUES ($1::text, $2::text, $3::text, $4::uuid, $5::text, $6::bigint)
      ON CONFLICT (namespace, job, key) DO NOTHING
      RETURNING round`,
    parameters: [namespace, job, key, id, fingerprint, keyRetainMs],
  };
  return row === undefined ? undefined : int(row.round);
}

/** Who has this key, or this very id. */
function* findExisting({ id, namespace, job, key }: NewExecution): Script<Existing | undefined> {
  // Primary keys of execution_key and execution.
  const [row] = yield key === null
    ? {
        sql: `SELECT e.id::text AS id, e.round, e.status, NULL AS fingerprint FROM makegood.execution e WHERE e.id = $1::uuid`,
        parameters: [id],
      }
    : {
        sql: `
          SELECT k.execution_id::text AS id, k.round, COALESCE(e.status, k.status) AS status, k.fingerprint
            FROM makegood.execution_key k LEFT JOIN makegood.execution e ON e.id = k.execution_id
           WHERE k.namespace = $1::text AND k.job = $2::text AND k.key = $3::text`,
        parameters: [namespace, job, key],
      };
  if (row === undefined) return undefined;
  return {
    kind: "exists",
    id: text(row.id),
    round: int(row.round),
    status: text<Status>(row.status),
    fingerprint: textOrNull(row.fingerprint),
  };
}

// The key record is there. With a worker whose lease is live in this statement the execution is born running. A repeat of
// the same id inserts nothing.
const insertSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now),
owner AS MATERIALIZED (
  SELECT w.id FROM makegood.worker w, clock WHERE w.id = $21::uuid AND w.lease_until > clock.now),
born AS (
  INSERT INTO makegood.execution (id, namespace, job, version, key, round, status, token, worker, wake_at, priority, "group",
    concurrency_key, blocking, slot, parent, created_at, deadline_at, ended_at, retain_ms, prune_at,
    input, root, trace_context, actor, schedule, scheduled_at)
  SELECT $1::uuid, $2::text, $3::text, $4::integer, $5::text, $6::integer,
         CASE WHEN o.id IS NULL THEN $7::text ELSE 'running' END, CASE WHEN o.id IS NULL THEN 0 ELSE 1 END, o.id,
         CASE WHEN o.id IS NULL THEN clock.now + $8::bigint END, $9::smallint, $10::text, $11::text, $12::text, $13::text, $14::uuid,
         clock.now, clock.now + $15::bigint + $16::bigint,
         CASE WHEN $7::text = 'discarded' THEN clock.now END, $17::bigint, CASE WHEN $7::text = 'discarded' THEN clock.now + $17::bigint END,
         $18::bytea, NULLIF($19::uuid, $1::uuid), $20::text, $22::text, $24::uuid, $25::bigint
    FROM clock LEFT JOIN owner o ON true
  ON CONFLICT (id) DO NOTHING
  RETURNING id, status, token, created_at, deadline_at),
tagged AS (
  INSERT INTO makegood.search_attribute (execution_id, namespace, name, value)
  SELECT b.id, $2::text, a.key, a.value FROM born b, jsonb_each_text($23::text::jsonb) a)
SELECT status, token, created_at, deadline_at FROM born`;

function* insert(
  execution: NewExecution,
  round: number,
  sought: Standing | undefined,
  mayClaim: boolean,
): Script<StartOutcome | undefined> {
  const { id, delayMs } = execution;
  const standing = sought ?? (execution.concurrencyKey === null ? undefined : "wanted");
  const isDiscarded = standing === "discarded";
  const status: Status = isDiscarded ? "discarded" : delayMs > 0 || standing === "wanted" ? "waiting" : "ready";
  // When it may run at the earliest; one that waits for its slot waits for no time.
  const wakeInMs = status === "ready" || delayMs > 0 ? delayMs : null;
  const worker = mayClaim && status === "ready" && standing === undefined ? execution.claimFor : null;
  const [row] = yield {
    sql: insertSql,
    parameters: [
      ...[id, execution.namespace, execution.job, execution.version, execution.key, round],
      ...[status, wakeInMs, execution.priority, execution.group],
      ...[execution.concurrencyKey, execution.blocking, isDiscarded ? null : (standing ?? null), execution.parent],
      ...[delayMs, execution.timeoutMs, execution.retainMs],
      ...[execution.input, execution.root, execution.traceContext],
      ...[worker, actorName(execution.actor), JSON.stringify(execution.attributes)],
      ...[execution.scheduled?.schedule ?? null, execution.scheduled?.at ?? null],
    ],
  };
  if (row === undefined) return undefined;
  return {
    kind: "started",
    id,
    round,
    status: text<Status>(row.status),
    token: int(row.token),
    createdAt: int(row.created_at),
    deadlineAt: intOrNull(row.deadline_at),
  };
}
