import { isTerminal } from "../../core/execution.ts";
import type { CommandOutcome, CommandStore } from "../../core/store.ts";
import type { Sql } from "./connection.ts";
import { readGuard } from "./guard.ts";
import { idToBytes } from "./id-bytes.ts";
import { audit } from "./incidents.ts";
import { raiseInbox } from "./messages.ts";
import type { Moment } from "./moment.ts";

type Signal = Parameters<CommandStore["signal"]>[0];

// Both are served by the primary key.
const insertSignal = `
INSERT INTO makegood_signal (execution_id, signal_id, name, payload, seq, at) VALUES (?, ?, ?, ?, ?, ?)`;
const findSignal = `
SELECT 1 FROM makegood_signal WHERE execution_id = ? AND signal_id = ?`;

/** The message and the wake are one commit. A repeat is told so even after the end: the first was accepted. */
export function sendSignal(
  sql: Sql,
  { id: executionId, signalId, name, payload, actor }: Signal,
  moment: Moment,
): CommandOutcome | { readonly kind: "duplicate" } {
  const id = idToBytes(executionId);
  const guard = readGuard(sql, id);
  if (guard === null) return { kind: "unknown-execution" };
  if (sql.tuple(findSignal, [id, signalId]) !== undefined) return { kind: "duplicate" };
  if (isTerminal(guard.status)) return { kind: "refused", status: guard.status, phase: guard.phase };
  sql.run(insertSignal, [id, signalId, name, payload, guard.inbox + 1, moment.now]);
  sql.run(raiseInbox, [moment.now, id]);
  sql.script(audit(id, "signal", actor, null, moment));
  return { kind: "accepted", status: readGuard(sql, id)?.status ?? guard.status, phase: guard.phase };
}
