// One start as a script: in the caller's own transaction, and here wherever a start needs more than the flush can do (a slot,
// a restart, or a repeat that met its own row).
//
// In this order: the slot's row is locked, the key record is made this execution's, the one who holds the slot is dealt
// with, the execution is inserted. So nobody is canceled or discarded for a start that then loses its key to another.
//
// The caller's transaction may be REPEATABLE READ: what decides is read with a lock, and inserted before it is locked, since
// two who lock a gap and then insert into it wait for each other.
import { isTerminal, type Status } from "../../core/execution.ts";
import type { Script, Statement } from "../../core/script.ts";
import type { NewExecution, StartOutcome } from "../../core/store.ts";
import { unsuccessful } from "../server/fence.ts";
import type { SlotName } from "../server/land-writes.ts";
import { actorName } from "./cancel.ts";
import { nowSql } from "./clock.ts";
import { giveBackSlot, lockSlot, type Standing, seekSlot } from "./slots.ts";
import { bytesOf, bytesOfNullable, idBytes, idBytesOrNull, idOf, int, text, textOrNull } from "./values.ts";

type Existing = Extract<StartOutcome, { readonly kind: "exists" }>;
/** The round that is this execution's to start, or who is there already. */
type Place = { readonly kind: "mine"; readonly round: number } | Existing;

/** `mayClaim`: false inside the caller's transaction, since before its commit nobody may run it. */
export function* startScript(execution: NewExecution, mayClaim: boolean): Script<StartOutcome> {
  const slot = slotSoughtBy(execution);
  const holder = slot === undefined ? undefined : yield* lockSlot(slot, execution.id);
  const place = yield* findPlace(execution);
  const look = place.kind === "mine" ? yield* lookAround(execution) : undefined;
  const existing = look?.existing ?? (place.kind === "exists" ? place : undefined);
  if (existing !== undefined) {
    if (slot && holder === execution.id) yield* giveBackSlot(slot, execution.id);
    return existing;
  }
  const { id, blocking, actor } = execution;
  const standing =
    slot === undefined || holder === undefined
      ? undefined
      : yield* seekSlot(slot, id, holder, blocking ?? "serial", actor);
  return yield* insert(execution, {
    round: place.round,
    standing: standing ?? (execution.concurrencyKey === null ? undefined : "wanted"),
    now: look?.now ?? 0,
    mayClaim: mayClaim && standing === undefined && look?.isOwnerLive === true,
  });
}

/** With a delay the slot is sought only when that has passed. */
function slotSoughtBy({ namespace, job, concurrencyKey, delayMs }: NewExecution): SlotName | undefined {
  return concurrencyKey === null || delayMs > 0 ? undefined : { namespace, job, concurrencyKey };
}

/** Primary key of execution_key, whose row is locked afterwards whoever has it: of two starts of one key the later waits (D6). */
function* findPlace(execution: NewExecution): Script<Place> {
  const { id, namespace, job, key, fingerprint, keyRetainMs, replacesRound } = execution;
  if (key === null) return { kind: "mine", round: 0 };
  const name = [bytesOf(namespace), bytesOf(job), bytesOf(key)];
  const record = [idBytes(id), bytesOfNullable(fingerprint), keyRetainMs];
  yield {
    sql: `
      INSERT INTO makegood_execution_key (namespace, job, \`key\`, execution_id, fingerprint, retain_ms) VALUES (?, ?, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE execution_id = execution_id`,
    parameters: [...name, ...record],
  };
  const [row] = yield {
    sql: `
      SELECT HEX(k.execution_id) AS id, k.round, k.status, k.fingerprint FROM makegood_execution_key k
       WHERE k.namespace = ? AND k.job = ? AND k.\`key\` = ?
         FOR UPDATE`,
    parameters: name,
  };
  const round = int(row?.round);
  const pruned = textOrNull<Status>(row?.status);
  const holder = idOf(row?.id);
  if (holder === id && pruned === null) return { kind: "mine", round };
  const status = pruned ?? (yield* statusOf(holder, round === replacesRound));
  if (holder === id || round !== replacesRound || !unsuccessful.includes(status))
    return { kind: "exists", id: holder, round, status, fingerprint: textOrNull(row?.fingerprint) };
  yield {
    sql: `
      UPDATE makegood_execution_key
         SET round = ?, execution_id = ?, fingerprint = ?, retain_ms = ?, status = NULL, prune_at = NULL
       WHERE namespace = ? AND job = ? AND \`key\` = ?`,
    parameters: [round + 1, ...record, ...name],
  };
  return { kind: "mine", round: round + 1 };
}

/**
 * For an answer alone any committed status will do. A restart needs the newest, which the snapshot of the caller's transaction
 * may not show; what it shows as ended stays so.
 */
function* statusOf(id: string, decides: boolean): Script<Status> {
  const sql = "SELECT e.status FROM makegood_execution e WHERE e.id = ?";
  const [seen] = yield { sql, parameters: [idBytes(id)] };
  const status = textOrNull<Status>(seen?.status);
  if (status !== null && (!decides || isTerminal(status))) return status;
  const [newest] = yield { sql: `${sql} LOCK IN SHARE MODE`, parameters: [idBytes(id)] };
  return text<Status>(newest?.status);
}

interface Look {
  readonly now: number;
  readonly isOwnerLive: boolean;
  readonly existing: Existing | undefined;
}

