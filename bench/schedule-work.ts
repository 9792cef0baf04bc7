// What the suite `schedules` asks of everybody who fires: a backlog, a steady stream, and many at one minute. How schedules are
// made, and when a fire counts, is each one's own; see `ScheduleBench`.
import { expectEqual, WrongResultError } from "./check.ts";
import type { CaseOptions, Contender, Meter, Place, RunCase, Sample } from "./contender.ts";
import { measureRate, quantile } from "./measure.ts";

export const [hourMs, dayMs] = [3_600_000, 86_400_000];
const secondMs = 1_000;
const minuteMs = 60_000;

/** In epoch milliseconds. `firedAt`: its job was inserted, or its handler entered, as the case says. */
export interface Fire {
  readonly plannedAt: number;
  readonly firedAt: number;
}

/** A scheduler at a fresh place. What it cannot do is absent. */
export interface ScheduleBench {
  /** Schedules that are not due within the hour. */
  addIdle(count: number): Promise<void>;
  /** Schedules of which each is due once while the sample lasts, and is due when this has settled. */
  addDue?(count: number): Promise<void>;
  /** Schedules that are due once a second from `firstAt` on, spread evenly over it. */
  addEachSecond?(count: number, firstAt: number): Promise<void>;
  /** Schedules that are due at this full minute, and not again for an hour. */
  addAtMinute?(count: number, at: number): Promise<void>;
  /** Begins to fire. */
  start(): Promise<void>;
  countFires(): Promise<number>;
  fires(): Promise<readonly Fire[]>;
  close(): Promise<void>;
}

type OpenBench = (place: Place) => Promise<ScheduleBench>;
type Ability = "addDue" | "addEachSecond" | "addAtMinute";
type Measure = (bench: ScheduleBench, options: CaseOptions, meter?: Meter) => Promise<Sample>;

const planned: Readonly<Record<string, readonly [Ability, Measure]>> = {
  "beside-1e3": ["addDue", backlog(1_000)],
  "beside-1e5": ["addDue", backlog(100_000)],
  "beside-1e6": ["addDue", backlog(1_000_000)],
  "run-1e3": ["addDue", backlog(1_000)],
  "lag-100": ["addEachSecond", steady],
  "lag-1000": ["addEachSecond", steady],
  "minute-1e3": ["addAtMinute", atMinute(0)],
  "minute-1e5": ["addAtMinute", atMinute(100_000)],
};

/** The cases for which this bench is able. `except`: what it cannot carry. */
export function scheduleCases(
  open: OpenBench,
  abilities: readonly Ability[],
  except: readonly string[] = [],
): Contender["cases"] {
  const able = Object.entries(planned).filter(([id, [ability]]) => abilities.includes(ability) && !except.includes(id));
  return Object.fromEntries(able.map(([id, [, measure]]) => [`schedules/${id}`, at(open, measure)]));
}

function at(open: OpenBench, measure: Measure): RunCase {
  return async (place, options, meter) => {
    const bench = await open(place);
    try {
      return await measure(bench, options, meter);
    } finally {
      await bench.close();
    }
  };
}

/** Fires that are due, beside schedules that are not; those of the warm-up are the first ones. */
function backlog(besideCount: number): Measure {
  return async (bench, { count, warmUp }, meter) => {
    await bench.addIdle(besideCount);
    await bench.addDue?.(warmUp + count);
    await bench.start();
    const reached = (total: number) => async () => (await bench.countFires()) >= total;
    await until(reached(warmUp), patienceMs);
    let firedBefore = 0;
    const work = async (): Promise<void> => {
      firedBefore = await bench.countFires();
      await until(reached(warmUp + count), patienceMs);
    };
    const sample = await measureRate(count, work, meter);
    expectEqual("fires", await bench.countFires(), warmUp + count);
    const measuredCount = warmUp + count - firedBefore;
    if (measuredCount < count / 2)
      throw new WrongResultError(
        `Expected ${count} fires to measure, found ${measuredCount} left; give a larger --count.`,
      );
    return { ...sample, count: measuredCount };
  };
}

export const steadySeconds = 10;
/** Of what was planned. An interval that counts from the last run falls behind its own plan, and that is how it is meant. */
const carriedShare = 0.9;
const plantingMs = 5_000;
const lateMs = 15_000;

/** So many a second, evenly, each schedule once a second. */
async function steady(bench: ScheduleBench, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> {
  const perSecond = count / steadySeconds;
  const firstAt = Date.now() + plantingMs;
  await bench.addEachSecond?.(perSecond, firstAt);
  expectEqual("time left when all schedules were made", Date.now() < firstAt, true);
  await bench.start();
  const from = firstAt + secondMs * Math.ceil(warmUp / perSecond);
  const to = from + secondMs * steadySeconds;
  await until(async () => Date.now() >= from, patienceMs);
  await meter?.begin();
  await until(async () => Date.now() >= to, patienceMs);
  await meter?.end();
  const inTime = async (): Promise<readonly Fire[]> =>
    (await bench.fires()).filter(({ plannedAt }) => plannedAt >= from && plannedAt < to);
  await isSoWithin(lateMs, async () => (await inTime()).length >= count, 500);
  const fires = await inTime();
  if (fires.length < carriedShare * count)
    throw new WrongResultError(`Expected ${count} fires, found ${fires.length}: it does not carry so many.`);
  return lagsOf(fires);
}

const minuteMarginMs = 10_000;

/** All at one minute, beside schedules of other times. */
function atMinute(besideCount: number): Measure {
  return async (bench, { count }, meter) => {
    await bench.addIdle(besideCount);
    const minute = minuteMs * Math.ceil((Date.now() + minuteMarginMs) / minuteMs);
    await bench.addAtMinute?.(count, minute);
    await bench.start();
    expectEqual("time left when all schedules were made", Date.now() < minute, true);
    await until(async () => Date.now() >= minute, patienceMs);
    await meter?.begin();
    await until(async () => (await bench.countFires()) >= count, patienceMs);
    await meter?.end();
    const fires = await bench.fires();
    expectEqual("fires", fires.length, count);
    return lagsOf(fires);
  };
}

function lagsOf(fires: readonly Fire[]): Sample {
  const lags = fires.map(({ plannedAt, firedAt }) => firedAt - plannedAt);
  return { kind: "latency", p50Ms: quantile(lags, 0.5), p99Ms: quantile(lags, 0.99), count: lags.length };
}

const patienceMs = 300_000;

async function until(isSo: () => Promise<boolean>, limitMs: number): Promise<void> {
  if (await isSoWithin(limitMs, isSo, 5)) return;
  throw new WrongResultError(`Expected all fires within ${limitMs} ms, found that some did not come.`);
}

async function isSoWithin(limitMs: number, isSo: () => Promise<boolean>, restMs: number): Promise<boolean> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > limitMs) return false;
    await new Promise((settle) => setTimeout(settle, restMs));
  }
  return true;
}

/** For those whose fires are told by a handler. */
export function recordedFires() {
  const fires: Fire[] = [];
  return {
    fired: (plannedAt: number, firedAt = Date.now()): void => void fires.push({ plannedAt, firedAt }),
    countFires: async (): Promise<number> => fires.length,
    fires: async (): Promise<readonly Fire[]> => fires,
  };
}
