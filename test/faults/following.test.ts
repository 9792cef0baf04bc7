/**
 * Two worker processes share a store. Again and again one of them is killed by SIGKILL and started anew, while jobs follow
 * each other: every end starts what follows it once, and what waits for two ends is started once, when both are there.
 *
 * Faults F1, F2, F19; guarantees G1, G2.
 */
import { makegood } from "makegood";
import { expect, it, vi } from "vitest";
import { type FollowingArguments, followingJobs } from "./support/following-child.ts";
import { describeWorlds } from "./support/places.ts";
import { type Child, makeNursery } from "./support/processes.ts";
import { seededRandom, seedOf } from "./support/seeded-random.ts";
import { isThorough } from "./support/thorough.ts";
import { openWorld } from "./support/world.ts";

const topCount = isThorough ? 1_000 : 60;
const killCount = isThorough ? 60 : 6;
const leaseMs = 1_000;
const timeout = isThorough ? 900_000 : 90_000;

describeWorlds("jobs that follow each other, in two workers", (newPlace) => {
  const nursery = makeNursery<FollowingArguments>("./following-child.ts");

  it(
    "are started once for each end, however often one of them is killed",
    async () => {
      const seed = seedOf(process.env["MAKEGOOD_SEED"]);
      const random = seededRandom(seed);
      const place = newPlace();
      const world = await openWorld(place);
      const app = makegood({ store: world.store, namespace: place.name });
      const [top] = followingJobs();
      const start = (name: string): Child => nursery.start({ place, name, leaseMs });
      const ended = async (job: string): Promise<readonly { readonly id: string; readonly root: string }[]> =>
        (await app.list({ job, limit: 1_000 })).filter(({ status }) => status === "completed");
      try {
        await app.open();
        const workers = [start("one"), start("two")];
        /** Waits for it; fails at once, with its words, where a worker has ended by itself. */
        const until = (isSo: () => Promise<boolean>): Promise<unknown> =>
          vi.waitUntil(
            async () => {
              const dead = workers.find((worker) => worker.hasExited());
              if (dead !== undefined) throw new Error(`Expected workers to work on, found one ended: ${dead.errors()}`);
              return isSo();
            },
            { timeout, interval: 20 },
          );
        // What follows is declared by them as they begin: what ends before both know of it may be followed by nobody.
        await Promise.all(workers.map((worker) => worker.said("ready")));
        const tops = await Promise.all(Array.from({ length: topCount }, (_, n) => app.start(top as never, n as never)));
        for (let kill = 1; kill <= killCount; kill++) {
          const wanted = (kill / (killCount + 1)) * topCount;
          await until(async () => (await ended("join")).length >= wanted);
          const at = Math.floor(random() * workers.length);
          const victim = workers[at] as Child;
          victim.kill("SIGKILL");
          expect((await victim.exit).signal).toBe("SIGKILL");
          workers[at] = start(at === 0 ? "one" : "two");
        }
        await until(async () => (await ended("join")).length >= topCount);
        const isOver = async (): Promise<boolean> => {
          const { ready, running, waiting } = await app.counts();
          return ready + running + waiting === 0;
        };
        await until(isOver);
        const wanted = tops.map(({ id }) => id).toSorted();
        for (const job of ["left", "right", "join"])
          expect((await ended(job)).map(({ root }) => root).toSorted(), `${job}, MAKEGOOD_SEED=${seed}`).toEqual(
            wanted,
          );
        const sums = await Promise.all((await ended("join")).map(({ id }) => app.execution<number>(id).result()));
        expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: topCount }, (_, n) => 2 * n + 3));
        expect(await app.incidents()).toEqual([]);
      } finally {
        await app.stop({ graceMs: 0 });
        await world.close();
      }
    },
    timeout,
  );
});
