import type { Script } from "../../core/script.ts";
import { terminalSql } from "../server/fence.ts";
import { nowSql } from "./clock.ts";
import { hexOf, list, listTable } from "./values.ts";

/**
 * Whether a message wakes guard row `e`: it waits, and was run before. One that was never run waits for its delay or its
 * slot, and a message must let it in by neither.
 */
export const wakesSql = "e.status = 'waiting' AND e.token > 0";

/** What a message changes besides the inbox. MySQL assigns from left to right, so the status comes last. */
export const wakingSql = `
  e.wake_at = IF(${wakesSql}, ${nowSql}, e.wake_at),
  e.status = IF(${wakesSql}, 'ready', e.status)`;

/** One message for each child that ended, null for none. Ended parents are left alone. */
export function* wakeParents(parents: readonly (string | null)[]): Script<void> {
  const counts = new Map<string, number>();
  for (const parent of parents) if (parent !== null) counts.set(parent, (counts.get(parent) ?? 0) + 1);
  if (counts.size === 0) return;
  // Primary key of execution.
  yield {
    sql: `
      UPDATE ${listTable(["id", "id"], ["count", "number"])}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
         SET e.inbox = e.inbox + j.count, ${wakingSql}
       WHERE e.status NOT IN (${terminalSql})`,
    parameters: [list([...counts].map(([id, count]) => [hexOf(id), count]))],
  };
}
