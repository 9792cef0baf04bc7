// Whatever may end a wait raises the inbox of the one that waits, in the transaction that brings it.
import type { Script } from "../../core/script.ts";
import { unfinished } from "./conditions.ts";

// Served by the primary key. `token > 0` sets apart those that wait for a message or a time of theirs from those that were
// never run: a delayed start, or one that waits for its slot, is not let in by a message.
export const raiseInbox = `
UPDATE makegood_execution
   SET inbox = inbox + 1,
       wake_at = CASE WHEN status = 'waiting' AND token > 0 THEN ? ELSE wake_at END,
       status = CASE WHEN status = 'waiting' AND token > 0 THEN 'ready' ELSE status END
 WHERE id = ? AND ${unfinished}`;

/** The end of a child is a message to its parent. A parent that has ended, or is gone, is left alone. */
export function* wakeParent(parent: Uint8Array | null, now: number): Script<void> {
  if (parent !== null) yield { sql: raiseInbox, parameters: [now, parent] };
}
