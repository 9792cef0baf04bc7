// Commands from outside. Each is one transaction with its audit row; a refused one leaves nothing.
import { allows, isTerminal, type Phase, type Status, type TransitionName } from "../../core/execution.ts";
import { isUuid } from "../../core/ids.ts";
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import type { CommandOutcome, CommandStore } from "../../core/store.ts";
import { actorName, audit, cancelTree, closeIncidents, type LockedGuard, lockGuard } from "./cancel.ts";
import { newRowId, nowSql } from "./clock.ts";
import type { Connections } from "./connection.ts";
import { findRecordSql } from "./executions.ts";
import { handOver, lockSlotsOf, waitForNext } from "./slots.ts";
import { bytesOf, idBytes, idOrNull, int } from "./values.ts";
import { wakeParents, wakingSql } from "./wake.ts";

type Command<K extends keyof CommandStore> = Parameters<CommandStore[K]>[0];

const unknown = { kind: "unknown-execution" } as const;

export function commandStore(connections: Connections): CommandStore {
  const run = async <T>(id: string, script: () => Script<T>) =>
    isUuid(id) ? connections.transaction(script) : unknown;
  return {
    signal: (command) => run(command.id, () => signal(command)),
    cancel: ({ id, reason, actor, note }) => run(id, () => cancelTree(id, reason, actor, note)),
    kill: (command) => run(command.id, () => end(command.id, "kill", command.actor, () => kill(command))),
    resume: (command) => run(command.id, () => resume(command)),
    settleStep: (command) => run(command.id, () => settleStep(command)),
    settle: (command) => {
      const name = command.as === "completed" ? "settle-completed" : "settle-compensated";
      return run(command.id, () => end(command.id, name, command.actor, () => settle(command)));
    },
  };
}

/**
 * The guard row is locked first, so that of two signals with one id the later waits, then sees the earlier. `seq` is the inbox
 * that this signal raises the guard row to.
 */
function* signal(command: Command<"signal">): Script<Awaited<ReturnType<CommandStore["signal"]>>> {
  const { id, signalId, name, payload, actor } = command;
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase, token, inbox } = guard;
  const [found] = yield {
    sql: "SELECT 1 AS found FROM makegood_signal s WHERE s.execution_id = ? AND s.signal_id = ?",
    parameters: [idBytes(id), bytesOf(signalId)],
  };
  if (found !== undefined) return { kind: "duplicate" };
  if (isTerminal(status)) return { kind: "refused", status, phase };
  yield {
    sql: `INSERT INTO makegood_signal (execution_id, signal_id, name, payload, seq, at) VALUES (?, ?, ?, ?, ?, ${nowSql})`,
    parameters: [idBytes(id), bytesOf(signalId), bytesOf(name), payload, inbox + 1],
  };
  yield {
    sql: `UPDATE makegood_execution e SET e.inbox = e.inbox + 1, ${wakingSql} WHERE e.id = ?`,
    parameters: [idBytes(id)],
  };
  yield* audit([id], "signal", actor, null);
  return { kind: "accepted", status: status === "waiting" && token > 0 ? "ready" : status, phase };
}

/**
 * Ends an execution by a person's word: slot, then parent, then the guard row itself are locked, `apply` does what is the
 * command's own, the slot passes on and the parent is told. The slot's name and the parent never change, so they may be
 * read before anything is locked.
 */
function* end(
  id: string,
  name: TransitionName,
  actor: Actor,
  apply: (guard: LockedGuard) => Script<Status>,
): Script<CommandOutcome> {
  const held = yield* lockSlotsOf([id], "wait");
  const [row] = yield {
    sql: "SELECT HEX(e.parent) AS parent FROM makegood_execution e WHERE e.id = ?",
    parameters: [idBytes(id)],
  };
  const parent = idOrNull(row?.parent);
  if (parent !== null) yield* lockGuard(parent);
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase }: { readonly status: Status; readonly phase: Phase } = guard;
  if (!allows(name, guard)) return { kind: "refused", status, phase };
  yield* closeIncidents([id], actor);
  const ended = yield* apply(guard);
  if (held.size > 0) yield* handOver(held, yield* waitForNext(held));
  yield* wakeParents([parent]);
  return { kind: "accepted", status: ended, phase };
}

