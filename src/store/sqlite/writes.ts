// A fenced write: the guard row is read in the write transaction and decides, then all of the write lands, or nothing.

import { assertNever, InvariantError } from "../../core/errors.ts";
import { isTerminal, type OwnerTransition, type TransitionRule, transitions } from "../../core/execution.ts";
import type { AttemptRow, JournalRow, Role } from "../../core/journal.ts";
import type { StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import type { Sql } from "./connection.ts";
import { afterEnd } from "./endings.ts";
import { type Guard, mayDo, readGuard } from "./guard.ts";
import { idToBytes } from "./id-bytes.ts";
import { openIncident } from "./incidents.ts";
import type { Moment } from "./moment.ts";
import { lookUpStart } from "./starts.ts";

type Transition = NonNullable<Write["transition"]>;
type StartChild = (child: NonNullable<Write["children"]>[number]) => StartOutcome;

const lost: WriteOutcome = { kind: "lost" };
const doneAlone: WriteOutcome = { kind: "done", children: [] };

export function applyWrite(sql: Sql, write: Write, moment: Moment, startChild: StartChild): WriteOutcome {
  const { token } = write.lease;
  const id = idToBytes(write.lease.executionId);
  const guard = readGuard(sql, id);
  if (guard === null || guard.token !== token) return lost;
  if (guard.status === "running" && admits(write, guard)) return land(sql, write, guard, moment, startChild);
  if (hasLanded(sql, write, guard))
    return { kind: "done", children: (write.children ?? []).map((child) => sql.script(lookUpStart(child))) };
  return guard.status === "running"
    ? { kind: "refused", phase: guard.phase, cancel: guard.cancel, inbox: guard.inbox }
    : lost;
}

/** The fence besides token and status: phase and direction, what has been read, and the table of transitions. */
function admits({ direction, seenInbox, transition }: Write, guard: Guard): boolean {
  if (direction !== "any" && (direction === "back") !== (guard.phase === "back")) return false;
  if (seenInbox !== undefined && seenInbox !== guard.inbox) return false;
  return transition === undefined || mayDo(transition.name, guard, seenInbox);
}

/**
 * Whether this is the repeat of a write that landed under the same token. Its rows tell; without any, a transition is known by
 * the state that it left behind, since only the owner takes an execution out of running without raising the token.
 */
function hasLanded(sql: Sql, { records = [], attempts = [], transition }: Write, guard: Guard): boolean {
  if (records.length > 0) return records.every(({ step, role }) => hasRecord(sql, guard, step, role));
  if (transition !== undefined) return hasMoved(transition.name, guard);
  return (
    attempts.length > 0 &&
    attempts.every(
      (row) => sql.tuple(findAttempt, [guard.id, row.step, row.role, row.attempt, guard.token]) !== undefined,
    )
  );
}

function hasMoved(name: OwnerTransition, guard: Guard): boolean {
  const rule: TransitionRule = transitions[name];
  if (rule.status === null) return rule.phase === guard.phase;
  if (guard.status === "running") return false;
  return isTerminal(rule.status) ? rule.status === guard.status : true;
}

// ── What lands ─────────────────────────────────────────────────────────────────────────────────────────────────────

function land(sql: Sql, write: Write, guard: Guard, moment: Moment, startChild: StartChild): WriteOutcome {
  const { records, attempts, takes, children, transition, progress } = write;
  if (records !== undefined) for (const row of records) insertRecord(sql, guard, row);
  if (attempts !== undefined) for (const row of attempts) insertAttempt(sql, guard, row);
  if (takes !== undefined) for (const take of takes) takeSignal(sql, guard, take);
  if (progress !== undefined) sql.run(upsertProgress, [guard.id, progress.fraction, progress.note]);
  // Before the transition: a child that ends at once wakes a parent that still runs.
  const outcome: WriteOutcome =
    children === undefined ? doneAlone : { kind: "done", children: children.map(startChild) };
  if (transition !== undefined) move(sql, guard, transition, moment);
  return outcome;
}

// Served by the primary key. A row that is there already is the same one, sent again, if it bears the writer's token.
const insertRow = `
INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (execution_id, step, role) DO NOTHING`;
const readToken = `
SELECT token FROM makegood_journal WHERE execution_id = ? AND step = ? AND role = ?`;

function insertRecord(sql: Sql, guard: Guard, row: JournalRow): void {
  const { id, token } = guard;
  const count = sql.run(insertRow, [
    id,
    row.step,
    row.role,
    row.kind,
    row.seq,
    row.started,
    row.attempt,
    row.state,
    row.body,
    row.at,
    token,
    row.actor,
  ]);
  if (count === 0) hasRecord(sql, guard, row.step, row.role);
}

/** Whether the row is there under the token of the guard row. One of another owner's answers nobody (ENGINE-PROTOCOL §2). */
export function hasRecord(sql: Sql, { id, token }: Guard, step: string, role: Role): boolean {
  const [found] = sql.tuple(readToken, [id, step, role]) ?? [];
  if (found !== undefined && found !== token)
    throw new InvariantError(
      `Expected no journal row for ${role} of "${step}" by another owner, since the journal is loaded after the claim; found one under token ${found}`,
      { step, role, token, found },
    );
  return found !== undefined;
}

// Served by the primary key.
const insertFailure = `
INSERT INTO makegood_attempt (execution_id, step, role, attempt, token, at, next_at, is_unknown, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`;
const findAttempt = `
SELECT 1 FROM makegood_attempt WHERE execution_id = ? AND step = ? AND role = ? AND attempt = ? AND token = ?`;

function insertAttempt(sql: Sql, { id, token }: Guard, row: AttemptRow): void {
  sql.run(insertFailure, [
    id,
    row.step,
    row.role,
    row.attempt,
    token,
    row.at,
    row.nextAt,
    row.isUnknown ? 1 : 0,
    row.error,
  ]);
}

// Served by the primary key. A signal is taken by one step, for good.
const takeOne = `
UPDATE makegood_signal SET taken_by = ?
 WHERE execution_id = ? AND signal_id = ? AND (taken_by IS NULL OR taken_by = ?)`;

function takeSignal(
  sql: Sql,
  { id }: Guard,
  { signalId, step }: { readonly signalId: string; readonly step: string },
): void {
  if (sql.run(takeOne, [step, id, signalId, step]) === 0)
    throw new InvariantError(
      `Expected an open signal "${signalId}" for "${step}", found it gone or taken by another step`,
      { signalId, step },
    );
}

const upsertProgress = `
INSERT INTO makegood_progress (execution_id, fraction, note) VALUES (?, ?, ?)
    ON CONFLICT (execution_id) DO UPDATE SET fraction = excluded.fraction, note = excluded.note`;

// ── Transitions ────────────────────────────────────────────────────────────────────────────────────────────────────
// Each is served by the primary key. What may happen when has been decided; here is what it leaves behind.

const setPhase = `
UPDATE makegood_execution SET phase = ?, reason = coalesce(?, reason) WHERE id = ?`;
const setEnded = `
UPDATE makegood_execution
   SET status = ?, reason = coalesce(?, reason), worker = NULL, wake_at = NULL, slot = NULL, ended_at = ?, prune_at = ? + retain_ms
 WHERE id = ?`;
const setResting = `
UPDATE makegood_execution SET status = ?, worker = NULL, wake_at = ? WHERE id = ?`;

function move(sql: Sql, guard: Guard, transition: Transition, moment: Moment): void {
  const { id } = guard;
  const { now } = moment;
  const { status, phase }: TransitionRule = transitions[transition.name];
  switch (transition.name) {
    case "pivot":
      sql.run(setPhase, [phase, null, id]);
      return;
    case "turn-back":
      sql.run(setPhase, [phase, transition.reason ?? null, id]);
      return;
    case "confirm":
      sql.run(setPhase, [phase, null, id]);
      keepOutcome(sql, id, transition);
      return;
    case "complete":
    case "compensated":
      sql.run(setEnded, [status, transition.name === "complete" ? null : (transition.reason ?? null), now, now, id]);
      keepOutcome(sql, id, transition);
      sql.script(afterEnd(guard, now));
      return;
    case "suspend":
      sql.run(setResting, [status, transition.wakeInMs == null ? null : now + transition.wakeInMs, id]);
      return;
    case "hand-back":
      sql.run(setResting, [status, now, id]);
      return;
    case "park":
      if (transition.incident === undefined)
        throw new InvariantError("Expected an incident with every park, found none");
      sql.run(setResting, [status, null, id]);
      sql.script(openIncident(id, transition.incident, moment));
      return;
    default:
      assertNever(transition.name);
  }
}

export const upsertOutcome = `
INSERT INTO makegood_outcome (execution_id, result, error, undone_count) VALUES (?, ?, ?, ?)
    ON CONFLICT (execution_id) DO UPDATE SET result = excluded.result, error = excluded.error, undone_count = excluded.undone_count`;

function keepOutcome(sql: Sql, id: Uint8Array, { outcome }: Transition): void {
  if (outcome !== undefined) sql.run(upsertOutcome, [id, outcome.result, outcome.error, outcome.undoneCount]);
}
