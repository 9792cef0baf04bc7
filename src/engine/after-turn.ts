import type { Clock } from "../core/ports.ts";

/**
 * Runs what it is given once everybody has heard of the promises that are settled now, and of those that they settle in
 * turn. What is given in one turn of the event loop shares one wake-up.
 */
export function createAfterTurn(clock: Pick<Clock, "soon">): (run: () => void) => void {
  let waiting: (() => void)[] = [];
  return (run) => {
    if (waiting.push(run) > 1) return;
    clock.soon(() => {
      const turn = waiting;
      waiting = [];
      for (const one of turn) one();
    });
  };
}
