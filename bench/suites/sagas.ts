// A saga of three steps: the third is refused, and the two before it are undone in reverse order.
import { job, RefusedError } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import type { RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { withWorkingApp } from "../store.ts";
import type { Suite } from "./suite.ts";

const atOnce: RunCase = (place, { count, warmUp }, meter) => {
  const undone = { one: 0, two: 0 };
  const refused = job("refused", {}, async (ctx) => {
    await ctx.step("one", { run: () => 1, compensate: () => void undone.one++ });
    await ctx.step("two", { run: () => 2, compensate: () => void undone.two++ });
    await ctx.step("three", {
      run: () => {
        throw new RefusedError("sold out");
      },
      irreversible: "never happens",
    });
  });
  return withWorkingApp(place, [refused], async (app) => {
    const one = async (): Promise<void> => {
      const { state } = await (await app.start(refused, undefined)).outcome();
      expectEqual("state", state, "compensated");
    };
    await keepInFlight(256, warmUp, one);
    const sample = await measureRate(count, () => keepInFlight(256, count, one), meter);
    expectEqual("compensations of the first step", undone.one, warmUp + count);
    expectEqual("compensations of the second step", undone.two, warmUp + count);
    return sample;
  });
};

export const sagas: Suite = {
  name: "sagas",
  title: "the third step fails, two compensations run",
  cases: [
    {
      id: "256",
      title: "third step fails, two compensations, 256 at a time",
      unit: "sagas",
      kind: "rate",
      count: 30_000,
      warmUp: 5_000,
      peerCount: 1_500,
      ours: atOnce,
    },
  ],
};
