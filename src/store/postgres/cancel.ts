// Cancel, with the children: a command of people's and of the overall timeout, and what `replace-running` does to the holder.
import { allows, type GuardState, type Phase, type Reason, type Status } from "../../core/execution.ts";
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import type { CommandOutcome } from "../../core/store.ts";
import { unfinishedSql } from "../server/fence.ts";
import { int, text, textArray, textOrNull } from "./values.ts";

/** Deeper trees than this are a mistake; what lies below is canceled by its own parent when that turns back. */
const maxDepth = 64;

/**
 * Locks guard rows from the top down. A repeat is accepted and changes nothing for those who were told and are awake; one
 * that came to rest since is woken once more. Children are canceled for the reason `canceled`: they did not time out
 * themselves. It does not pass through a child that may not be canceled: that goes on to its end, and needs its own children.
 */
export function* cancelTree(id: string, reason: Reason, actor: Actor, note: string | null): Script<CommandOutcome> {
  const guard = yield* lockGuard(id);
  if (guard === undefined) return { kind: "unknown-execution" };
  const { status, phase } = guard;
  if (!allows("cancel", guard)) return { kind: "refused", status, phase };
  if (!hasBeenTold(guard)) yield* cancelAll([id], reason, actor, note);
  let level: readonly string[] = [id];
  for (let depth = 0; depth < maxDepth && level.length > 0; depth++) {
    const children = yield* lockChildren(level);
    const untold = children.filter((child) => !hasBeenTold(child)).map((child) => child.id);
    if (untold.length > 0) yield* cancelAll(untold, "canceled", actor, note);
    level = children.map((child) => child.id);
  }
  return { kind: "accepted", status: status === "running" ? status : "ready", phase };
}

const hasBeenTold = ({ isCanceled, status }: Pick<GuardState, "isCanceled" | "status">): boolean =>
  isCanceled && (status === "ready" || status === "running");

export interface LockedGuard extends GuardState {
  readonly token: number;
  readonly parent: string | null;
}

/** Primary key of execution; waits for whoever holds the row, and sees what he committed. */
export function* lockGuard(id: string): Script<LockedGuard | undefined> {
  const [row] = yield {
    sql: `
      SELECT e.status, e.phase, e.cancel, e.inbox, e.token, e.parent::text AS parent
        FROM makegood.execution e WHERE e.id = $1::uuid
         FOR NO KEY UPDATE`,
    parameters: [id],
  };
  if (row === undefined) return undefined;
  return {
    status: text<Status>(row.status),
    phase: text<Phase>(row.phase),
    isCanceled: textOrNull(row.cancel) !== null,
    inbox: int(row.inbox),
    token: int(row.token),
    parent: textOrNull(row.parent),
  };
}

interface Child extends Pick<GuardState, "isCanceled" | "status"> {
  readonly id: string;
}

/** Index execution_child. Those that may be canceled, or were. */
function* lockChildren(parents: readonly string[]): Script<readonly Child[]> {
  const rows = yield {
    sql: `
      SELECT e.id::text AS id, e.status, e.cancel FROM makegood.execution e
       WHERE e.parent = ANY($1::uuid[]) AND e.status IN (${unfinishedSql}) AND e.phase = 'open'
       ORDER BY e.id
         FOR NO KEY UPDATE`,
    parameters: [textArray(parents)],
  };
  return rows.map((row) => ({
    id: text(row.id),
    status: text<Status>(row.status),
    isCanceled: textOrNull(row.cancel) !== null,
  }));
}

/**
 * Of rows that are locked. Whoever rests becomes ready, to end itself as canceled; for that it needs no slot, so one that
 * waited for its slot gives up its place in line. An incident of a parked one is closed.
 */
function* cancelAll(ids: readonly string[], reason: Reason, actor: Actor, note: string | null): Script<void> {
  const list = textArray(ids);
  yield {
    sql: `
      UPDATE makegood.execution e
         SET cancel = COALESCE(e.cancel, $2::text), inbox = e.inbox + 1,
             slot = CASE WHEN e.slot = 'wanted' THEN NULL ELSE e.slot END,
             status = CASE WHEN e.status IN ('waiting', 'parked') THEN 'ready' ELSE e.status END,
             wake_at = CASE WHEN e.status IN ('waiting', 'parked') THEN makegood.now_ms() ELSE e.wake_at END
       WHERE e.id = ANY($1::uuid[])`,
    parameters: [list, reason],
  };
  yield* closeIncidents(list, actor);
  yield* audit(list, "cancel", actor, note);
}

/** Index incident_execution. `list`: array text of ids. */
export function* closeIncidents(list: string, actor: Actor): Script<void> {
  yield {
    sql: `UPDATE makegood.incident SET closed_at = makegood.now_ms(), closed_by = $2::text WHERE execution_id = ANY($1::uuid[]) AND closed_at IS NULL`,
    parameters: [list, actorName(actor)],
  };
}

export function* audit(list: string, verb: string, actor: Actor, note: string | null): Script<void> {
  yield {
    sql: `
      INSERT INTO makegood.audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at)
      SELECT makegood.new_id(), e.namespace, e.id, $2::text, $3::text, $4::text, $5::text, makegood.now_ms()
        FROM makegood.execution e WHERE e.id = ANY($1::uuid[])`,
    parameters: [list, verb, actor.kind, actor.id, note],
  };
}

export const actorName = (actor: Actor): string => `${actor.kind}:${actor.id}`;