/** The time, whether the owner's lease is live, and whether this very id is there: then this is a repeat. Primary keys. */
function* lookAround({ id, claimFor, fingerprint }: NewExecution): Script<Look> {
  const [row] = yield {
    sql: `
      SELECT c.now, e.status, e.round, (SELECT COUNT(*) FROM makegood_worker w WHERE w.id = ? AND w.lease_until > c.now) AS live_count
        FROM (SELECT ${nowSql} AS now) c
        LEFT JOIN makegood_execution e ON e.id = ?`,
    parameters: [idBytesOrNull(claimFor), idBytes(id)],
  };
  const status = textOrNull<Status>(row?.status);
  return {
    now: int(row?.now),
    isOwnerLive: int(row?.live_count) > 0,
    existing: status === null ? undefined : { kind: "exists", id, round: int(row?.round), status, fingerprint },
  };
}

interface Birth {
  readonly round: number;
  readonly standing: Standing | undefined;
  readonly now: number;
  readonly mayClaim: boolean;
}

/** Of two at once with the same id one fails with a conflict, and is repeated. */
function* insert(execution: NewExecution, birth: Birth): Script<StartOutcome> {
  const born = bornAs(execution, birth);
  yield insertSql(execution, born);
  const attributes = Object.entries(execution.attributes);
  if (attributes.length > 0)
    yield {
      sql: `
        INSERT INTO makegood_search_attribute (execution_id, namespace, name, value)
        VALUES ${attributes.map(() => "(?, ?, ?, ?)").join(", ")}`,
      parameters: attributes.flatMap(([name, value]) => [
        ...[idBytes(execution.id), bytesOf(execution.namespace)],
        ...[bytesOf(name), bytesOf(value)],
      ]),
    };
  const { round, status, token, createdAt, deadlineAt } = born;
  return { kind: "started", id: execution.id, round, status, token, createdAt, deadlineAt };
}

export interface Born {
  readonly round: number;
  readonly status: Status;
  readonly token: number;
  readonly worker: string | null;
  readonly slot: "wanted" | "held" | null;
  readonly wakeAt: number | null;
  readonly createdAt: number;
  readonly deadlineAt: number | null;
  readonly endedAt: number | null;
}

/** What the new row is. Claimed at once only without a delay and without a slot. */
export function bornAs(execution: NewExecution, { round, standing, now, mayClaim }: Birth): Born {
  const { delayMs, timeoutMs, claimFor } = execution;
  const isDiscarded = standing === "discarded";
  const waits = delayMs > 0 || standing === "wanted";
  const worker = mayClaim && !waits && standing === undefined ? claimFor : null;
  const isClaimed = worker !== null;
  return {
    round,
    status: isDiscarded ? "discarded" : waits ? "waiting" : isClaimed ? "running" : "ready",
    token: isClaimed ? 1 : 0,
    worker,
    slot: isDiscarded ? null : (standing ?? null),
    // When it may run at the earliest; one that waits for its slot waits for no time.
    wakeAt: isDiscarded || isClaimed || (waits && delayMs === 0) ? null : now + delayMs,
    createdAt: now,
    deadlineAt: timeoutMs === null ? null : now + delayMs + timeoutMs,
    endedAt: isDiscarded ? now : null,
  };
}

/** `[name, value]` of a new guard row, for one at a time and for many. */
export const executionColumns: readonly (readonly [
  name: string,
  of: (execution: NewExecution, born: Born) => string | number | Uint8Array | null,
])[] = [
  ["id", ({ id }) => idBytes(id)],
  ["namespace", ({ namespace }) => bytesOf(namespace)],
  ["job", ({ job }) => bytesOf(job)],
  ["version", ({ version }) => version],
  ["`key`", ({ key }) => bytesOfNullable(key)],
  ["round", (_, { round }) => round],
  ["status", (_, { status }) => status],
  ["token", (_, { token }) => token],
  ["worker", (_, { worker }) => idBytesOrNull(worker)],
  ["wake_at", (_, { wakeAt }) => wakeAt],
  ["priority", ({ priority }) => priority],
  ["`group`", ({ group }) => bytesOfNullable(group)],
  ["concurrency_key", ({ concurrencyKey }) => bytesOfNullable(concurrencyKey)],
  ["blocking", ({ blocking }) => blocking],
  ["slot", (_, { slot }) => slot],
  ["parent", ({ parent }) => idBytesOrNull(parent)],
  ["root", ({ id, root }) => (root === id ? null : idBytes(root))],
  ["created_at", (_, { createdAt }) => createdAt],
  ["deadline_at", (_, { deadlineAt }) => deadlineAt],
  ["ended_at", (_, { endedAt }) => endedAt],
  ["retain_ms", ({ retainMs }) => retainMs],
  ["prune_at", ({ retainMs }, { endedAt }) => (endedAt === null ? null : endedAt + retainMs)],
  ["trace_context", ({ traceContext }) => bytesOfNullable(traceContext)],
  ["actor", ({ actor }) => bytesOf(actorName(actor))],
  ["input", ({ input }) => input],
  ["schedule", ({ scheduled }) => idBytesOrNull(scheduled?.schedule ?? null)],
  ["scheduled_at", ({ scheduled }) => scheduled?.at ?? null],
];

function insertSql(execution: NewExecution, born: Born): Statement {
  return {
    sql: `
      INSERT INTO makegood_execution (${executionColumns.map(([name]) => name).join(", ")})
      VALUES (${executionColumns.map(() => "?").join(", ")})`,
    parameters: executionColumns.map(([, of]) => of(execution, born)),
  };
}
