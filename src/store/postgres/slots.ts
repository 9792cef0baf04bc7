// Concurrency slots: one row for each (namespace, job, concurrency key) that an unfinished execution holds.
//
// Whoever wants, takes, hands over or frees a slot first locks its row, before any guard row. So one that found the slot
// taken is either seen by the one who frees it, or waits for it: no wake-up is lost. Order of locks everywhere: slot rows,
// then guard rows (parents before children), then key records.
import type { Actor } from "../../core/ports.ts";
import type { Row, Script } from "../../core/script.ts";
import type { BlockingStrategy } from "../../core/store.ts";
import type { SlotName } from "../server/land-writes.ts";
import { cancelTree } from "./cancel.ts";
import { int, text, textArray, textOrNull } from "./values.ts";
import { wakeParents } from "./wake.ts";

export interface Hold {
  /** Who has the slot: the caller itself, if it was free. */
  readonly holder: string;
  /** This call inserted the row: a caller that then does not start takes it away again. */
  readonly isNew: boolean;
}
export type Standing = "held" | "wanted" | "discarded";

/** Takes the slot for `id` if it is free. Free or not, its row is locked until commit. */
export function* lockSlot(slot: SlotName, id: string): Script<Hold> {
  // Primary key of slot. The useless update locks the row that is there, so that its holder cannot end unseen.
  const [row] = yield {
    sql: `
      INSERT INTO makegood.slot AS s (namespace, job, concurrency_key, execution_id) VALUES ($1::text, $2::text, $3::text, $4::uuid)
      ON CONFLICT (namespace, job, concurrency_key) DO UPDATE SET execution_id = s.execution_id
      RETURNING s.execution_id::text AS holder, (s.xmax = 0)::integer AS is_new`,
    parameters: [...nameOf(slot), id],
  };
  return { holder: text(row?.holder), isNew: int(row?.is_new) === 1 };
}

/** Where `id` stands in a locked slot, after what its blocking strategy does to the one who has it. */
export function* seekSlot(
  slot: SlotName,
  id: string,
  holder: string,
  blocking: BlockingStrategy,
  actor: Actor,
): Script<Standing> {
  if (holder === id) return "held";
  if (blocking === "discard-new") return "discarded";
  if (blocking === "replace-running") {
    yield* cancelTree(holder, "replaced", actor, null);
    yield* discardWaiting(slot);
  }
  return "wanted";
}

/** Undoes a `lockSlot` whose row is new: still locked, nobody has seen it. */
export function* giveBackSlot(slot: SlotName, id: string): Script<void> {
  yield {
    sql: `DELETE FROM makegood.slot WHERE namespace = $1::text AND job = $2::text AND concurrency_key = $3::text AND execution_id = $4::uuid`,
    parameters: [...nameOf(slot), id],
  };
}

/**
 * Locks the slots that these executions use, in order of name, and answers which of them holds which. `skip`: passes over
 * what others have locked, such as the open transaction of a user's in which another start waits for the slot.
 */
export function* lockSlotsOf(ids: readonly string[], others: "wait" | "skip"): Script<ReadonlyMap<string, SlotName>> {
  const rows = yield {
    sql: `
      SELECT s.execution_id::text AS id, s.namespace, s.job, s.concurrency_key
        FROM makegood.execution e
        JOIN makegood.slot s ON s.namespace = e.namespace AND s.job = e.job AND s.concurrency_key = e.concurrency_key
       WHERE e.id = ANY($1::uuid[])
       ORDER BY s.namespace, s.job, s.concurrency_key
         FOR UPDATE OF s ${others === "skip" ? "SKIP LOCKED" : ""}`,
    parameters: [textArray(ids)],
  };
  return new Map(rows.filter((row) => ids.includes(text(row.id))).map((row) => [text(row.id), slotNameOf(row)]));
}

/** Of these, the executions that hold a slot, whoever has locked it. */
export function* findHolders(ids: readonly string[]): Script<ReadonlySet<string>> {
  const rows = yield {
    sql: `
      SELECT e.id::text AS id
        FROM makegood.execution e
        JOIN makegood.slot s ON s.namespace = e.namespace AND s.job = e.job AND s.concurrency_key = e.concurrency_key AND s.execution_id = e.id
       WHERE e.id = ANY($1::uuid[])`,
    parameters: [textArray(ids)],
  };
  return new Set(rows.map((row) => text(row.id)));
}

