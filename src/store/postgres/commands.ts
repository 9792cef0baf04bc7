// Commands from outside. Each is one transaction with its audit row; a refused one leaves nothing.
import { allows, type Phase, type Status, type TransitionName } from "../../core/execution.ts";
import { isUuid } from "../../core/ids.ts";
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import type { CommandOutcome, CommandStore } from "../../core/store.ts";
import { terminalSql } from "../server/fence.ts";
import type { SlotName } from "../server/land-writes.ts";
import { actorName, audit, cancelTree, closeIncidents, type LockedGuard, lockGuard } from "./cancel.ts";
import type { Connections } from "./connection.ts";
import { handOver, lockSlotsOf } from "./slots.ts";
import { int, text, textArray, textOrNull } from "./values.ts";
import { wakeParents, wakesSql } from "./wake.ts";

type Command<K extends keyof CommandStore> = Parameters<CommandStore[K]>[0];

const unknown = { kind: "unknown-execution" } as const;

export function commandStore(connections: Connections): CommandStore {
  const run = async <T>(id: string, script: () => Script<T>) =>
    isUuid(id) ? connections.transaction(script) : unknown;
  return {
    signal: (command) => (isUuid(command.id) ? signal(connections, command) : Promise.resolve(unknown)),
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

// One statement. The guard row is locked first, so that of two signals with one id the later waits, then sees the earlier:
// ON CONFLICT sees it where the snapshot does not. `seq` is the inbox that this signal raises the guard row to.
const signalSql = `
WITH guard AS MATERIALIZED (
  SELECT e.id, e.namespace, e.status, e.phase, e.inbox, ${wakesSql} AS wakes FROM makegood.execution e WHERE e.id = $1::uuid
     FOR NO KEY UPDATE),
kept AS (
  INSERT INTO makegood.signal (execution_id, signal_id, name, payload, seq, at)
  SELECT g.id, $2::text, $3::text, $4::bytea, g.inbox + 1, makegood.now_ms() FROM guard g WHERE g.status NOT IN (${terminalSql})
  ON CONFLICT (execution_id, signal_id) DO NOTHING
  RETURNING execution_id),
told AS (
  UPDATE makegood.execution e
     SET inbox = e.inbox + 1,
         status = CASE WHEN g.wakes THEN 'ready' ELSE e.status END,
         wake_at = CASE WHEN g.wakes THEN makegood.now_ms() ELSE e.wake_at END
    FROM guard g
   WHERE e.id = g.id AND EXISTS (SELECT FROM kept)),
audited AS (
  INSERT INTO makegood.audit (id, namespace, execution_id, verb, actor_kind, actor_id, at)
  SELECT makegood.new_id(), g.namespace, g.id, 'signal', $5::text, $6::text, makegood.now_ms() FROM guard g WHERE EXISTS (SELECT FROM kept))
SELECT CASE WHEN g.wakes THEN 'ready' ELSE g.status END AS status, g.phase, (SELECT count(*) FROM kept) AS kept_count FROM guard g`;

const findSignalSql = `SELECT 1 AS found FROM makegood.signal s WHERE s.execution_id = $1::uuid AND s.signal_id = $2::text`;

async function signal(connections: Connections, command: Command<"signal">): ReturnType<CommandStore["signal"]> {
  const { id, signalId, name, payload, actor } = command;
  const [row] = await connections.write({
    sql: signalSql,
    parameters: [id, signalId, name, payload, actor.kind, actor.id],
  });
  if (row === undefined) return unknown;
  const state = { status: text<Status>(row.status), phase: text<Phase>(row.phase) };
  if (int(row.kept_count) === 1) return { kind: "accepted", ...state };
  // In a statement of its own: the one above may have waited, and then looks with an old snapshot.
  const found = await connections.read({ sql: findSignalSql, parameters: [id, signalId] });
  return found.length > 0 ? { kind: "duplicate" } : { kind: "refused", ...state };
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
    sql: `SELECT e.parent::text AS parent FROM makegood.execution e WHERE e.id = $1::uuid`,
    parameters: [id],
  };
  const parent = textOrNull(row?.parent);
  if (parent !== null) yield* lockGuard(parent);
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase } = guard;
  if (!allows(name, guard)) return { kind: "refused", status, phase };
  yield* closeIncidents(textArray([id]), actor);
  const ended = yield* apply(guard);
  if (held.size > 0) yield* handOver(held, yield* waitForNext(held));
  yield* wakeParents([parent]);
  return { kind: "accepted", status: ended, phase };
}

