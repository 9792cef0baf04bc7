// What the peers' files share: the warm-up, counting completions, idle pick-ups, checks, versions.
import { readFileSync } from "node:fs";
import type { CaseOptions, Meter, Sample } from "../contender.ts";
import { keepInFlight, measureLatency, measureRate } from "../measure.ts";

export const inFlight = { one: 1, enqueue: 64, workflows: 256 } as const;

/** Counts completions, and settles at the last. */
export interface Countdown {
  readonly tick: () => void;
  readonly over: Promise<void>;
}

export function countdown(total: number): Countdown {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = total;
  if (left === 0) resolve();
  const tick = (): void => {
    left -= 1;
    if (left === 0) resolve();
  };
  return { tick, over: promise };
}

/** The rate of `unit` with `width` of them under way, after the warm-up. */
export async function rateAt(
  width: number,
  { count, warmUp }: CaseOptions,
  meter: Meter | undefined,
  unit: (n: number) => Promise<unknown>,
): Promise<Sample> {
  await keepInFlight(width, warmUp, unit);
  return measureRate(count, () => keepInFlight(width, count, (n) => unit(warmUp + n)), meter);
}

/** How long `unit` takes, one at a time, after the warm-up. */
export async function latencyAlone(
  { count, warmUp }: CaseOptions,
  meter: Meter | undefined,
  unit: (n: number) => Promise<unknown>,
): Promise<Sample> {
  await keepInFlight(inFlight.one, warmUp, unit);
  return measureLatency(
    count,
    async (n) => {
      await unit(warmUp + n);
    },
    meter,
  );
}

/** The time from asking for a job at an idle worker until its handler is entered. */
export interface PickUps {
  /** For the handler to call first. */
  readonly entered: () => void;
  /**
   * `pollMs`, 0 by default, is the longest interval at which the peer looks for work; 0 if it is told. The pauses before
   * the jobs, `idleMs` at least, are spread over it, so that they come at every phase of it: a fixed pause would always
   * meet the same.
   */
  readonly measure: (
    options: CaseOptions,
    meter: Meter | undefined,
    enqueue: () => Promise<unknown>,
    pollMs?: number,
  ) => Promise<Sample>;
}

/** As for makegood. */
const idleMs = 50;

export function pickUps(): PickUps {
  let entered = (): void => undefined;
  const once = async (enqueue: () => Promise<unknown>): Promise<number> => {
    const handler = Promise.withResolvers<number>();
    const askedAt = performance.now();
    entered = () => handler.resolve(performance.now() - askedAt);
    const [timeMs] = await Promise.all([handler.promise, enqueue()]);
    return timeMs;
  };
  return {
    entered: () => entered(),
    measure: async ({ count, warmUp }, meter, enqueue, pollMs = 0) => {
      const unit = async (n: number): Promise<number> => {
        await pause(idleMs + Math.max(idleMs, pollMs) * phaseOf(n));
        return once(enqueue);
      };
      await keepInFlight(inFlight.one, warmUp, unit);
      return measureLatency(count, unit, meter);
    },
  };
}

/** Evenly spread over 0 to 1 at every length (golden ratio sequence), and the same in every run. */
function phaseOf(index: number): number {
  return (index * 0.618_033_988_749_894_9) % 1;
}

export function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

/** Asks every few milliseconds until it is so; gives up after five minutes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const patienceMs = 300_000;
  const restMs = 3;
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > patienceMs) throw new Error(`Expected ${what} within ${patienceMs} ms.`);
    await pause(restMs);
  }
}

/** So many at most: for a peer or a setting with which the full number would take minutes. */
export function atMost(options: CaseOptions, limit: number): CaseOptions {
  return { count: Math.min(options.count, limit), warmUp: Math.min(options.warmUp, Math.ceil(limit / 5)) };
}

/** As installed, by package name. */
export function versionsOf(...folders: readonly string[]): Record<string, string> {
  return Object.fromEntries(folders.map(nameAndVersion));
}

/** A package's folder has another name than the package where two versions of it are installed. */
function nameAndVersion(folder: string): readonly [string, string] {
  const manifest = readFileSync(new URL(`../node_modules/${folder}/package.json`, import.meta.url), "utf8");
  const { name, version } = JSON.parse(manifest) as { readonly name: string; readonly version: string };
  return [name, version];
}
