// Waking what waits for a time.
import type { Script } from "../../core/script.ts";
import type { BlockingStrategy, ExecutionStore } from "../../core/store.ts";
import { nowSql } from "./clock.ts";
import { type Connections, RollBack } from "./connection.ts";
import { discard, lockSlot, seekSlot } from "./slots.ts";
import { bytesOf, idBytes, idList, idOf, idTable, int, text, textOrNull } from "./values.ts";

// Index execution_due: the first `limit` that are due, and the next one that is not. Those that want a slot must lock that
// first; here they are only named.
export const dueSql = `
(SELECT HEX(e.id) AS id, e.slot, e.wake_at - ${nowSql} AS in_ms FROM makegood_execution e FORCE INDEX (execution_due)
  WHERE e.due_in = ? AND e.wake_at <= ${nowSql} ORDER BY e.wake_at LIMIT ?)
UNION ALL
(SELECT HEX(e.id), e.slot, e.wake_at - ${nowSql} FROM makegood_execution e FORCE INDEX (execution_due)
  WHERE e.due_in = ? AND e.wake_at > ${nowSql} ORDER BY e.wake_at LIMIT 1)`;

/** When to look again after due rows that others hold. */
const lockedAgainMs = 50;

export async function wakeDue(
  connections: Connections,
  { namespace, limit }: Parameters<ExecutionStore["wakeDue"]>[0],
): ReturnType<ExecutionStore["wakeDue"]> {
  const space = bytesOf(namespace);
  const rows = await connections.read({ sql: dueSql, parameters: [space, limit, space] });
  const due = rows.filter((row) => int(row.in_ms) <= 0);
  const wantsSlot = (row: (typeof due)[number]): boolean => textOrNull(row.slot) === "wanted";
  const seekers = due.filter(wantsSlot).map((row) => idOf(row.id));
  const sleepers = due.filter((row) => !wantsSlot(row)).map((row) => idOf(row.id));
  let wokenCount = sleepers.length === 0 ? 0 : await connections.transaction(() => wakeAll(sleepers));
  const isLeft = wokenCount < sleepers.length;
  for (const id of seekers) if (await connections.transaction(() => seekWhenDue(id))) wokenCount++;
  const next = rows.find((row) => int(row.in_ms) > 0);
  const nextInMs = next === undefined ? Number.POSITIVE_INFINITY : int(next.in_ms);
  const soonest = Math.min(nextInMs, due.length >= limit ? 0 : isLeft ? lockedAgainMs : nextInMs);
  return { wokenCount, nextInMs: Number.isFinite(soonest) ? soonest : null };
}

/** Primary key of execution. Locked rows are passed over: mostly somebody else is waking them, but he may roll back. */
export const lockDueSql = `
SELECT HEX(e.id) AS id
  FROM ${idTable}
 STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
 WHERE e.status = 'waiting' AND e.wake_at <= ${nowSql}
   FOR UPDATE SKIP LOCKED`;

function* wakeAll(ids: readonly string[]): Script<number> {
  const locked = (yield { sql: lockDueSql, parameters: [idList([...ids].sort())] }).map((row) => idOf(row.id));
  if (locked.length === 0) throw new RollBack(0);
  yield {
    sql: `
      UPDATE ${idTable}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
         SET e.wake_at = ${nowSql}, e.status = 'ready'`,
    parameters: [idList(locked)],
  };
  return locked.length;
}

/** A delayed execution's time has come: it gets its slot, waits on for it, or is discarded. True if it is ready now. */
function* seekWhenDue(id: string): Script<boolean> {
  const [found] = yield {
    sql: `
      SELECT e.namespace, e.job, e.concurrency_key, e.blocking, e.actor
        FROM makegood_execution e WHERE e.id = ?`,
    parameters: [idBytes(id)],
  };
  if (found === undefined) throw new RollBack(false);
  const slot = { namespace: text(found.namespace), job: text(found.job), concurrencyKey: text(found.concurrency_key) };
  const holder = yield* lockSlot(slot, id);
  const [still] = yield {
    sql: `
      SELECT HEX(e.id) AS id, HEX(e.parent) AS parent FROM makegood_execution e
       WHERE e.id = ? AND e.status = 'waiting' AND e.slot = 'wanted' AND e.wake_at <= ${nowSql}
         FOR UPDATE SKIP LOCKED`,
    parameters: [idBytes(id)],
  };
  // Somebody else was here, or is: what he did stands, and the slot that was taken above is given back.
  if (still === undefined) throw new RollBack(false);
  const blocking = textOrNull<BlockingStrategy>(found.blocking) ?? "serial";
  const standing = yield* seekSlot(slot, id, holder, blocking, starterOf(found.actor));
  if (standing === "discarded") yield* discard([still]);
  else
    yield {
      sql: `UPDATE makegood_execution SET ${standing === "held" ? heldSql : "slot = 'wanted', wake_at = NULL"} WHERE id = ?`,
      parameters: [idBytes(id)],
    };
  return standing === "held";
}

const heldSql = `slot = 'held', wake_at = ${nowSql}, status = 'ready'`;

/** Who started it, as execution.actor has it: `kind:id`. */
function starterOf(found: unknown) {
  const [kind = "system", ...id] = text(found).split(":");
  return { kind: kind as "system", id: id.join(":") };
}