/** As lockNext, but waits for a row that another holds: people do not send again. Index execution_blocked. */
function* waitForNext(held: ReadonlyMap<string, SlotName>): Script<ReadonlyMap<string, string | null>> {
  const next = new Map<string, string | null>();
  for (const [holder, { namespace, job, concurrencyKey }] of held) {
    const [row] = yield {
      sql: `
        SELECT e.id::text AS id FROM makegood.execution e
         WHERE e.namespace = $1::text AND e.job = $2::text AND e.concurrency_key = $3::text
           AND e.slot = 'wanted' AND e.status = 'waiting' AND e.wake_at IS NULL
         ORDER BY e.priority, e.id LIMIT 1
           FOR NO KEY UPDATE`,
      parameters: [namespace, job, concurrencyKey],
    };
    next.set(holder, textOrNull(row?.id));
  }
  return next;
}

const endSql = `
UPDATE makegood.execution e
   SET status = $2::text, token = e.token + $3::integer, reason = COALESCE($4::text, e.reason), worker = NULL, wake_at = NULL, slot = NULL,
       ended_at = c.now, prune_at = c.now + e.retain_ms
  FROM (SELECT makegood.now_ms() AS now OFFSET 0) c
 WHERE e.id = $1::uuid`;

function* kill({ id, actor, note }: Command<"kill">): Script<Status> {
  yield { sql: endSql, parameters: [id, "killed", 1, null] };
  yield {
    sql: `
      INSERT INTO makegood.incident (id, namespace, execution_id, code, opened_at)
      SELECT makegood.new_id(), e.namespace, e.id, 'KILLED', makegood.now_ms() FROM makegood.execution e WHERE e.id = $1::uuid`,
    parameters: [id],
  };
  yield* audit(textArray([id]), "kill", actor, note);
  return "killed";
}

function* settle({ id, as, result, error, actor, note }: Command<"settle">): Script<Status> {
  yield { sql: endSql, parameters: [id, as, 0, "settled"] };
  // A person's word replaces what the decision to confirm had written. What was undone before is still counted.
  yield {
    sql: `
      UPDATE makegood.execution e
         SET result = $2::bytea, error = $3::bytea,
             undone_count = (SELECT count(*) FROM makegood.journal j
                              WHERE j.execution_id = e.id AND j.role IN ('compensation', 'cancel') AND j.state = 'done')
       WHERE e.id = $1::uuid`,
    parameters: [id, result, error],
  };
  yield* audit(textArray([id]), "settle", actor, note);
  return as;
}

function* resume({ id, resetAttempts, actor, note }: Command<"resume">): Script<CommandOutcome> {
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase } = guard;
  if (!allows("resume", guard)) return { kind: "refused", status, phase };
  yield {
    sql: `
      UPDATE makegood.execution e SET status = 'ready', wake_at = makegood.now_ms(), crash_count = 0, crash_seq = -1 WHERE e.id = $1::uuid`,
    parameters: [id],
  };
  // Primary key of attempt. Kept for history, no longer counted.
  if (resetAttempts)
    yield {
      sql: `UPDATE makegood.attempt SET is_counted = false WHERE execution_id = $1::uuid AND is_counted`,
      parameters: [id],
    };
  yield* closeIncidents(textArray([id]), actor);
  yield* audit(textArray([id]), resetAttempts ? "retry" : "resume", actor, note);
  return { kind: "accepted", status: "ready", phase };
}

/** Parked executions have no owner, so under the guard row's lock nobody else writes the journal. */
function* settleStep({ id, row, actor, note }: Command<"settleStep">): Script<CommandOutcome> {
  const guard = yield* lockGuard(id);
  if (guard === undefined) return unknown;
  const { status, phase, token } = guard;
  const refused = { kind: "refused", status, phase } as const;
  if (status !== "parked") return refused;
  const written = yield {
    sql: `
      INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
      SELECT $1::uuid, $2::text, $3::text, $4::text, COALESCE(max(j.seq), 0) + 1, COALESCE($5::integer, COALESCE(max(j.started), 0) + 1),
             $6::integer, $7::text, $8::bytea, makegood.now_ms(), $9::integer, $10::text
        FROM makegood.journal j WHERE j.execution_id = $1::uuid
      ON CONFLICT (execution_id, step, role) DO NOTHING
      RETURNING seq`,
    parameters: [
      id,
      row.step,
      row.role,
      row.kind,
      row.started,
      row.attempt,
      row.state,
      row.body,
      token,
      actorName(actor),
    ],
  };
  if (written.length === 0) return refused;
  yield* audit(textArray([id]), "settle-step", actor, note);
  return { kind: "accepted", status, phase };
}
