// The stopwatch that all contenders share: units of work at a given width, and what they cost this process.
import type { Meter, Sample } from "./contender.ts";

/** Runs `work`, which does `count` units, and tells how many that is a second. */
export async function measureRate(count: number, work: () => Promise<void>, meter?: Meter): Promise<Sample> {
  await meter?.begin();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await meter?.end();
  return { kind: "rate", count, seconds, cpuMs: (user + system) / 1_000 };
}

/** Runs `unit` one after another; it returns how long it took in ms where that is not simply its own duration. */
export async function measureLatency(
  count: number,
  // biome-ignore lint/suspicious/noConfusingVoidType: a unit that is timed from outside returns nothing
  unit: (n: number) => Promise<number | void>,
  meter?: Meter,
): Promise<Sample> {
  const took: number[] = [];
  await meter?.begin();
  for (let n = 0; n < count; n++) {
    const startedAt = performance.now();
    const own = await unit(n);
    took.push(own ?? performance.now() - startedAt);
  }
  await meter?.end();
  return { kind: "latency", p50Ms: quantile(took, 0.5), p99Ms: quantile(took, 0.99), count };
}

/** Does `total` units, `width` of them at any time. */
export async function keepInFlight(width: number, total: number, unit: (n: number) => Promise<unknown>): Promise<void> {
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < total) await unit(begun++);
  };
  await Promise.all(Array.from({ length: Math.min(width, total) }, lane));
}

/** Nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
};
