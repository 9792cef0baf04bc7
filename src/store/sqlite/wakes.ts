// Waits whose time has come. Waking is a hint: what the wait comes to is decided by the owner who claims it.
import type { Row } from "../../core/script.ts";
import type { BlockingStrategy, ExecutionStore } from "../../core/store.ts";
import type { Connection, Sql } from "./connection.ts";
import type { Moment } from "./moment.ts";
import { discard, seekSlot } from "./slots.ts";

type Request = Parameters<ExecutionStore["wakeDue"]>[0];

export async function wakeDue(connection: Connection, request: Request): ReturnType<ExecutionStore["wakeDue"]> {
  const nextInMs = await connection.read((sql, { now }) => readNext(sql, request.namespace, now));
  // Without the write lock: most of the time nothing is due.
  if (nextInMs === null || nextInMs > 0) return { wokenCount: 0, nextInMs };
  return connection.write((sql, moment) => {
    const due = sql.rows(selectDue, [request.namespace, moment.now, request.limit]);
    const wokenCount = due.filter((row) => wake(sql, row, moment)).length;
    return { wokenCount, nextInMs: readNext(sql, request.namespace, moment.now) };
  });
}

// Both are served by execution_due.
const selectNext = `
SELECT min(wake_at) FROM makegood_execution WHERE namespace = ? AND status = 'waiting' AND wake_at IS NOT NULL`;
const selectDue = `
SELECT id, slot, namespace, job, concurrency_key, blocking, parent
  FROM makegood_execution
 WHERE namespace = ? AND status = 'waiting' AND wake_at <= ?
 ORDER BY wake_at
 LIMIT ?`;

function readNext(sql: Sql, namespace: string, now: number): number | null {
  const [next] = sql.tuple(selectNext, [namespace]) ?? [];
  return typeof next === "number" ? next - now : null;
}

// Served by the primary key. "slot" stays as it is but for one who just got it.
const setReady = `
UPDATE makegood_execution SET status = 'ready', wake_at = ?, slot = CASE slot WHEN 'wanted' THEN 'held' ELSE slot END WHERE id = ?`;
const setBlocked = `
UPDATE makegood_execution SET wake_at = NULL WHERE id = ?`;

/** Whether it is ready now; one that wants a slot may have to wait on for it, or be discarded. */
function wake(sql: Sql, row: Row, moment: Moment): boolean {
  const id = row["id"] as Uint8Array;
  const place = row["slot"] === "wanted" ? seek(sql, row, moment) : "held";
  if (place === "held") sql.run(setReady, [moment.now, id]);
  if (place === "blocked") sql.run(setBlocked, [id]);
  if (place === "discarded") sql.script(discard(id, row["parent"] as Uint8Array | null, null, moment.now));
  return place === "held";
}

function seek(sql: Sql, row: Row, moment: Moment) {
  const wish = {
    id: row["id"] as Uint8Array,
    namespace: row["namespace"] as string,
    job: row["job"] as string,
    concurrencyKey: row["concurrency_key"] as string,
    blocking: row["blocking"] as BlockingStrategy,
    actor: { kind: "system", id: "wake" },
  } as const;
  return sql.script(seekSlot(wish, moment));
}
