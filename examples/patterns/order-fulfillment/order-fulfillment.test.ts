import { expect, it } from "vitest";
import { orderMachine } from "../order-machine.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { scans, takeScan } from "./job.ts";
import * as naive from "./naive.ts";

describeWorlds("order-fulfillment", (world) => {
  it("naive: a crash between the two updates strands the order", async () => {
    const { db } = world;
    await insertOrder(db, "A-1", "paid");
    await db.updateTable("orders").set({ sub_state: "packing" }).where("id", "=", "A-1").execute();
    const { reached, pass } = grave();
    void naive.takeScan(db, "A-1", "packed", pass);
    await reached;
    // The scanner asks again: its scan is illegal now, and nothing else leads on.
    for (const event of scans) expect(await naive.takeScan(db, "A-1", event)).toBe("illegal");
    expect(await stateOf(db, "A-1")).toBe("paid");
  });

  it("a scan that comes twice moves once, and one that comes too early not at all", async () => {
    const { db, shop, adapter } = world;
    await insertOrder(db, "A-1", "paid.wait-pick");
    const job = takeScan(shop);
    const app = await world.run(job);
    const scan = async (event: (typeof scans)[number], scanId: string) =>
      (await app.start(job, { scanId: `${world.namespace} ${scanId}`, orderId: "A-1", event, by: "ann" })).result();
    expect(await scan("pack", "s-0")).toBe("illegal");
    expect(await Promise.all([scan("pick", "s-1"), scan("pick", "s-1")])).toEqual(["moved", "moved"]);
    expect(await scan("pick", "s-2")).toBe("illegal");
    // The same scan by another way than the job is known to the row.
    const order = orderMachine(shop);
    const eventId = `${world.namespace} s-1`;
    const again = await adapter.transaction((tx) => order.tryMove(tx, { id: "A-1" }, "pick", { eventId }));
    expect(again).toMatchObject({ kind: "duplicate", first: { outcome: "moved" } });
    expect(await stateOf(db, "A-1")).toBe("paid.picking");
  });

  it("killed at any point and asked again, four scans lead from paid to wait-deliver", async () => {
    const { db, shop, adapter } = world;
    const job = takeScan(shop);
    const order = orderMachine(shop);
    await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => insertOrder(db, id, "paid.wait-pick"),
      act: async (app, orderId) => {
        for (const event of scans)
          await (await app.start(job, { scanId: `${orderId} ${event}`, orderId, event, by: "ann" })).result();
      },
      check: async (id) => {
        expect(await stateOf(db, id)).toBe("wait-deliver");
        const lines = await adapter.transaction((tx) => order.history(tx, id));
        expect(lines.map(({ event, to }) => `${event} ${to}`)).toEqual([
          "pick paid.picking",
          "picked paid.wait-pack",
          "pack paid.packing",
          "packed wait-deliver",
        ]);
      },
    });
  });
});
