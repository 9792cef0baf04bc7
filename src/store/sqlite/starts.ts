// How an execution comes to be: its key, its place in a slot, its rows. In a transaction of the store's own most starts go
// a shorter way; the script is the whole of it, and runs in transactions of the user's, too. There, as here, SQLite has one
// writer, so that a row that was looked for and not found cannot appear meanwhile.
import { InvariantError } from "../../core/errors.ts";
import type { Status } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome } from "../../core/store.ts";
import type { Sql, Values } from "./connection.ts";
import { bytesOrNull, idToBytes } from "./id-bytes.ts";
import { nameOf } from "./incidents.ts";
import { existing, readKey, takeKey, takeNewKey } from "./key-record.ts";
import type { Moment } from "./moment.ts";
import { seekSlot } from "./slots.ts";

/**
 * In a transaction of the store's own. Most starts seek no slot and are new: inserted without a look first, and looked up
 * only where a row was in the way. Of a start with a slot, a repeat must be known before it seeks.
 */
export function start(sql: Sql, execution: NewExecution, worker: Uint8Array | null, moment: Moment): StartOutcome {
  const { key } = execution;
  if (execution.concurrencyKey !== null) return sql.script(startScript(execution, worker, moment));
  const id = idToBytes(execution.id);
  if (key !== null && !takeNewKey(sql, execution, key, id)) return sql.script(startScript(execution, worker, moment));
  const place = placeWithoutSlot(execution, worker, moment.now);
  if (sql.run(insertIfNew, executionRow(execution, id, 0, place, worker, moment.now)) === 0)
    return repeated(sql, execution, id);
  sql.run(insertPayload, payloadRow(execution, id));
  for (const name of Object.keys(execution.attributes)) sql.run(insertAttribute, attributeRow(execution, id, name));
  return started(execution, 0, place, moment.now);
}

function repeated(sql: Sql, execution: NewExecution, id: Uint8Array): StartOutcome {
  const found = sql.script(isNew(execution, id));
  if (execution.key === null && typeof found !== "number") return found;
  throw new InvariantError(`Expected a new id with a new key, found execution ${execution.id}`, { id: execution.id });
}

/** `worker`: whose it is from the start; its lease is live. Null: ready for anybody. */
export function* startScript(execution: NewExecution, worker: Uint8Array | null, moment: Moment): Script<StartOutcome> {
  const id = idToBytes(execution.id);
  const round = execution.key === null ? yield* isNew(execution, id) : yield* takeKey(execution, execution.key, id);
  if (typeof round !== "number") return round;
  const place = yield* findPlace(execution, id, worker, moment);
  yield { sql: insertExecution, parameters: executionRow(execution, id, round, place, worker, moment.now) };
  yield { sql: insertPayload, parameters: payloadRow(execution, id) };
  for (const name of Object.keys(execution.attributes))
    yield { sql: insertAttribute, parameters: attributeRow(execution, id, name) };
  return started(execution, round, place, moment.now);
}

// ── Its rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

const insertExecution = `
INSERT INTO makegood_execution (
  id, namespace, job, version, key, round, status, token, worker, wake_at, priority,
  "group", concurrency_key, blocking, slot, parent, created_at, deadline_at, ended_at, retain_ms, prune_at, schedule, scheduled_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const insertIfNew = `${insertExecution}
    ON CONFLICT (id) DO NOTHING`;
const insertPayload = `
INSERT INTO makegood_payload (execution_id, input, root, trace_context, actor) VALUES (?, ?, ?, ?, ?)`;
const insertAttribute = `
INSERT INTO makegood_search_attribute (execution_id, namespace, name, value) VALUES (?, ?, ?, ?)`;

function executionRow(
  execution: NewExecution,
  id: Uint8Array,
  round: number,
  place: Place,
  worker: Uint8Array | null,
  now: number,
): Values {
  const isRunning = place.status === "running";
  const isOver = place.status === "discarded";
  return [
    id,
    execution.namespace,
    execution.job,
    execution.version,
    execution.key,
    round,
    place.status,
    isRunning ? 1 : 0,
    isRunning ? worker : null,
    place.wakeAt,
    execution.priority,
    execution.group,
    execution.concurrencyKey,
    execution.blocking,
    place.slot,
    bytesOrNull(execution.parent),
    now,
    deadlineOf(execution, now),
    isOver ? now : null,
    execution.retainMs,
    isOver ? now + execution.retainMs : null,
    bytesOrNull(execution.scheduled?.schedule ?? null),
    execution.scheduled?.at ?? null,
  ];
}

const payloadRow = (execution: NewExecution, id: Uint8Array): Values => [
  id,
  execution.input,
  execution.root === execution.id ? id : idToBytes(execution.root),
  execution.traceContext,
  nameOf(execution.actor),
];
const attributeRow = (execution: NewExecution, id: Uint8Array, name: string): Values => [
  id,
  execution.namespace,
  name,
  execution.attributes[name] as string,
];

function started(
  { id, timeoutMs, delayMs }: NewExecution,
  round: number,
  { status }: Place,
  now: number,
): StartOutcome {
  const token = status === "running" ? 1 : 0;
  return {
    kind: "started",
    id,
    round,
    status,
    token,
    createdAt: now,
    deadlineAt: deadlineOf({ timeoutMs, delayMs }, now),
  };
}

/** The timeout counts from when it may first run. */
const deadlineOf = ({ timeoutMs, delayMs }: Pick<NewExecution, "timeoutMs" | "delayMs">, now: number): number | null =>
  timeoutMs === null ? null : now + delayMs + timeoutMs;

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

// ── Its place ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Place {
  readonly status: Status;
  readonly slot: "wanted" | "held" | null;
  readonly wakeAt: number | null;
}

function* findPlace(execution: NewExecution, id: Uint8Array, worker: Uint8Array | null, moment: Moment): Script<Place> {
  const { now } = moment;
  const { namespace, job, concurrencyKey, blocking, actor, delayMs } = execution;
  if (concurrencyKey === null) return placeWithoutSlot(execution, worker, now);
  // With a delay the slot is sought when the delay is over.
  if (delayMs > 0) return { status: "waiting", slot: "wanted", wakeAt: now + delayMs };
  switch (yield* seekSlot({ id, namespace, job, concurrencyKey, blocking: blocking ?? "serial", actor }, moment)) {
    case "held":
      return { status: "ready", slot: "held", wakeAt: now };
    case "blocked":
      return { status: "waiting", slot: "wanted", wakeAt: null };
    case "discarded":
      return { status: "discarded", slot: null, wakeAt: null };
  }
}

function placeWithoutSlot({ delayMs }: NewExecution, worker: Uint8Array | null, now: number): Place {
  if (delayMs > 0) return { status: "waiting", slot: null, wakeAt: now + delayMs };
  return worker === null
    ? { status: "ready", slot: null, wakeAt: now }
    : { status: "running", slot: null, wakeAt: null };
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
