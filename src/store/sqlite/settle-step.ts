import type { CommandOutcome, CommandStore } from "../../core/store.ts";
import type { Sql } from "./connection.ts";
import { readGuard } from "./guard.ts";
import { idToBytes } from "./id-bytes.ts";
import { audit, nameOf } from "./incidents.ts";
import type { Moment } from "./moment.ts";

type SettleStep = Parameters<CommandStore["settleStep"]>[0];

// All are served by the journal's primary key.
const readRow = `
SELECT state, actor FROM makegood_journal WHERE execution_id = ? AND step = ? AND role = ?`;
/** An undo belongs to the place of its action; a step that never started comes after those that did. */
const readPlace = `
SELECT coalesce(max(seq), 0) + 1, coalesce(max(started) FILTER (WHERE step = ?), coalesce(max(started), 0) + 1)
  FROM makegood_journal WHERE execution_id = ?`;
const insertRow = `
INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** A person states how one step of a parked execution ended. Nobody owns it meanwhile, so that the last token serves. */
export function settleStep(
  sql: Sql,
  { id: executionId, row, actor, note }: SettleStep,
  moment: Moment,
): CommandOutcome {
  const id = idToBytes(executionId);
  const guard = readGuard(sql, id);
  if (guard === null) return { kind: "unknown-execution" };
  const { status, phase, token } = guard;
  const [state, settledBy] = sql.tuple(readRow, [id, row.step, row.role]) ?? [];
  // The same word of the same person is a repeat.
  if (status === "parked" && state === row.state && settledBy === nameOf(actor))
    return { kind: "accepted", status, phase };
  if (status !== "parked" || state !== undefined) return { kind: "refused", status, phase };
  const [seq, started] = sql.tuple(readPlace, [row.step, id]) as readonly [number, number];
  sql.run(insertRow, [
    id,
    row.step,
    row.role,
    row.kind,
    seq,
    row.started ?? started,
    row.attempt,
    row.state,
    row.body,
    moment.now,
    token,
    nameOf(actor),
  ]);
  sql.script(audit(id, "settle-step", actor, note, moment));
  return { kind: "accepted", status, phase };
}
