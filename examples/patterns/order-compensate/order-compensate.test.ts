import { setTimeout as wait } from "node:timers/promises";
import type { App } from "makegood";
import { expect, it } from "vitest";
import { insertOrder, insertStock, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere, until } from "../testing/crash.ts";
import { gate, grave } from "../testing/gate.ts";
import { jumpingClock } from "../testing/jumping-clock.ts";
import { describeWorlds, newApp } from "../testing/worlds.ts";
import { orderCompensate } from "./job.ts";
import * as naive from "./naive.ts";

const minute = 60_000;

describeWorlds("order-compensate", (world) => {
  /** An order of one piece of its own code that failed then, of a hundred that there were. */
  const insertFailed = async (id: string, failedAt: number): Promise<void> => {
    await insertOrder(world.db, id, "failed");
    await world.db.updateTable("orders").set({ failed_at: failedAt, code: id }).where("id", "=", id).execute();
    await insertStock(world.db, id, 99);
  };
  const standing = async (id: string) => [await stateOf(world.db, id), await unitsOf(world.db, id)];

  it("naive: after eleven minutes without a scan a row is lost", async () => {
    const start = Date.now();
    await insertFailed("A-1", start);
    for (let now = start + 11 * minute; now < start + 60 * minute; now += 5 * minute)
      expect(await naive.scan(world.db, now)).toEqual([]);
    expect(await standing("A-1")).toEqual(["failed", 99]);
  });

  it("naive: a crash between stock and state gives back twice", async () => {
    await insertFailed("A-1", Date.now());
    const { reached, pass } = grave();
    void naive.scan(world.db, Date.now(), pass);
    await reached;
    await naive.scan(world.db, Date.now());
    expect(await standing("A-1")).toEqual(["canceled", 101]);
  });

  it("naive: a scan that is slow is overtaken by the next, and both give back", async () => {
    await insertFailed("A-1", Date.now());
    const { reached, pass, open } = gate();
    const slow = naive.scan(world.db, Date.now(), pass);
    await reached;
    await naive.scan(world.db, Date.now() + 5 * minute);
    open();
    await slow;
    expect(await standing("A-1")).toEqual(["canceled", 101]);
  });

  it("a row that failed while nothing ran for longer than the window is found", async () => {
    const { scan, fix } = orderCompensate(world.shop, world.db, "1s");
    const app = await world.run(scan, fix);
    await (await app.start(scan, undefined)).result();
    await insertFailed("A-1", Date.now());
    await wait(2_500);
    expect(await (await app.start(scan, undefined)).result()).toMatchObject({ rows: 1, started: 1 });
    await until(async () => (await stateOf(world.db, "A-1")) === "canceled");
    expect(await standing("A-1")).toEqual(["canceled", 100]);
  });

  it("its schedule fires every five minutes, and after eleven without a scheduler finds what failed in them", async () => {
    const { scan, fix } = orderCompensate(world.shop, world.db);
    const clock = jumpingClock(world);
    const id = `${world.kind} A-1`;
    const scans = async (app: App) =>
      (await app.list({ job: scan.name })).toReversed().filter(({ status }) => status === "completed");
    /** A process lives until so many scans have been completed, all fired by the schedule. */
    const live = async (count: number): Promise<readonly number[]> => {
      const app = newApp(world, clock.newStore());
      app.register(scan, fix);
      await app.run();
      await until(async () => (await scans(app)).length >= count);
      await until(async () => (await app.list({ job: fix.name })).every(({ endedAt }) => endedAt !== null));
      const times = (await scans(app)).map(({ scheduledAt }) => scheduledAt ?? Number.NaN);
      await app.stop({ graceMs: 0 });
      return times;
    };
    try {
      const untilDue = 5 * minute - (Date.now() % (5 * minute)) + 1_000;
      expect(await live(0)).toEqual([]);
      await clock.jump(untilDue);
      const [first = Number.NaN] = await live(1);
      // Nobody is there to fire. The order fails a moment after the last scan, and eleven minutes pass.
      await insertFailed(id, clock.now());
      await clock.jump(untilDue + 11 * minute);
      expect(await naive.find(world.db, clock.now())).toEqual([]);
      // One fire for the two that were missed.
      expect(await live(2)).toEqual([first, first + 10 * minute]);
      expect(await standing(id)).toEqual(["canceled", 100]);
      await clock.jump(untilDue + 15 * minute);
      expect(await live(3)).toEqual([first, first + 10 * minute, first + 15 * minute]);
      expect(await standing(id)).toEqual(["canceled", 100]);
    } finally {
      await clock.close();
    }
  });

  it("five scans at once and one after them give back once", async () => {
    await insertFailed("A-1", Date.now());
    const { scan, fix } = orderCompensate(world.shop, world.db);
    const app = await world.run(scan, fix);
    const scans = await Promise.all([1, 2, 3, 4, 5].map(() => app.start(scan, undefined)));
    const states = (await Promise.all(scans.map((it) => it.outcome()))).map(({ state }) => state);
    expect(states).toContain("completed");
    await until(async () => (await stateOf(world.db, "A-1")) === "canceled");
    expect(await (await app.start(scan, undefined)).result()).toMatchObject({ rows: 0 });
    expect(await standing("A-1")).toEqual(["canceled", 100]);
  });

  it("a fix that comes late, for an order that somebody has put right meanwhile, gives nothing back", async () => {
    await insertFailed("A-1", Date.now());
    await world.db.updateTable("orders").set({ state: "canceled" }).where("id", "=", "A-1").execute();
    const { fix } = orderCompensate(world.shop, world.db);
    const app = await world.run(fix);
    expect(await (await app.start(fix, { id: "A-1" })).result()).toBe("was good already");
    expect(await standing("A-1")).toEqual(["canceled", 99]);
  });

  it("killed at any point and scanned again, each row is given back once", async () => {
    const { scan, fix } = orderCompensate(world.shop, world.db);
    await crashEverywhere(world, {
      jobs: [scan, fix],
      prepare: (id) => insertFailed(id, Date.now()),
      act: async (app, id) => {
        await (await app.start(scan, undefined)).outcome();
        await until(async () => (await stateOf(world.db, id)) === "canceled");
      },
      check: async (id) => expect(await standing(id)).toEqual(["canceled", 100]),
    });
  });
});
