/**
 * The process that relays messages dies by SIGKILL at any point: every message of a committed transaction takes effect
 * once, those of a rolled-back one never, those of one ordering key in their order. A message that kills the process is set
 * aside, and no other one with it.
 *
 * Faults F1, F2, F35; guarantees G8, G9.
 */

import { setTimeout as wait } from "node:timers/promises";
import { makegood } from "makegood";
import { expect, it } from "vitest";
import type { PublishOptions } from "../../src/core/message.ts";
import { inParallel } from "./support/crash-chain.ts";
import { placedIn } from "./support/placed.ts";
import { describeWorlds, type NewPlace } from "./support/places.ts";
import { type Child, makeNursery } from "./support/processes.ts";
import type { RelayArguments } from "./support/relay-child.ts";
import { isThorough } from "./support/thorough.ts";
import { openWorld, type Place, type World } from "./support/world.ts";

const lanes = 3;
const keys = ["A", "B"];
const perKey = 3;
const ordered = keys.flatMap((key) => Array.from({ length: perKey }, (_, n) => `${key}${n}`));
const loose = ["x", "y", "z"];

describeWorlds("a relay that is killed", (newPlace, kind) => {
  const nursery = makeNursery<RelayArguments>("./relay-child.ts");

  it(
    "at any point loses no message, doubles none and keeps the order of each key",
    async () => {
      const step = isThorough ? 1 : kind === "sqlite" ? 11 : 41;
      let point = 1;
      for (let isThrough = false; !isThrough; ) {
        const points = Array.from({ length: lanes }, (_, n) => point + n * step);
        isThrough = (await inParallel(lanes, points, liveThrough)).includes(true);
        point += lanes * step;
      }
      expect(point).toBeGreaterThan(40);
    },
    isThorough ? 1_800_000 : 240_000,
  );

  /** True: it came through without dying. */
  async function liveThrough(deadlyPoint: number): Promise<boolean> {
    return inWorld(newPlace, async (world) => {
      const { place } = world;
      await publishAll(world);
      const expected = [...ordered, ...loose, ...(kind === "sqlite" ? [] : ["late"])];
      const late = kind === "sqlite" ? Promise.resolve() : publishLate(world);
      const first = nursery.start({ place, name: "one", expected, deadly: { n: deadlyPoint } });
      const { signal } = await first.exit;
      expect([null, "SIGKILL"], first.errors()).toContain(signal);
      if (signal !== null) await nursery.start({ place, name: "one", expected, deadly: null }).said("done");
      await late;
      await expectAllOnce(world, expected, `died at point ${deadlyPoint}`);
      return signal === null;
    });
  }

  it("while others relay beside it loses no message, doubles none and keeps the order of each key", async () => {
    await inWorld(newPlace, async (world) => {
      const { place } = world;
      await publishAll(world);
      const expected = [...ordered, ...loose];
      const deadly = (n: number): Child => nursery.start({ place, name: `${n}`, expected, deadly: { n: 10 + 17 * n } });
      const children = [deadly(1), deadly(2), nursery.start({ place, name: "survivor", expected, deadly: null })];
      await children[2]?.said("done");
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(children.map(({ exit }) => exit));
      await expectAllOnce(world, expected, "three relays");
    });
  }, 90_000);

  it("by a message again and again sets that one aside, and no other", async () => {
    await inWorld(newPlace, async (world) => {
      const { place } = world;
      for (const what of ["a", "b", "poison", "c", "d"]) await publish(world, what);
      const expected = ["a", "b", "c", "d"];
      const start = (): Child => nursery.start({ place, name: "one", expected, deadly: null, poison: "poison" });
      let deaths = 0;
      for (let isDead = true; isDead; deaths += isDead ? 1 : 0) {
        const child = start();
        isDead = (await child.exit).signal === "SIGKILL";
        expect(deaths).toBeLessThan(8);
        if (!isDead) break;
      }
      // The others are there long before it is given up.
      expect(deaths).toBeGreaterThan(0);
      const app = makegood({ store: world.store, namespace: place.name, participants: [world.far.on] });
      while ((await app.messages.stuck()).length === 0) {
        const child = nursery.start({ place, name: "one", expected: ["never"], deadly: null, poison: "poison" });
        while (!child.hasExited() && (await app.messages.stuck()).length === 0) await wait(20);
        child.kill("SIGKILL");
        await child.exit;
        expect(++deaths).toBeLessThan(12);
      }
      const mine = (await app.messages.stuck()).filter(({ topic }) => topic === placedIn(place).name);
      expect(mine).toMatchObject([{ status: "dead", error: { code: "MESSAGE_POISON" } }]);
      await expectAllOnce(world, expected, "poison");
    });
  }, 120_000);
});

async function inWorld<T>(newPlace: NewPlace, use: (world: World) => Promise<T>): Promise<T> {
  const world = await openWorld(newPlace());
  await world.store.open();
  try {
    return await use(world);
  } finally {
    await world.store.close();
    await world.close();
  }
}

async function publishAll(world: World): Promise<void> {
  for (let n = 0; n < perKey; n++) for (const key of keys) await publish(world, `${key}${n}`, { orderingKey: key });
  for (const what of loose) await publish(world, what);
  await expect(publish(world, "lost", {}, () => Promise.reject(new Error("rolled back")))).rejects.toThrow();
}

/** Its row is inserted before the others are relayed, and its transaction commits after. */
async function publishLate(world: World): Promise<void> {
  await publish(world, "late", {}, () => wait(400));
}

async function publish(
  { place, far }: { readonly place: Place; readonly far: World["far"] },
  what: string,
  options?: PublishOptions,
  before?: () => Promise<unknown>,
): Promise<void> {
  const outcome = await far.on.port.own(
    (tx) => {
      const published = far.on.publish(tx, placedIn(place), what, options);
      if (before === undefined) return published;
      if (far.on.mode === "async") return published.then(before);
      throw new Error("rolled back");
    },
    () => done,
  );
  if (outcome.kind !== "committed") throw new Error(outcome.kind);
}
// biome-ignore lint/suspicious/noExplicitAny: a script that asks for nothing
const done: any = { next: () => ({ done: true, value: "done" }) };

async function expectAllOnce(world: World, expected: readonly string[], where: string): Promise<void> {
  const noted = [...(await world.far.effects())].sort((a, b) => a.at - b.at).map(({ what }) => what);
  expect([...noted].sort(), where).toEqual([...expected].sort());
  for (const key of keys) {
    const ofKey = noted.filter((what) => what.startsWith(key));
    expect(ofKey, where).toEqual([...ofKey].sort());
  }
}
