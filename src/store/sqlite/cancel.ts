// Cancel takes the unfinished children along, and theirs, in one transaction.
import type { Reason } from "../../core/execution.ts";
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import { mayStart } from "./conditions.ts";
import { audit, closeIncidents } from "./incidents.ts";
import type { Moment } from "./moment.ts";

/** Deeper ones are canceled by their own parent, when it turns back. */
const maxDepth = 100;

// Served by the primary key and execution_child. Does not pass through one that may not be canceled: a child past its pivot
// goes on to its end, and needs its own children for that.
const readTree = `
WITH RECURSIVE tree (id, status, cancel, depth) AS (
  SELECT e.id, e.status, e.cancel, 0 FROM makegood_execution AS e WHERE e.id = ? AND ${mayStart("cancel", "e")}
  UNION ALL
  SELECT e.id, e.status, e.cancel, tree.depth + 1
    FROM tree JOIN makegood_execution AS e ON e.parent = tree.id
   WHERE tree.depth < ${maxDepth} AND ${mayStart("cancel", "e")})
SELECT id, status, cancel FROM tree ORDER BY depth DESC`;

// Served by the primary key. A waiting one that wants a slot becomes ready without it: it has only to end as canceled.
const setCancel = `
UPDATE makegood_execution
   SET cancel = coalesce(cancel, ?),
       inbox = inbox + 1,
       wake_at = CASE WHEN status IN ('waiting', 'parked') THEN ? ELSE wake_at END,
       status = CASE WHEN status IN ('waiting', 'parked') THEN 'ready' ELSE status END,
       slot = CASE slot WHEN 'wanted' THEN NULL ELSE slot END
 WHERE id = ?`;

/** The children are canceled because their parent is, whatever the reason was. The first accepted reason stands. */
export function* cancelTree(
  top: Uint8Array,
  reason: Reason,
  actor: Actor,
  note: string | null,
  moment: Moment,
): Script<void> {
  const tree = yield { sql: readTree, parameters: [top] };
  for (const [index, row] of tree.entries()) {
    // Canceled before, and awake: it has been told.
    if (row["cancel"] !== null && (row["status"] === "ready" || row["status"] === "running")) continue;
    const id = row["id"] as Uint8Array;
    const isTop = index === tree.length - 1;
    yield { sql: setCancel, parameters: [isTop ? reason : "canceled", moment.now, id] };
    if (row["status"] === "parked") yield* closeIncidents(id, actor, moment.now);
    yield* audit(id, "cancel", actor, note, moment);
  }
}
