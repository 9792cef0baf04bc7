// One unfinished execution per (namespace, job, concurrency key): a row of makegood_slot names the holder. Sought at the
// start, or when a delay is over; kept while waiting, parked and turning back; handed over in the commit that ends the
// holder. While a row exists its holder is unfinished, and while none exists nobody waits for it.

import type { Actor } from "../../core/ports.ts";
import type { Row, Script } from "../../core/script.ts";
import type { BlockingStrategy } from "../../core/store.ts";
import { cancelTree } from "./cancel.ts";
import { idFromBytes } from "./id-bytes.ts";
import { wakeParent } from "./messages.ts";
import type { Moment } from "./moment.ts";

export interface SlotWish {
  readonly id: Uint8Array;
  readonly namespace: string;
  readonly job: string;
  readonly concurrencyKey: string;
  readonly blocking: BlockingStrategy;
  readonly actor: Actor;
}

// Served by the primary key.
const readHolder = `
SELECT execution_id FROM makegood_slot WHERE namespace = ? AND job = ? AND concurrency_key = ?`;
const insertHolder = `
INSERT INTO makegood_slot (namespace, job, concurrency_key, execution_id) VALUES (?, ?, ?, ?)`;

/** `blocked`: wait on without a time. `discarded`: end at once; the row of the execution is the caller's to write. */
export function* seekSlot(wish: SlotWish, moment: Moment): Script<"held" | "blocked" | "discarded"> {
  const slot = [wish.namespace, wish.job, wish.concurrencyKey];
  const [holder] = yield { sql: readHolder, parameters: slot };
  if (holder === undefined) {
    yield { sql: insertHolder, parameters: [...slot, wish.id] };
    return "held";
  }
  if (wish.blocking === "discard-new") return "discarded";
  if (wish.blocking === "replace-running") yield* replace(holder, slot, wish, moment);
  return "blocked";
}

// Served by execution_blocked. Those whose delay is not over have not sought the slot yet.
const readBlocked = `
SELECT id, parent
  FROM makegood_execution
 WHERE namespace = ? AND job = ? AND concurrency_key = ? AND slot = 'wanted' AND status = 'waiting' AND wake_at IS NULL
 ORDER BY priority, id`;
const readNext = `${readBlocked}
 LIMIT 1`;

function* replace(holder: Row, slot: readonly string[], wish: SlotWish, moment: Moment): Script<void> {
  for (const { id, parent } of yield { sql: readBlocked, parameters: slot })
    yield* discard(id as Uint8Array, parent as Uint8Array | null, "replaced", moment.now);
  yield* cancelTree(
    holder["execution_id"] as Uint8Array,
    "replaced",
    wish.actor,
    `replaced by ${idFromBytes(wish.id)}`,
    moment,
  );
}

// Served by the primary key.
const endDiscarded = `
UPDATE makegood_execution
   SET status = 'discarded', reason = ?, slot = NULL, wake_at = NULL, ended_at = ?, prune_at = ? + retain_ms
 WHERE id = ?`;

/** Of one that waits for a slot: it holds none. */
export function* discard(
  id: Uint8Array,
  parent: Uint8Array | null,
  reason: "replaced" | null,
  now: number,
): Script<void> {
  yield { sql: endDiscarded, parameters: [reason, now, now, id] };
  yield* wakeParent(parent, now);
}

const readSlotOf = `
SELECT namespace, job, concurrency_key FROM makegood_execution WHERE id = ?`;
const moveSlot = `
UPDATE makegood_slot SET execution_id = ? WHERE namespace = ? AND job = ? AND concurrency_key = ? AND execution_id = ?`;
const freeSlot = `
DELETE FROM makegood_slot WHERE namespace = ? AND job = ? AND concurrency_key = ? AND execution_id = ?`;
const letIn = `
UPDATE makegood_execution SET status = 'ready', slot = 'held', wake_at = ? WHERE id = ?`;

/** The holder has ended: the next by priority and age gets the slot, ready from now on; without a next the slot goes. */
export function* handOverSlot(holder: Uint8Array, now: number): Script<void> {
  const [row] = yield { sql: readSlotOf, parameters: [holder] };
  const slot = [row?.["namespace"], row?.["job"], row?.["concurrency_key"]];
  const [next] = yield { sql: readNext, parameters: slot };
  if (next === undefined) {
    yield { sql: freeSlot, parameters: [...slot, holder] };
    return;
  }
  yield { sql: moveSlot, parameters: [next["id"], ...slot, holder] };
  yield { sql: letIn, parameters: [now, next["id"]] };
}
