// The fence of a write as the numbers that the flush compares in SQL.
import { type Phase, phases, type TransitionName, transitions } from "../../core/execution.ts";
import type { Write } from "../../core/store.ts";
import { admitsPhase } from "../server/fence.ts";

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
