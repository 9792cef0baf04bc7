// Cancel, with the children: a command of people's and of the overall timeout, and what `replace-running` does to the holder.
import { allows, type GuardState, type Phase, type Reason, type Status } from "../../core/execution.ts";
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import type { CommandOutcome } from "../../core/store.ts";
import { unfinishedSql } from "../server/fence.ts";
import { newRowId, nowSql } from "./clock.ts";
import {
  bytesOf,
  hexOf,
  idBytes,
  idList,
  idOf,
  idOrNull,
  idTable,
  int,
  list,
  listTable,
  text,
  textOrNull,
} from "./values.ts";

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
  const [row] = yield { sql: lockGuardSql, parameters: [idBytes(id)] };
  if (row === undefined) return undefined;
  return {
    status: text<Status>(row.status),
    phase: text<Phase>(row.phase),
    isCanceled: textOrNull(row.cancel) !== null,
    inbox: int(row.inbox),
    token: int(row.token),
    parent: idOrNull(row.parent),
  };
}

export const lockGuardSql = `
  SELECT e.status, e.phase, e.cancel, e.inbox, e.token, HEX(e.parent) AS parent
    FROM makegood_execution e WHERE e.id = ?
     FOR UPDATE`;

interface Child extends Pick<GuardState, "isCanceled" | "status"> {
  readonly id: string;
}

/** Index execution_child; in order of id, parent by parent. Those that may be canceled, or were. */
export const lockChildrenSql = `
  SELECT HEX(e.id) AS id, e.status, e.cancel
    FROM ${idTable}
   STRAIGHT_JOIN makegood_execution e FORCE INDEX (execution_child) ON e.parent = UNHEX(j.id)
   WHERE e.status IN (${unfinishedSql}) AND e.phase = 'open'
     FOR UPDATE`;

function* lockChildren(parents: readonly string[]): Script<readonly Child[]> {
  const rows = yield { sql: lockChildrenSql, parameters: [idList([...parents].sort())] };
  return rows.map((row) => ({
    id: idOf(row.id),
    status: text<Status>(row.status),
    isCanceled: textOrNull(row.cancel) !== null,
  }));
}

/**
 * Of rows that are locked. Whoever rests becomes ready, to end itself as canceled; for that it needs no slot, so one that
 * waited for its slot gives up its place in line. An incident of a parked one is closed.
 */
function* cancelAll(ids: readonly string[], reason: Reason, actor: Actor, note: string | null): Script<void> {
  // MySQL assigns from left to right, so the status comes last.
  yield {
    sql: `
      UPDATE ${idTable}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
         SET e.cancel = COALESCE(e.cancel, ?), e.inbox = e.inbox + 1,
             e.slot = IF(e.slot = 'wanted', NULL, e.slot),
             e.wake_at = IF(e.status IN ('waiting', 'parked'), ${nowSql}, e.wake_at),
             e.status = IF(e.status IN ('waiting', 'parked'), 'ready', e.status)`,
    parameters: [idList(ids), reason],
  };
  yield* closeIncidents(ids, actor);
  yield* audit(ids, "cancel", actor, note);
}

/** Index incident_execution. */
export const closeIncidentsSql = `
  UPDATE ${idTable}
   STRAIGHT_JOIN makegood_incident i FORCE INDEX (incident_execution) ON i.execution_id = UNHEX(j.id)
     SET i.closed_at = ${nowSql}, i.closed_by = ?
   WHERE i.closed_at IS NULL`;

export function* closeIncidents(ids: readonly string[], actor: Actor): Script<void> {
  yield { sql: closeIncidentsSql, parameters: [idList(ids), bytesOf(actorName(actor))] };
}

export function* audit(ids: readonly string[], verb: string, actor: Actor, note: string | null): Script<void> {
  yield {
    sql: `
      INSERT INTO makegood_audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at)
      SELECT UNHEX(j.row_id), e.namespace, e.id, ?, ?, ?, ?, ${nowSql}
        FROM ${listTable(["id", "id"], ["row_id", "id"])}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`,
    parameters: [
      ...[bytesOf(verb), bytesOf(actor.kind), bytesOf(actor.id), note === null ? null : bytesOf(note)],
      list(ids.map((id) => [hexOf(id), newRowId().toString("hex")])),
    ],
  };
}

export const actorName = (actor: Actor): string => `${actor.kind}:${actor.id}`;
