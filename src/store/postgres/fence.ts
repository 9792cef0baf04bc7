// The fence of a write, from core's table of transitions: once as a function of a locked guard row, once as the numbers that
// the flush compares in SQL. Nothing here repeats the table.
import {
  allows,
  type GuardState,
  isTerminal,
  type Phase,
  phases,
  type Reason,
  type Status,
  type TransitionName,
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

const admitsPhase = (direction: Write["direction"], phase: Phase): boolean =>
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

// ── In numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────

const bitOf = (phase: Phase): number => 1 << phases.indexOf(phase);

const bitsOf = (some: readonly Phase[]): number => some.reduce((bits, phase) => bits | bitOf(phase), 0);
const directionBits = Object.fromEntries(
  (["forward", "back", "any"] as const).map((direction) => [
    direction,
    bitsOf(phases.filter((phase) => admitsPhase(direction, phase))),
  ]),
) as Record<Write["direction"], number>;
const ruleBits = Object.fromEntries(
  Object.entries(transitions).map(([name, rule]) => [name, bitsOf(rule.phases)]),
) as Record<TransitionName, number>;

/** The phases that admit `write`, as bits. */
export function phaseBits({ direction, transition }: Write): number {
  return directionBits[direction] & (transition === undefined ? directionBits.any : ruleBits[transition.name]);
}

/**
 * The phase of guard row `e` as a bit, 0 if it is not running. Not `status = 'running'` as a condition of its own: the
 * planner would take the index of running rows for it, which is small when it looks and large when it matters.
 */
export const phaseBitSql: string = `CASE WHEN e.status <> 'running' THEN 0 ${phases
  .map((phase) => `WHEN e.phase = '${phase}' THEN ${bitOf(phase)}`)
  .join(" ")} ELSE 0 END`;

const quoted = (values: readonly string[]): string => values.map((value) => `'${value}'`).join(", ");
export const terminalSql: string = quoted(terminalStatuses);
/** Ended without success: what a restart may replace. */
export const unsuccessfulSql: string = quoted(terminalStatuses.filter((status: Status) => status !== "completed"));
export const unfinishedSql: string = quoted(transitions.cancel.from);
