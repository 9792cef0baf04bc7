// The work of `steps/256` beside more and more rows of the past and of the future. Memory is the column MB.
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { cloneExecution } from "../seed.ts";
import { withWorkingApp } from "../store.ts";
import { threeSteps } from "./steps.ts";
import type { Case, Suite } from "./suite.ts";

const atOnce = 256;

interface Seed {
  readonly finished: number;
  readonly delayed: number;
}

const beside =
  (seed: Seed): RunCase =>
  async (place, { count, warmUp }, meter) => {
    await plant(place, seed);
    return withWorkingApp(place, [threeSteps], async (app) => {
      const one = async (): Promise<void> =>
        expectEqual("result", await (await app.start(threeSteps, undefined)).result(), 3);
      await keepInFlight(atOnce, warmUp, one);
      return measureRate(count, () => keepInFlight(atOnce, count, one), meter);
    });
  };

/** One of each is made as users make them; the others are copies of its rows. */
async function plant(place: Place, { finished, delayed }: Seed): Promise<void> {
  const ids = await withWorkingApp(place, [threeSteps], async (app) => {
    const done = await app.start(threeSteps, undefined);
    await done.result();
    const later = await app.start(threeSteps, undefined, { delay: "30d" });
    return { done: done.id, later: later.id };
  });
  await cloneExecution(place, ids.done, finished);
  await cloneExecution(place, ids.later, delayed);
}

function scaleCase(id: string, title: string, seed: Seed, isLong = false): Case {
  const full = `3-step jobs, ${atOnce} at a time, beside ${title}`;
  return { id, title: full, unit: "jobs", kind: "rate", count: 20_000, warmUp: 2_000, isLong, ours: beside(seed) };
}

export const scale: Suite = {
  name: "scale",
  title: "the cost of a job beside many finished or delayed ones",
  comparesWithFirst: true,
  cases: [
    scaleCase("finished-1e3", "1,000 finished ones", { finished: 1_000, delayed: 0 }),
    scaleCase("finished-1e5", "100,000 finished ones", { finished: 100_000, delayed: 0 }),
    scaleCase("finished-1e6", "1,000,000 finished ones", { finished: 1_000_000, delayed: 0 }),
    scaleCase("delayed-1e6", "1,000,000 delayed ones", { finished: 1_000, delayed: 1_000_000 }),
    scaleCase("finished-1e7", "10,000,000 finished ones", { finished: 10_000_000, delayed: 0 }, true),
  ],
};
