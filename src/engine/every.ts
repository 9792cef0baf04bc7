import { isPassing } from "../core/errors.ts";
import { Pause } from "../core/pause.ts";
import type { Env } from "./env.ts";

/** How a background loop tells of a failure: what passes by itself is hardly news. */
export function complain({ log }: Pick<Env, "log">, error: unknown, message: string): void {
  if (isPassing(error)) log.debug({ err: error }, message);
  else log.error({ err: error }, message);
}

/**
 * Takes turns until the signal aborts: the first in `firstInMs`, the others `ms` apart, give or take a tenth. One that fails is
 * told, and the next one comes.
 */
export async function every(
  env: Pick<Env, "clock" | "random" | "log">,
  signal: AbortSignal,
  ms: number,
  turn: () => Promise<void>,
  firstInMs = 0,
): Promise<void> {
  const pause = new Pause(env.clock);
  if (firstInMs > 0) await pause.take(firstInMs, signal);
  while (!signal.aborted) {
    try {
      await turn();
    } catch (error) {
      complain(env, error, "a background turn failed; it will be tried again");
    }
    await pause.take(ms * (0.9 + env.random.next() / 5), signal);
  }
}
