import { isPassing } from "../core/errors.ts";
import type { Run } from "./run.ts";

const persistPauseMs = 50;
const maxPersistPauseMs = 2_000;

/** Repeats a question to the store while it is away. Undefined when the run ended meanwhile. */
export async function persist<T>(run: Run, ask: () => Promise<T>): Promise<T | undefined> {
  for (let pauseMs = persistPauseMs; !run.isDead; pauseMs = Math.min(maxPersistPauseMs, pauseMs * 2)) {
    try {
      const answer = await ask();
      return run.isDead ? undefined : answer;
    } catch (error) {
      if (!isPassing(error)) throw error;
      await new Promise<void>((resolve) => void run.env.clock.after(pauseMs, resolve));
    }
  }
  return undefined;
}
