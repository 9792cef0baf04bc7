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
import { nowSql } from "./clock.ts";
import {
  bytesOf,
  hexOf,
  hexOfText,
  idBytes,
  idList,
  idOf,
  idOrNull,
  idTable,
  list,
  listTable,
  text,
} from "./values.ts";
import { wakeParents } from "./wake.ts";

export type Standing = "held" | "wanted" | "discarded";

/**
 * Takes the slot for `id` if it is free, and answers who has it: `id` itself, if it was. Free or not, its row is locked until
 * commit. Insert first: two who look first and insert then would wait for each other's gap in a transaction of the user's.
 */
export function* lockSlot(slot: SlotName, id: string): Script<string> {
  // Primary key of slot. The useless update locks the row that is there, so that its holder cannot end unseen.
  yield {
    sql: `
      INSERT INTO makegood_slot (namespace, job, concurrency_key, execution_id) VALUES (?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE execution_id = execution_id`,
    parameters: [...nameOf(slot), idBytes(id)],
  };
  const [row] = yield {
    sql: `
      SELECT HEX(s.execution_id) AS holder FROM makegood_slot s
       WHERE s.namespace = ? AND s.job = ? AND s.concurrency_key = ?
         FOR UPDATE`,
    parameters: nameOf(slot),
  };
  return idOf(row?.holder);
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

/** Undoes a `lockSlot` of one that then did not start: still locked, nobody has seen it. Not if `id` had the slot before. */
export function* giveBackSlot(slot: SlotName, id: string): Script<void> {
  yield {
    sql: `
      DELETE FROM makegood_slot
       WHERE namespace = ? AND job = ? AND concurrency_key = ? AND execution_id = ?
         AND NOT EXISTS (SELECT 1 FROM makegood_execution e WHERE e.id = ? AND e.slot = 'held')`,
    parameters: [...nameOf(slot), idBytes(id), idBytes(id)],
  };
}

const slotsOfSql = `
  FROM ${idTable}
 STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
 STRAIGHT_JOIN makegood_slot s FORCE INDEX (PRIMARY) ON s.namespace = e.namespace AND s.job = e.job AND s.concurrency_key = e.concurrency_key`;

/** Primary keys. The guard rows must not be locked here: hence two statements. A slot's name never changes. */
const namesSql = `
  SELECT e.namespace, e.job, e.concurrency_key
    FROM ${idTable}
   STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
   WHERE e.concurrency_key IS NOT NULL`;

const slotTable = listTable(["namespace", "bytes"], ["job", "bytes"], ["concurrency_key", "bytes"], ["id", "id"]);
const inSlotTable =
  "s.namespace = UNHEX(j.namespace) AND s.job = UNHEX(j.job) AND s.concurrency_key = UNHEX(j.concurrency_key)";

/** Primary key of slot. */
export const lockSlotsSql = (others: "wait" | "skip"): string => `
  SELECT HEX(s.execution_id) AS id, s.namespace, s.job, s.concurrency_key
    FROM ${slotTable}
   STRAIGHT_JOIN makegood_slot s FORCE INDEX (PRIMARY) ON ${inSlotTable}
     FOR UPDATE ${others === "skip" ? "SKIP LOCKED" : ""}`;

/**
 * Locks the slots that these executions use, in order of name, and answers which of them holds which. `skip`: passes over
 * what others have locked, such as the open transaction of a user's in which another start waits for the slot.
 */
export function* lockSlotsOf(ids: readonly string[], others: "wait" | "skip"): Script<ReadonlyMap<string, SlotName>> {
  const names = (yield { sql: namesSql, parameters: [idList(ids)] }).map(slotNameOf);
  if (names.length === 0) return new Map();
  const rows = yield { sql: lockSlotsSql(others), parameters: [slotList(names.map((slot) => [slot, null]))] };
  return new Map(rows.filter((row) => ids.includes(idOf(row.id))).map((row) => [idOf(row.id), slotNameOf(row)]));
}

/** Of these, the executions that hold a slot, whoever has locked it. */
export function* findHolders(ids: readonly string[]): Script<ReadonlySet<string>> {
  const rows = yield {
    sql: `SELECT HEX(e.id) AS id ${slotsOfSql} AND s.execution_id = e.id`,
    parameters: [idList(ids)],
  };
  return new Set(rows.map((row) => idOf(row.id)));
}

/** Index execution_blocked, whose order this is. */
export const nextSql = (isLocking: boolean): string => `
  SELECT HEX(e.id) AS id FROM makegood_execution e FORCE INDEX (execution_blocked)
   WHERE e.blocked_in = ? AND e.job = ? AND e.concurrency_key = ?
   ORDER BY e.priority, e.id LIMIT 1 ${isLocking ? "FOR UPDATE" : ""}`;

/** Who is next in each of these locked slots; null where nobody waits. Absent: the next one's row is locked by another. */
export function* lockNext(slots: ReadonlyMap<string, SlotName>): Script<ReadonlyMap<string, string | null>> {
  const waiting = new Map<string, string | null>();
  for (const [holder, slot] of slots) {
    const [row] = yield { sql: nextSql(false), parameters: nameOf(slot) };
    waiting.set(holder, idOrNull(row?.id));
  }
  const locked = yield* lockWaiting([...waiting.values()].filter((id) => id !== null));
  return new Map([...waiting].filter(([, id]) => id === null || locked.has(id)));
}

/** As lockNext, but waits for a row that another holds: people do not send again. */
export function* waitForNext(held: ReadonlyMap<string, SlotName>): Script<ReadonlyMap<string, string | null>> {
  const next = new Map<string, string | null>();
  for (const [holder, slot] of held) {
    const [row] = yield { sql: nextSql(true), parameters: nameOf(slot) };
    next.set(holder, idOrNull(row?.id));
  }
  return next;
}

/** The holders have ended: each locked slot passes to its next one, who becomes ready, or goes. */
export function* handOver(
  slots: ReadonlyMap<string, SlotName>,
  next: ReadonlyMap<string, string | null>,
): Script<void> {
  const passed = [...slots].flatMap(([holder, slot]) => {
    const heir = next.get(holder);
    return typeof heir === "string" ? [[slot, heir] as const] : [];
  });
  const freed = [...slots].filter(([holder]) => next.get(holder) === null).map(([, slot]) => [slot, null] as const);
  if (passed.length > 0) {
    yield {
      sql: `
        UPDATE ${idTable}
         STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
           SET e.slot = 'held', e.wake_at = ${nowSql}, e.status = 'ready'`,
      parameters: [idList(passed.map(([, heir]) => heir))],
    };
    yield {
      sql: `UPDATE ${slotTable} STRAIGHT_JOIN makegood_slot s FORCE INDEX (PRIMARY) ON ${inSlotTable} SET s.execution_id = UNHEX(j.id)`,
      parameters: [slotList(passed)],
    };
  }
  if (freed.length > 0)
    yield {
      sql: `DELETE s FROM ${slotTable} STRAIGHT_JOIN makegood_slot s FORCE INDEX (PRIMARY) ON ${inSlotTable}`,
      parameters: [slotList(freed)],
    };
}

/** Those who wait for the slot end as discarded; their parents hear of it. Delayed ones do not wait for it yet. */
function* discardWaiting(slot: SlotName): Script<void> {
  // Index execution_blocked. Commands lock these rows too.
  const rows = yield { sql: lockBlockedSql, parameters: nameOf(slot) };
  yield* discard(rows);
}

export const lockBlockedSql = `
  SELECT HEX(e.id) AS id, HEX(e.parent) AS parent
    FROM makegood_execution e FORCE INDEX (execution_blocked)
   WHERE e.blocked_in = ? AND e.job = ? AND e.concurrency_key = ?
     FOR UPDATE`;

export function* discard(rows: readonly Row[]): Script<void> {
  if (rows.length === 0) return;
  yield {
    sql: `
      UPDATE ${idTable}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
         SET e.slot = NULL, e.wake_at = NULL, e.ended_at = ${nowSql}, e.prune_at = ${nowSql} + e.retain_ms, e.status = 'discarded'`,
    parameters: [idList(rows.map((row) => idOf(row.id)))],
  };
  yield* wakeParents(rows.map((row) => idOrNull(row.parent)));
}

/** Primary key. Of these, the ones that still wait for their slot and that nobody else has locked; in order of id. */
export const lockWaitingSql = `
  SELECT HEX(e.id) AS id
    FROM ${idTable}
   STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
   WHERE e.slot = 'wanted' AND e.status = 'waiting' AND e.wake_at IS NULL
     FOR UPDATE SKIP LOCKED`;

function* lockWaiting(ids: readonly string[]): Script<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = yield { sql: lockWaitingSql, parameters: [idList([...ids].sort())] };
  return new Set(rows.map((row) => idOf(row.id)));
}

const nameOf = (slot: SlotName): readonly Buffer[] => [
  bytesOf(slot.namespace),
  bytesOf(slot.job),
  bytesOf(slot.concurrencyKey),
];

/** In order of name, so that two who lock several wait for each other in one direction. */
function slotList(slots: readonly (readonly [SlotName, string | null])[]): string {
  const rows = slots.map(([slot, id]) => [
    hexOfText(slot.namespace),
    hexOfText(slot.job),
    hexOfText(slot.concurrencyKey),
    id === null ? null : hexOf(id),
  ]);
  return list(rows.sort((a, b) => (a.join() < b.join() ? -1 : 1)));
}

const slotNameOf = (row: Row): SlotName => ({
  namespace: text(row.namespace),
  job: text(row.job),
  concurrencyKey: text(row.concurrency_key),
});
