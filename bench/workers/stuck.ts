// The worker of `recovery` that will be killed: it takes every job, settles the first step, and gets stuck in the second.
import { job } from "../../src/index.ts";
import { receiveOrders, say } from "../child.ts";
import type { Place } from "../contender.ts";
import { openApp } from "../store.ts";

export interface StuckOrders {
  readonly place: Place;
  readonly count: number;
}

const { place, count } = await receiveOrders<StuckOrders>();
let stuckCount = 0;
const stuck = job("recovered", { attemptTimeout: 0 }, async (ctx) => {
  await ctx.step("one", { run: () => 1, irreversible: "does nothing" });
  await ctx.step("two", {
    run: () => {
      if (++stuckCount === count) say("all are stuck");
      return new Promise<number>(() => undefined);
    },
    irreversible: "does nothing",
  });
  return ctx.step("three", { run: () => 3, irreversible: "does nothing" });
});
// As many in memory at once as there are; and as many again, since a claim takes half of the room at most.
const app = await openApp(place, [stuck], { workerName: "stuck", concurrency: 2 * count + 2 });
await app.run();
process.on("disconnect", () => process.exit());
