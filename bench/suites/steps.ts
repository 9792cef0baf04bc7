// A job of three steps, each acknowledged after its commit; its result is awaited.
import { job } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import type { RunCase } from "../contender.ts";
import { keepInFlight, measureLatency, measureRate } from "../measure.ts";
import { withWorkingApp } from "../store.ts";
import type { Suite } from "./suite.ts";

const jobOf = (name: string, results: "recorded" | "early") =>
  job(name, { results }, async (ctx) => {
    const one = await ctx.step("one", { run: () => 1, irreversible: "does nothing" });
    const two = await ctx.step("two", { run: () => one + 1, irreversible: "does nothing" });
    return ctx.step("three", { run: () => two + 1, irreversible: "does nothing" });
  });
export const threeSteps = jobOf("three-steps", "recorded");
const earlySteps = jobOf("early-steps", "early");

const atOnce =
  (definition: typeof threeSteps): RunCase =>
  (place, { count, warmUp }, meter) =>
    withWorkingApp(place, [definition], async (app) => {
      const one = async (): Promise<void> =>
        expectEqual("result", await (await app.start(definition, undefined)).result(), 3);
      await keepInFlight(256, warmUp, one);
      const sample = await measureRate(count, () => keepInFlight(256, count, one), meter);
      expectEqual("completed jobs", (await app.counts()).completed, warmUp + count);
      return sample;
    });

const alone =
  (definition: typeof threeSteps): RunCase =>
  (place, { count, warmUp }, meter) =>
    withWorkingApp(place, [definition], async (app) => {
      const one = async (): Promise<void> =>
        expectEqual("result", await (await app.start(definition, undefined)).result(), 3);
      await keepInFlight(1, warmUp, one);
      return measureLatency(count, one, meter);
    });

/** The same of a job that is handed its results early, by case. */
export const earlyCases: Readonly<Record<string, RunCase>> = {
  "steps/256": atOnce(earlySteps),
  "steps/1": alone(earlySteps),
};

export const steps: Suite = {
  name: "steps",
  title: "jobs of three steps, each acknowledged after its commit",
  cases: [
    {
      id: "256",
      title: "3-step job, 256 at a time",
      unit: "jobs",
      kind: "rate",
      count: 60_000,
      warmUp: 10_000,
      peerCount: 2_000,
      ours: atOnce(threeSteps),
    },
    {
      id: "1",
      title: "3-step job, one at a time",
      unit: "jobs",
      kind: "latency",
      count: 1_000,
      warmUp: 200,
      peerCount: 300,
      ours: alone(threeSteps),
    },
  ],
};
