// From samples to figures: medians with min and max, ratios run by run, costs per unit.
import { median } from "./measure.ts";
import type { Taken } from "./sample.ts";
import type { Case } from "./suites/suite.ts";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Figures extends Spread {
  /** Units a second for a rate, ms otherwise; by run, null where the run failed. */
  readonly runs: readonly (number | null)[];
  /** Of a latency; null otherwise. */
  readonly p99: number | null;
  readonly count: number;
  readonly commitsPerUnit: number | null;
  readonly roundTripsPerUnit: number | null;
  /** Of one processor. */
  readonly nodeCpuPercent: number | null;
  readonly serverCpuPercent: number | null;
  readonly maxRssMb: number;
}

/** By run; null where it failed. Null when none is left. */
export function figuresOf(kind: Case["kind"], runs: readonly (Taken | null)[]): Figures | null {
  const taken = runs.filter((it) => it !== null);
  const [first] = taken;
  if (first === undefined) return null;
  const values = runs.map((it) => (it === null ? null : figureOf(kind, it)));
  return {
    ...spreadOf(values.filter((it) => it !== null)),
    runs: values,
    p99:
      kind === "latency"
        ? medianOf(taken.map(({ sample }) => (sample.kind === "latency" ? sample.p99Ms : null)))
        : null,
    count: first.sample.count,
    commitsPerUnit: medianOf(taken.map((it) => perUnit(it, it.readings?.commits))),
    // None at all: the contender asks from another process than the one whose socket is watched.
    roundTripsPerUnit: medianOf(taken.map((it) => perUnit(it, it.readings?.roundTrips || null))),
    nodeCpuPercent: medianOf(taken.map((it) => percent(it, it.sample.kind === "rate" ? it.sample.cpuMs : null))),
    serverCpuPercent: medianOf(taken.map((it) => percent(it, it.readings?.serverCpuMs))),
    maxRssMb: Math.max(...taken.map(({ maxRssMb }) => maxRssMb)),
  };
}

function figureOf(kind: Case["kind"], { sample }: Taken): number {
  if (sample.kind === "latency") return sample.p50Ms;
  return kind === "rate" ? sample.count / sample.seconds : sample.seconds * 1_000;
}

/** Of ours to another's, run by run; null where no run has both. */
export function ratioOf(ours: Figures, other: Figures): Spread | null {
  const ratios = ours.runs.flatMap((mine, run) => {
    const theirs = other.runs[run] ?? null;
    return mine === null || theirs === null ? [] : [mine / theirs];
  });
  return ratios.length === 0 ? null : spreadOf(ratios);
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

function medianOf(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((it) => it !== null && it !== undefined);
  return known.length === 0 ? null : median(known);
}

function perUnit({ sample }: Taken, total: number | null | undefined): number | null {
  return total === null || total === undefined ? null : total / sample.count;
}

function percent({ sample }: Taken, cpuMs: number | null | undefined): number | null {
  if (sample.kind !== "rate" || cpuMs === null || cpuMs === undefined) return null;
  return cpuMs / (sample.seconds * 10);
}
