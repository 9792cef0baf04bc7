// Commands from outside. Each reads the guard row under the write lock, asks core's table, acts, and writes the audit row.
import type { TransitionName } from "../../core/execution.ts";
import type { Actor } from "../../core/ports.ts";
import type { CommandOutcome, CommandStore } from "../../core/store.ts";
import { cancelTree } from "./cancel.ts";
import type { Connection, Sql } from "./connection.ts";
import { afterEnd } from "./endings.ts";
import { type Guard, mayDo, readGuard } from "./guard.ts";
import { idToBytes } from "./id-bytes.ts";
import { audit, closeIncidents, openIncident } from "./incidents.ts";
import type { Moment } from "./moment.ts";
import { settleStep } from "./settle-step.ts";
import { sendSignal } from "./signals.ts";

interface Command {
  readonly id: string;
  readonly actor: Actor;
  readonly note: string | null;
}

export function commandStore(connection: Connection): CommandStore {
  /** Returns `refused` where the table does not allow it, or where `act` says so by returning false. */
  const run = (
    name: TransitionName,
    verb: string,
    { id, actor, note }: Command,
    act: (sql: Sql, guard: Guard, moment: Moment) => void,
  ): Promise<CommandOutcome> =>
    connection.write((sql, moment) => {
      const guard = readGuard(sql, idToBytes(id));
      if (guard === null) return { kind: "unknown-execution" };
      if (!mayDo(name, guard)) return { kind: "refused", status: guard.status, phase: guard.phase };
      act(sql, guard, moment);
      sql.script(audit(guard.id, verb, actor, note, moment));
      return accepted(sql, guard);
    });

  return {
    signal: (command) => connection.write((sql, moment) => sendSignal(sql, command, moment)),

    cancel: ({ id, reason, actor, note }) =>
      connection.write((sql, moment) => {
        const guard = readGuard(sql, idToBytes(id));
        if (guard === null) return { kind: "unknown-execution" };
        if (!mayDo("cancel", guard)) return { kind: "refused", status: guard.status, phase: guard.phase };
        sql.script(cancelTree(guard.id, reason, actor, note, moment));
        return accepted(sql, guard);
      }),

    kill: (command) =>
      run("kill", "kill", command, (sql, guard, moment) => {
        sql.run(setKilled, [moment.now, moment.now, guard.id]);
        // Whatever was open about it is answered by the kill, which is what remains to be looked into.
        sql.script(closeIncidents(guard.id, command.actor, moment.now));
        sql.script(openIncident(guard.id, { code: "KILLED", step: null, error: null }, moment));
        sql.script(afterEnd(guard, moment.now));
      }),

    resume: (command) =>
      run("resume", command.resetAttempts ? "retry" : "resume", command, (sql, { id }, { now }) => {
        sql.run(setResumed, [now, id]);
        if (command.resetAttempts) sql.run(discountAttempts, [id]);
        sql.script(closeIncidents(id, command.actor, now));
      }),

    settleStep: (command) => connection.write((sql, moment) => settleStep(sql, command, moment)),

    settle: (command) =>
      run(`settle-${command.as}`, "settle", command, (sql, guard, { now }) => {
        sql.run(setSettled, [command.as, now, now, guard.id]);
        sql.run(settleOutcome, [guard.id, command.result, command.error, guard.id]);
        sql.script(closeIncidents(guard.id, command.actor, now));
        sql.script(afterEnd(guard, now));
      }),
  };
}

export function accepted(sql: Sql, { id, status, phase }: Guard): CommandOutcome {
  const after = readGuard(sql, id);
  return { kind: "accepted", status: after?.status ?? status, phase: after?.phase ?? phase };
}

// Each is served by the primary key. The raised token fences the owner off, whatever it still sends.
const setKilled = `
UPDATE makegood_execution
   SET status = 'killed', token = token + 1, worker = NULL, wake_at = NULL, slot = NULL, ended_at = ?, prune_at = ? + retain_ms
 WHERE id = ?`;
const setResumed = `
UPDATE makegood_execution SET status = 'ready', wake_at = ?, crash_count = 0, crash_seq = -1 WHERE id = ?`;
const setSettled = `
UPDATE makegood_execution
   SET status = ?, reason = 'settled', worker = NULL, wake_at = NULL, slot = NULL, ended_at = ?, prune_at = ? + retain_ms
 WHERE id = ?`;

// Served by the primary keys. Attempts of settled steps no longer matter, and history keeps them as they were.
const discountAttempts = `
UPDATE makegood_attempt SET is_counted = 0
 WHERE execution_id = ?
   AND NOT EXISTS (SELECT 1 FROM makegood_journal AS j
                    WHERE j.execution_id = makegood_attempt.execution_id AND j.step = makegood_attempt.step AND j.role = makegood_attempt.role)`;

// Served by the primary keys. A person's word replaces what the decision had written; what was undone is in the journal.
const settleOutcome = `
INSERT INTO makegood_outcome (execution_id, result, error, undone_count)
SELECT ?, ?, ?, count(*) FROM makegood_journal WHERE execution_id = ? AND role IN ('compensation', 'cancel') AND state = 'done'
    ON CONFLICT (execution_id) DO UPDATE SET result = excluded.result, error = excluded.error, undone_count = excluded.undone_count`;
