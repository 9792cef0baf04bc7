// How an execution comes to be: its key, its place in a slot, its rows. A script, since it also runs in transactions of the
// user's; there, as here, SQLite has one writer, so that a row that was looked for and not found cannot appear meanwhile.
import type { Status } from "../../core/execution.ts";
import type { Row, Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome } from "../../core/store.ts";
import { mayBeReplaced } from "./conditions.ts";
import { bytesOrNull, idFromBytes, idToBytes } from "./id-bytes.ts";
import { nameOf } from "./incidents.ts";
import type { Moment } from "./moment.ts";
import { seekSlot } from "./slots.ts";

/** `worker`: whose it is from the start; its lease is live. Null: ready for anybody. */
export function* startScript(execution: NewExecution, worker: Uint8Array | null, moment: Moment): Script<StartOutcome> {
  const id = idToBytes(execution.id);
  const key = execution.key === null ? yield* isNew(execution, id) : yield* takeKey(execution, execution.key, id);
  if (typeof key !== "number") return key;
  const place = yield* findPlace(execution, id, worker, moment);
  const { now } = moment;
  const deadlineAt = execution.timeoutMs === null ? null : now + execution.delayMs + execution.timeoutMs;
  const token = place.status === "running" ? 1 : 0;
  const isOver = place.status === "discarded";
  yield {
    sql: insertExecution,
    parameters: [
      id,
      execution.namespace,
      execution.job,
      execution.version,
      execution.key,
      key,
      place.status,
      token,
      place.status === "running" ? worker : null,
      place.wakeAt,
      execution.priority,
      execution.group,
      execution.concurrencyKey,
      execution.blocking,
      place.slot,
      bytesOrNull(execution.parent),
      now,
      deadlineAt,
      isOver ? now : null,
      execution.retainMs,
      isOver ? now + execution.retainMs : null,
    ],
  };
  yield {
    sql: insertPayload,
    parameters: [id, execution.input, idToBytes(execution.root), execution.traceContext, nameOf(execution.actor)],
  };
  for (const name of Object.keys(execution.attributes))
    yield { sql: insertAttribute, parameters: [id, execution.namespace, name, execution.attributes[name]] };
  return { kind: "started", id: execution.id, round: key, status: place.status, token, createdAt: now, deadlineAt };
}

const insertExecution = `
INSERT INTO makegood_execution (
  id, namespace, job, version, key, round, status, token, worker, wake_at, priority,
  "group", concurrency_key, blocking, slot, parent, created_at, deadline_at, ended_at, retain_ms, prune_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const insertPayload = `
INSERT INTO makegood_payload (execution_id, input, root, trace_context, actor) VALUES (?, ?, ?, ?, ?)`;
const insertAttribute = `
INSERT INTO makegood_search_attribute (execution_id, namespace, name, value) VALUES (?, ?, ?, ?)`;

// ── The key ────────────────────────────────────────────────────────────────────────────────────────────────────────

// Served by the primary key.
const readOwn = `
SELECT round, status FROM makegood_execution WHERE id = ?`;

/** Without a key a start is known by its id alone. The round, or the outcome of the start that this one repeats. */
function* isNew(execution: NewExecution, id: Uint8Array): Script<number | StartOutcome> {
  const [row] = yield { sql: readOwn, parameters: [id] };
  return row === undefined
    ? 0
    : {
        kind: "exists",
        id: execution.id,
        round: Number(row["round"]),
        status: row["status"] as Status,
        fingerprint: null,
      };
}

// Served by both primary keys. The status stands in the key record once retention has taken the execution.
export const readKey = `
SELECT k.execution_id, k.round, k.fingerprint, coalesce(e.status, k.status) AS status
  FROM makegood_execution_key AS k LEFT JOIN makegood_execution AS e ON e.id = k.execution_id
 WHERE k.namespace = ? AND k.job = ? AND k.key = ?`;
const insertKey = `
INSERT INTO makegood_execution_key (namespace, job, key, round, execution_id, fingerprint, retain_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`;
const moveKey = `
UPDATE makegood_execution_key
   SET round = ?, execution_id = ?, fingerprint = ?, retain_ms = ?, status = NULL, prune_at = NULL
 WHERE namespace = ? AND job = ? AND key = ?`;

/** The round under which the key is this execution's, or the outcome that names the one that has it. */
function* takeKey(execution: NewExecution, key: string, id: Uint8Array): Script<number | StartOutcome> {
  const name = [execution.namespace, execution.job, key];
  const [row] = yield { sql: readKey, parameters: name };
  if (row === undefined) {
    yield { sql: insertKey, parameters: [...name, 0, id, execution.fingerprint, execution.keyRetainMs] };
    return 0;
  }
  const newest = existing(row);
  if (newest.round !== execution.replacesRound || !mayBeReplaced(newest.status)) return newest;
  const round = newest.round + 1;
  yield { sql: moveKey, parameters: [round, id, execution.fingerprint, execution.keyRetainMs, ...name] };
  return round;
}

/** Of a row of `readKey`. */
export function existing(row: Row): Extract<StartOutcome, { kind: "exists" }> {
  return {
    kind: "exists",
    id: idFromBytes(row["execution_id"]),
    round: Number(row["round"]),
    status: row["status"] as Status,
    fingerprint: row["fingerprint"] as string | null,
  };
}

// ── Its place ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Place {
  readonly status: Status;
  readonly slot: "wanted" | "held" | null;
  readonly wakeAt: number | null;
}

function* findPlace(execution: NewExecution, id: Uint8Array, worker: Uint8Array | null, moment: Moment): Script<Place> {
  const { now } = moment;
  const { concurrencyKey } = execution;
  // With a delay the slot is sought when the delay is over.
  if (execution.delayMs > 0)
    return { status: "waiting", slot: concurrencyKey === null ? null : "wanted", wakeAt: now + execution.delayMs };
  if (concurrencyKey === null)
    return worker === null
      ? { status: "ready", slot: null, wakeAt: now }
      : { status: "running", slot: null, wakeAt: null };
  const { namespace, job, blocking, actor } = execution;
  switch (yield* seekSlot({ id, namespace, job, concurrencyKey, blocking: blocking ?? "serial", actor }, moment)) {
    case "held":
      return { status: "ready", slot: "held", wakeAt: now };
    case "blocked":
      return { status: "waiting", slot: "wanted", wakeAt: null };
    case "discarded":
      return { status: "discarded", slot: null, wakeAt: null };
  }
}

/** What a repeated start is told: it landed before. Never starts. */
export function* lookUpStart(execution: NewExecution): Script<StartOutcome> {
  const [own] = yield { sql: readOwn, parameters: [idToBytes(execution.id)] };
  if (own !== undefined)
    return {
      kind: "exists",
      id: execution.id,
      round: Number(own["round"]),
      status: own["status"] as Status,
      fingerprint: execution.fingerprint,
    };
  const [row] =
    execution.key === null
      ? []
      : yield { sql: readKey, parameters: [execution.namespace, execution.job, execution.key] };
  // Neither row: it ended, and retention took it.
  return row === undefined
    ? { kind: "exists", id: execution.id, round: 0, status: "completed", fingerprint: execution.fingerprint }
    : existing(row);
}
