// Patience with a store that is away: questions that may be asked again are.
import { isPassing } from "../core/errors.ts";
import type { Env } from "./env.ts";
import type { Run } from "./run.ts";

const firstPauseMs = 20;
const maxPauseMs = 1_000;

/** Repeats a question while the store is away, as long as `mayGoOn`; then rejects with what the store said last. */
export async function insist<T>(
  { clock, random }: Pick<Env, "clock" | "random">,
  ask: () => Promise<T>,
  mayGoOn: () => boolean,
): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    try {
      return await ask();
    } catch (error) {
      if (!isPassing(error) || !mayGoOn()) throw error;
      await new Promise<void>((resolve) => void clock.after(pauseMs * (0.5 + random.next()), resolve));
    }
  }
}

/** Repeats a question while the store is away. Undefined when the run ended meanwhile. */
export async function persist<T>(run: Run, ask: () => Promise<T>): Promise<T | undefined> {
  if (run.isDead) return undefined;
  try {
    const answer = await insist(run.env, ask, () => !run.isDead);
    return run.isDead ? undefined : answer;
  } catch (error) {
    if (run.isDead && isPassing(error)) return undefined;
    throw error;
  }
}
