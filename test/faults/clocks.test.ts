/**
 * The clock of a process lies: its timers fire early, it is an hour ahead or behind, it jumps. No wait is forgotten, no
 * lease is judged by it, and nothing happens twice.
 *
 * Faults F16, F17; guarantees G3, G4, G5, G11.
 */

import { type AppOptions, job, makegood, signal } from "makegood";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/system.ts";
import { newReceipt } from "./support/book.ts";
import { describeWorlds } from "./support/places.ts";
import { buying, makePlots } from "./support/plots.ts";
import { faultsIn, makeReport } from "./support/report.ts";
import { openWorld } from "./support/world.ts";

const hourMs = 3_600_000;
const early = { ...systemClock, after: (ms: number, run: () => void) => systemClock.after(Math.max(0, ms - 4), run) };
const shifted = (byMs: () => number) => ({ ...systemClock, now: () => systemClock.now() + byMs() });
const never = signal("never");

describeWorlds("a process with a clock that lies", (newPlace) => {
  it("ends every sleep and every wait, although timers fire before their time", async () => {
    const world = await openWorld(newPlace());
    const naps = job("naps", buying, async (ctx) => {
      for (const n of [1, 2, 3, 4, 5]) await ctx.sleep(["nap", n], 4 * n);
      return (await ctx.waitFor(never, { timeout: "10ms" })).kind;
    });
    const app = makegood({ store: world.newStore(), namespace: world.place.name, clock: early, lease: "30s" });
    app.register(naps);
    try {
      await app.run();
      expect(await (await app.start(naps, "1")).result()).toBe("timed-out");
    } finally {
      await app.stop({ graceMs: 0 });
      await world.close();
    }
  });

  it.each([hourMs, -hourMs])(
    "keeps its executions while it is %i ms away from the others, who look for lost ones",
    async (byMs) => {
      const world = await openWorld(newPlace());
      const plots = makePlots(world);
      let begun = 0;
      const slow = job("slow", buying, async (ctx) => {
        begun++;
        // Longer than the lease: without renewals that count it would be taken over.
        return ctx.step("slow", {
          run: async ({ key }) => {
            await new Promise((resolve) => void setTimeout(resolve, 1_500));
            return world.provider.request(key, "slow", newReceipt(ctx.key, "slow"));
          },
          irreversible: "test",
        });
      });
      const options: Partial<AppOptions> = { namespace: world.place.name, lease: "1s", poll: "20ms" };
      const app = makegood({ ...options, store: world.newStore(), workerName: "shifted", clock: shifted(() => byMs) });
      const other = makegood({ ...options, store: world.newStore(), workerName: "right" });
      app.register(slow, ...Object.values(plots));
      other.register(slow);
      try {
        await app.run();
        const execution = await app.start(slow, "1");
        await vi.waitUntil(() => begun === 1);
        await other.run();
        await execution.result();
        expect(begun).toBe(1);
        expect((await app.find(execution.id))?.token).toBe(1);
      } finally {
        await Promise.all([app.stop({ graceMs: 0 }), other.stop({ graceMs: 0 })]);
        await world.close();
      }
    },
  );

  it.each([hourMs, -hourMs])("does each thing once although it jumps by %i ms at every step", async (byMs) => {
    const world = await openWorld(newPlace());
    let jumps = 0;
    const at = world.at;
    const jumping = await openWorld(world.place, (name) => {
      at(name);
      if (name.endsWith("body returns") || name.endsWith("after the call")) jumps++;
    });
    const { refused } = makePlots(jumping);
    const app = makegood({
      store: jumping.store,
      namespace: world.place.name,
      clock: shifted(() => (jumps % 2) * byMs),
      lease: "1s",
      poll: "20ms",
    });
    app.register(refused);
    try {
      await app.run();
      const execution = await app.start(refused, "1");
      await execution.outcome();
      expect(faultsIn(await makeReport(app, jumping, execution.id), "refused")).toEqual([]);
      expect(jumps).toBe(6);
    } finally {
      await app.stop({ graceMs: 0 });
      await Promise.all([jumping.close(), world.close()]);
    }
  });
});