/** Who is next in each of these locked slots; null where nobody waits. Absent: the next one's row is locked by another. */
export function* lockNext(slots: ReadonlyMap<string, SlotName>): Script<ReadonlyMap<string, string | null>> {
  const names = [...slots];
  // Index execution_blocked, whose order this is.
  const rows = yield {
    sql: `
      SELECT s.holder, n.id::text AS next
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS s(holder, namespace, job, concurrency_key)
        LEFT JOIN LATERAL (
             SELECT e.id FROM makegood.execution e
              WHERE e.namespace = s.namespace AND e.job = s.job AND e.concurrency_key = s.concurrency_key
                AND e.slot = 'wanted' AND e.status = 'waiting' AND e.wake_at IS NULL
              ORDER BY e.priority, e.id LIMIT 1) n ON true`,
    parameters: [textArray(names.map(([holder]) => holder)), ...nameLists(names.map(([, slot]) => slot))],
  };
  const locked = yield* lockWaiting(rows.map((row) => textOrNull(row.next)).filter((id) => id !== null));
  const next = new Map<string, string | null>();
  for (const row of rows) {
    const id = textOrNull(row.next);
    if (id === null || locked.has(id)) next.set(String(row.holder), id);
  }
  return next;
}

/** The holders have ended: each locked slot passes to its next one, who becomes ready, or goes. */
export function* handOver(
  slots: ReadonlyMap<string, SlotName>,
  next: ReadonlyMap<string, string | null>,
): Script<void> {
  const passed = [...slots].filter(([holder]) => typeof next.get(holder) === "string");
  const freed = [...slots].filter(([holder]) => next.get(holder) === null);
  if (passed.length > 0) {
    const ids = textArray(passed.map(([holder]) => next.get(holder) ?? null));
    yield {
      sql: `UPDATE makegood.execution SET status = 'ready', slot = 'held', wake_at = makegood.now_ms() WHERE id = ANY($1::uuid[])`,
      parameters: [ids],
    };
    yield {
      sql: `
        UPDATE makegood.slot s SET execution_id = n.id
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS n(id, namespace, job, concurrency_key)
         WHERE s.namespace = n.namespace AND s.job = n.job AND s.concurrency_key = n.concurrency_key`,
      parameters: [ids, ...nameLists(passed.map(([, slot]) => slot))],
    };
  }
  if (freed.length > 0)
    yield {
      sql: `
        DELETE FROM makegood.slot s
         USING unnest($1::text[], $2::text[], $3::text[]) AS n(namespace, job, concurrency_key)
         WHERE s.namespace = n.namespace AND s.job = n.job AND s.concurrency_key = n.concurrency_key`,
      parameters: nameLists(freed.map(([, slot]) => slot)),
    };
}

/** Those who wait for the slot end as discarded; their parents hear of it. Delayed ones do not wait for it yet. */
function* discardWaiting(slot: SlotName): Script<void> {
  // Index execution_blocked. Their guard rows are locked in order of id; commands lock them too.
  const rows = yield {
    sql: `
      SELECT e.id::text AS id, e.parent::text AS parent
        FROM makegood.execution e
       WHERE e.namespace = $1::text AND e.job = $2::text AND e.concurrency_key = $3::text
         AND e.slot = 'wanted' AND e.status = 'waiting' AND e.wake_at IS NULL
       ORDER BY e.id
         FOR NO KEY UPDATE`,
    parameters: nameOf(slot),
  };
  yield* discard(rows);
}

export function* discard(rows: readonly Row[]): Script<void> {
  if (rows.length === 0) return;
  yield {
    sql: `
      UPDATE makegood.execution e
         SET status = 'discarded', slot = NULL, wake_at = NULL, ended_at = c.now, prune_at = c.now + e.retain_ms
        FROM (SELECT makegood.now_ms() AS now OFFSET 0) c
       WHERE e.id = ANY($1::uuid[])`,
    parameters: [textArray(rows.map((row) => String(row.id)))],
  };
  yield* wakeParents(rows.map((row) => textOrNull(row.parent)));
}

/** Of these, the ones that still wait for their slot and that nobody else has locked; in order of id. */
function* lockWaiting(ids: readonly string[]): Script<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = yield {
    sql: `
      SELECT e.id::text AS id FROM makegood.execution e
       WHERE e.id = ANY($1::uuid[]) AND e.slot = 'wanted' AND e.status = 'waiting' AND e.wake_at IS NULL
       ORDER BY e.id
         FOR NO KEY UPDATE SKIP LOCKED`,
    parameters: [textArray(ids)],
  };
  return new Set(rows.map((row) => String(row.id)));
}

const nameOf = (slot: SlotName): readonly string[] => [slot.namespace, slot.job, slot.concurrencyKey];

const nameLists = (slots: readonly SlotName[]): readonly string[] => [
  textArray(slots.map((slot) => slot.namespace)),
  textArray(slots.map((slot) => slot.job)),
  textArray(slots.map((slot) => slot.concurrencyKey)),
];

const slotNameOf = (row: Row): SlotName => ({
  namespace: String(row.namespace),
  job: String(row.job),
  concurrencyKey: String(row.concurrency_key),
});
