// The fence of a write, from core's table of transitions, as a function of a locked guard row. Nothing here repeats the table.
import {
  allows,
  type GuardState,
  isTerminal,
  type Phase,
  type Reason,
  type Status,
  type TransitionRule,
  terminalStatuses,
  transitions,
} from "../../core/execution.ts";
import type { Write, WriteOutcome } from "../../core/store.ts";

export interface Guard extends GuardState {
  readonly token: number;
  readonly cancel: Reason | null;
}

export const ruleOf = (write: Write): TransitionRule | undefined =>
  write.transition === undefined ? undefined : transitions[write.transition.name];

/** Whether all of `write` may land on this guard row. */
export function admits(write: Write, guard: Guard): boolean {
  return (
    guard.token === write.lease.token &&
    guard.status === "running" &&
    admitsPhase(write.direction, guard.phase) &&
    (write.seenInbox === undefined || write.seenInbox === guard.inbox) &&
    (write.transition === undefined || allows(write.transition.name, guard, write.seenInbox))
  );
}

export const admitsPhase = (direction: Write["direction"], phase: Phase): boolean =>
  direction === "any" || (direction === "back") === (phase === "back");

/**
 * What a write that did not land is told, by a guard row read afterwards. `hasLanded`: its rows are there under its token,
 * so that an earlier sending of the same write did.
 */
export function outcomeOf(write: Write, guard: Guard | undefined, hasLanded: boolean): WriteOutcome {
  if (guard === undefined || guard.token !== write.lease.token) return { kind: "lost" };
  if (hasLanded || hasMoved(write, guard)) return { kind: "done", children: [] };
  if (guard.status !== "running") return { kind: "lost" };
  if (admits(write, guard)) return { kind: "busy" };
  return { kind: "refused", phase: guard.phase, cancel: guard.cancel, inbox: guard.inbox };
}

/** For a write without rows of its own: the guard row itself shows that the transition landed. */
function hasMoved(write: Write, guard: Guard): boolean {
  const rule = ruleOf(write);
  if (rule === undefined || hasRows(write)) return false;
  if (rule.status === null) return guard.phase === rule.phase;
  // A rest (waiting, parked, ready) may have ended since; only my own write can have begun it under my token.
  return isTerminal(rule.status) ? guard.status === rule.status : guard.status !== "running";
}

export const hasRows = (write: Write): boolean => (write.records?.length ?? 0) + (write.attempts?.length ?? 0) > 0;

// ── As lists ───────────────────────────────────────────────────────────────────────────────────────────────────────

const quoted = (values: readonly string[]): string => values.map((value) => `'${value}'`).join(", ");
export const terminalSql: string = quoted(terminalStatuses);
/** Ended without success: what a restart may replace. */
export const unsuccessful: readonly Status[] = terminalStatuses.filter((status) => status !== "completed");
export const unsuccessfulSql: string = quoted(unsuccessful);
export const unfinishedSql: string = quoted(transitions.cancel.from);
