import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { insertOrder, insertStock, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere, until } from "../testing/crash.ts";
import { gate, grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
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
