import { beforeEach, expect, it } from "vitest";
import { centsOf, insertAccount } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { gate, grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { processOrder, processOrderInside } from "./job.ts";
import * as naive from "./naive.ts";

const order = { id: "A-1", customer: "ann", points: 5 };

describeWorlds("process-order", (world) => {
  beforeEach(() => insertAccount(world.db, "ann", 0));

  it("naive: two runs pass the check, and both do the work", async () => {
    const { reached, pass, open } = gate();
    const first = naive.processOrder(world.db, order, { afterCheck: pass });
    await reached;
    await naive.processOrder(world.db, order);
    open();
    // The insert does tell the first one; the points are awarded by then.
    await expect(first).rejects.toThrow();
    expect(await centsOf(world.db, "ann")).toBe(10);
  });

  it("naive: a crash between work and insert repeats the work", async () => {
    const { reached, pass } = grave();
    void naive.processOrder(world.db, order, { afterWork: pass });
    await reached;
    expect(await naive.processOrder(world.db, order)).toBe("processed");
    expect(await centsOf(world.db, "ann")).toBe(10);
  });

  it("started ten times at once, the work is done once", async () => {
    const job = processOrder(world.shop);
    const app = await world.run(job);
    const executions = await Promise.all(Array.from({ length: 10 }, () => app.start(job, order)));
    expect(new Set(executions.map(({ id }) => id)).size).toBe(1);
    expect(executions.filter(({ isNew }) => isNew).length).toBe(1);
    await Promise.all(executions.map((execution) => execution.result()));
    expect(await centsOf(world.db, "ann")).toBe(5);
  });

  it("killed at any point and asked again, the work is done once", async () => {
    const job = processOrder(world.shop);
    const deaths = await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => insertAccount(world.db, id, 0),
      act: async (app, id) => (await app.start(job, { id, customer: id, points: 5 })).result(),
      check: async (id) => expect(await centsOf(world.db, id)).toBe(5),
    });
    expect(deaths).toBeGreaterThan(1);
  });

  it("without a job, ten transactions at once do it once, and one that rolls back not at all", async () => {
    const { adapter, shop, db } = world;
    const inside = () => adapter.transaction((tx) => processOrderInside(shop, tx, order));
    await expect(
      adapter.transaction(async (tx) => {
        await processOrderInside(shop, tx, order);
        throw new Error("crash");
      }),
    ).rejects.toThrow("crash");
    expect(await centsOf(db, "ann")).toBe(0);
    await Promise.all(Array.from({ length: 10 }, inside));
    expect(await centsOf(db, "ann")).toBe(5);
  });
});