const endSql = `
UPDATE makegood_execution
   SET token = token + ?, reason = COALESCE(?, reason), worker = NULL, wake_at = NULL, slot = NULL,
       ended_at = ${nowSql}, prune_at = ${nowSql} + retain_ms, status = ?
 WHERE id = ?`;

function* kill({ id, actor, note }: Command<"kill">): Script<Status> {
  yield { sql: endSql, parameters: [1, null, "killed", idBytes(id)] };
  yield {
    sql: `
      INSERT INTO makegood_incident (id, namespace, execution_id, code, opened_at)
      SELECT ?, e.namespace, e.id, 'KILLED', ${nowSql} FROM makegood_execution e WHERE e.id = ?`,
    parameters: [newRowId(), idBytes(id)],
  };
  yield* audit([id], "kill", actor, note);
  return "killed";
}

function* settle({ id, as, result, error, actor, note }: Command<"settle">): Script<Status> {
  yield { sql: endSql, parameters: [0, "settled", as, idBytes(id)] };
  // A person's word replaces what the decision to confirm had written. What was undone before is still counted.
  yield {
    sql: `
      UPDATE makegood_execution
         SET result = ?, error = ?,
             undone_count = (SELECT COUNT(*) FROM makegood_journal r
                              WHERE r.execution_id = ? AND r.role IN ('compensation', 'cancel') AND r.state = 'done')
       WHERE id = ?`,
    parameters: [result, error, idBytes(id), idBytes(id)],
  };
  yield* audit([id], "settle", actor, note);
  return as;
}

function* resume({ id, resetAttempts, actor, note }: Command<"resume">): Script<CommandOutcome> {
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase } = guard;
  if (!allows("resume", guard)) return { kind: "refused", status, phase };
  yield {
    sql: `UPDATE makegood_execution SET wake_at = ${nowSql}, crash_count = 0, crash_seq = -1, status = 'ready' WHERE id = ?`,
    parameters: [idBytes(id)],
  };
  // Primary key of attempt. Kept for history, no longer counted.
  if (resetAttempts)
    yield {
      sql: "UPDATE makegood_attempt SET is_counted = 0 WHERE execution_id = ? AND is_counted = 1",
      parameters: [idBytes(id)],
    };
  yield* closeIncidents([id], actor);
  yield* audit([id], resetAttempts ? "retry" : "resume", actor, note);
  return { kind: "accepted", status: "ready", phase };
}

/** Parked executions have no owner, so under the guard row's lock nobody else writes the journal. */
function* settleStep({ id, row, actor, note }: Command<"settleStep">): Script<CommandOutcome> {
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase, token } = guard;
  const refused = { kind: "refused", status, phase } as const;
  if (status !== "parked") return refused;
  const [there] = yield { sql: findRecordSql, parameters: [idBytes(id), bytesOf(row.step), row.role] };
  if (there !== undefined) return refused;
  const [last] = yield {
    sql: `
      SELECT COALESCE(MAX(r.seq), 0) AS seq, COALESCE(MAX(r.started), 0) AS started
        FROM makegood_journal r WHERE r.execution_id = ?`,
    parameters: [idBytes(id)],
  };
  yield {
    sql: `
      INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ${nowSql}, ?, ?)`,
    parameters: [
      ...[idBytes(id), bytesOf(row.step), row.role, row.kind],
      ...[int(last?.seq) + 1, row.started ?? int(last?.started) + 1, row.attempt, row.state],
      ...[row.body, token, bytesOf(actorName(actor))],
    ],
  };
  yield* audit([id], "settle-step", actor, note);
  return { kind: "accepted", status, phase };
}
