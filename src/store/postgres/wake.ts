import type { Script } from "../../core/script.ts";
import { terminalSql } from "../server/fence.ts";
import { numberArray, textArray } from "./values.ts";

/**
 * Whether a message wakes guard row `e`: it waits, and was run before. One that was never run waits for its delay or its
 * slot, and a message must let it in by neither.
 */
export const wakesSql = "e.status = 'waiting' AND e.token > 0";

/** One message for each child that ended, null for none. Ended parents are left alone. */
export function* wakeParents(parents: readonly (string | null)[]): Script<void> {
  const counts = new Map<string, number>();
  for (const parent of parents) if (parent !== null) counts.set(parent, (counts.get(parent) ?? 0) + 1);
  if (counts.size === 0) return;
  // Primary key of execution. A statement of its own: PostgreSQL applies only one of two updates of a row in one (F4).
  yield {
    sql: `
      UPDATE makegood.execution e
         SET inbox = e.inbox + p.count,
             status = CASE WHEN ${wakesSql} THEN 'ready' ELSE e.status END,
             wake_at = CASE WHEN ${wakesSql} THEN makegood.now_ms() ELSE e.wake_at END
        FROM unnest($1::uuid[], $2::integer[]) AS p(id, count)
       WHERE e.id = p.id AND e.status NOT IN (${terminalSql})`,
    parameters: [textArray([...counts.keys()]), numberArray([...counts.values()])],
  };
}
