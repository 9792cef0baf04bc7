/**
 * Three centers share the schedules of one store. Two are killed by SIGKILL in the middle of it and started anew, the third
 * is stopped by SIGSTOP for a while and revived: every planned time of every schedule is fired, and fired once.
 *
 * Faults F1, F2, F6, F19; guarantee G2.
 */

import { every, job, makegood } from "makegood";
import { expect, it, vi } from "vitest";
import type { CenterArguments } from "./support/center-child.ts";
import { describeWorlds } from "./support/places.ts";
import { type Child, makeNursery } from "./support/processes.ts";
import { isThorough } from "./support/thorough.ts";
import { openWorld, type World } from "./support/world.ts";

const scheduleCount = isThorough ? 10_000 : 200;
const secondCount = isThorough ? 60 : 8;
const fireCount = scheduleCount * secondCount;
const pageSize = 1_000;
const timeout = isThorough ? 900_000 : 90_000;
const catchUp = { policy: "catch-up", maxCatchUp: 1_000 } as const;

/** One that is frozen inside its transaction holds up everybody on SQLite, which has one writer: not for long, then. */
const frozenMs = 1_000;

describeWorlds("three centers on one store", (newPlace, kind) => {
  const nursery = makeNursery<CenterArguments>("./center-child.ts");

  it(
    "fire every planned time once, although two are killed and one is frozen",
    async () => {
      const place = newPlace();
      const world = await openWorld(place);
      const app = makegood({ store: world.store, namespace: place.name });
      const work = job("work", {}, async () => {});
      const begin = async (name: string): Promise<Child> => {
        const child = nursery.start({ place, name });
        await child.said("ready");
        return child;
      };
      try {
        await app.open();
        // After the last of them is made: what was planned before is not owed.
        const start = (await world.store.schedules.now()) + 10 * scheduleCount;
        const end = start + 1_000 * secondCount;
        const ids: string[] = [];
        for (let at = 0; at < scheduleCount; at += 50) {
          const some = Array.from({ length: Math.min(50, scheduleCount - at) }, (_, n) => start + ((at + n) % 1_000));
          const made = some.map((first) =>
            app.schedules.add(work, every("1s", { start: first, end: end + (first - start), misfire: catchUp })),
          );
          ids.push(...(await Promise.all(made)).map(({ id }) => id));
        }
        const centers = await Promise.all([begin("one"), begin("two"), begin("three")]);
        const [one, two, three] = centers as [Child, Child, Child];
        await firedTo(world, 0.2);
        one.kill("SIGKILL");
        await firedTo(world, 0.35);
        three.kill("SIGSTOP");
        if (kind === "sqlite") setTimeout(() => three.kill("SIGCONT"), frozenMs);
        const [again] = await Promise.all([begin("one"), firedTo(world, 0.5)]);
        two.kill("SIGKILL");
        expect([(await one.exit).signal, (await two.exit).signal]).toEqual(["SIGKILL", "SIGKILL"]);
        await Promise.all([begin("two"), firedTo(world, 0.7)]);
        three.kill("SIGCONT");
        await firedTo(world, 1);
        expect(again.hasExited() || three.hasExited()).toBe(false);
        const fired = await firesOf(world);
        expect(fired.size).toBe(scheduleCount);
        for (const [n, id] of ids.entries()) {
          const first = start + (n % 1_000);
          const planned = Array.from({ length: secondCount }, (_, second) => first + 1_000 * second);
          expect(
            fired.get(id)?.toSorted((a, b) => a - b),
            `schedule ${n}`,
          ).toEqual(planned);
        }
        const { schedules } = await world.store.schedules.due({ namespace: place.name, names: [], limit: 1 });
        expect(schedules).toEqual([]);
      } finally {
        await app.stop({ graceMs: 0 });
        await world.close();
      }
    },
    timeout,
  );
});

/** Waits until this part of all fires has been made. */
async function firedTo(world: World, part: number): Promise<void> {
  const count = async (): Promise<number> => (await world.store.reads.countByStatus(world.place.name)).ready;
  await vi.waitUntil(async () => (await count()) >= part * fireCount, { timeout, interval: isThorough ? 1_000 : 20 });
}

/** Planned times by schedule, as often as they were fired. */
async function firesOf({ store, place }: World): Promise<ReadonlyMap<string, readonly number[]>> {
  const fired = new Map<string, number[]>();
  for (let after: string | undefined; ; ) {
    const page = { namespace: place.name, limit: pageSize, ...(after === undefined ? {} : { after }) };
    const rows = await store.reads.list(page);
    for (const { schedule, scheduledAt } of rows) {
      const times = fired.get(schedule ?? "") ?? [];
      fired.set(schedule ?? "", times);
      times.push(scheduledAt ?? 0);
    }
    after = rows.at(-1)?.id;
    if (rows.length < pageSize) return fired;
  }
}
