export interface KillPlanOptions {
  readonly kills: number;
  /** Movements in the whole run, those of compensation included. */
  readonly movementCount: number;
  /** Whether the participants work at several movements at a time (a server), or at one (files). */
  readonly isParallel: boolean;
}

export interface KillPlan {
  /** For each kill: how many movements have begun when it strikes. Rising, evenly spread, within 1 … movementCount. */
  readonly strikes: readonly number[];
  /** Executions at a time for the worker. */
  readonly concurrency: number;
  /** How long each movement is made to take. */
  readonly paceMs: number;
}

const maxConcurrency = 64;
const maxPaceMs = 20;
/** With so many movements between two kills, the worker cannot be through with them before the kill reaches it. */
const ampleMovements = 100;

/**
 * Where the kills strike, and what makes sure that each of them finds work to interrupt. Where there are many kills for
 * little work, the movements are slowed, and fewer executions run at a time, so that all of them get on between two kills.
 */
export function planKills({ kills, movementCount, isParallel }: KillPlanOptions): KillPlan {
  if (kills === 0 || movementCount === 0) return { strikes: [], concurrency: maxConcurrency, paceMs: 0 };
  const apart = movementCount / (kills + 1);
  const strikes = Array.from({ length: kills }, (_, index) =>
    between(1, Math.round(apart * (index + 1)), movementCount),
  );
  const isAmple = apart >= ampleMovements;
  const serialPaceMs = between(1, Math.ceil(ampleMovements / apart), maxPaceMs);
  return {
    strikes,
    concurrency: between(1, Math.floor(apart / 3), maxConcurrency),
    paceMs: isAmple ? 0 : isParallel ? maxPaceMs : serialPaceMs,
  };
}

function between(min: number, value: number, max: number): number {
  return Math.max(min, Math.min(value, max));
}
