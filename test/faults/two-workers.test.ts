/**
 * Two worker processes share a store. Again and again one of them is killed by SIGKILL and started anew, while hundreds
 * of executions go on: every one completes, with every effect once.
 *
 * Faults F1, F2, F19, F38; guarantees G1, G3, G4, G5, G6, G11.
 */

import { makegood } from "makegood";
import { expect, it, vi } from "vitest";
import { faultsInOrders } from "./support/order-books.ts";
import { describeWorlds } from "./support/places.ts";
import { makePlots } from "./support/plots.ts";
import { type Child, makeNursery } from "./support/processes.ts";
import { seededRandom, seedOf } from "./support/seeded-random.ts";
import { isThorough } from "./support/thorough.ts";
import type { WorkerArguments } from "./support/worker-child.ts";
import { openWorld, type World } from "./support/world.ts";

const executionCount = isThorough ? 3_000 : 300;
const killCount = isThorough ? 100 : 14;
const leaseMs = 1_000;

describeWorlds("two workers on one store", (newPlace) => {
  const nursery = makeNursery<WorkerArguments>("./worker-child.ts");

  it(
    "finish everything once, however often one of them is killed",
    async () => {
      const seed = seedOf(process.env["MAKEGOOD_SEED"]);
      const random = seededRandom(seed);
      const place = newPlace();
      const world = await openWorld(place);
      const app = makegood({ store: world.store, namespace: place.name });
      const { buys } = makePlots(world);
      app.register(buys);
      // A kill is no fault of the execution here, however many of them it meets.
      const start = (name: string): Child => nursery.start({ place, name, leaseMs, maxCrashes: 1_000 });
      try {
        const workers = [start("one"), start("two")];
        const keys = Array.from({ length: executionCount }, (_, i) => `${i}`);
        // Every order is placed twice, as by an impatient client.
        const started = await Promise.all(
          [...keys, ...keys].map(async (key) => [key, (await app.start(buys, key)).id] as const),
        );
        const executions = new Map(started);
        expect(new Set(started.map(([, id]) => id)).size).toBe(executionCount);
        for (let kill = 1; kill <= killCount; kill++) {
          await progressTo(world, (kill / (killCount + 1)) * executionCount * 4);
          const i = Math.floor(random() * workers.length);
          const victim = workers[i] as Child;
          victim.kill("SIGKILL");
          expect((await victim.exit).signal).toBe("SIGKILL");
          workers[i] = start(i === 0 ? "one" : "two");
        }
        await Promise.all([...executions.values()].map((id) => app.execution(id).outcome()));
        expect(await faultsInOrders(app, world, executions), `MAKEGOOD_SEED=${seed}`).toEqual([]);
        expect(await app.incidents()).toEqual([]);
      } finally {
        await app.stop();
        await world.close();
      }
    },
    isThorough ? 600_000 : 60_000,
  );
});

/** Kills are spread over the work, not over time. */
async function progressTo(world: World, effectCount: number): Promise<void> {
  await vi.waitUntil(async () => (await world.timeline()).length >= effectCount, { timeout: 30_000, interval: 10 });
}
