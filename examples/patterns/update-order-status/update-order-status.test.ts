import { expect, it } from "vitest";
import { centsOf, insertAccount, insertOrder, stateOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { gate } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { changeStatus, updateOrderStatus, withdraw } from "./job.ts";
import * as naive from "./naive.ts";

describeWorlds("update-order-status", (world) => {
  it('naive: "already done" is said of a change that was never made', async () => {
    await insertOrder(world.db, "A-1", "paid");
    await naive.updateOrderStatus(world.db, { orderId: "A-1", version: 1, state: "canceled" });
    const late = await naive.updateOrderStatus(world.db, { orderId: "A-1", version: 1, state: "wait-deliver" });
    expect([late, await stateOf(world.db, "A-1")]).toEqual(["already done", "canceled"]);
  });

  it("a change that came second is told, and a repeat is told apart from it", async () => {
    const { db, shop, adapter } = world;
    await insertOrder(db, "A-1", "paid");
    const job = updateOrderStatus(shop);
    const app = await world.run(job);
    const cancel = { changeId: `${world.namespace}-ann`, orderId: "A-1", version: 1, state: "canceled" };
    const ship = { changeId: `${world.namespace}-bob`, orderId: "A-1", version: 1, state: "wait-deliver" };
    const answer = async (change: typeof ship) => (await app.start(job, change)).result();
    expect(await answer(cancel)).toEqual({ kind: "updated", version: 2 });
    expect(await answer(ship)).toEqual({ kind: "stale", version: 2 });
    expect(await answer(cancel)).toEqual({ kind: "updated", version: 2 });
    // Also where no job remembers it, and after others have written.
    await db.updateTable("orders").set({ state: "refunded", version: 3 }).where("id", "=", "A-1").execute();
    const repeat = () => adapter.transaction((tx) => changeStatus(shop, tx, cancel));
    expect([await repeat(), await stateOf(db, "A-1")]).toEqual([{ kind: "already", version: 2 }, "refunded"]);
  });

  it("naive: 100 - 50 - 30 is 70", async () => {
    await insertAccount(world.db, "ann", 100);
    const { reached, pass, open } = gate();
    const first = naive.withdraw(world.db, "ann", 30, pass);
    await reached;
    await naive.withdraw(world.db, "ann", 50);
    open();
    await first;
    expect(await centsOf(world.db, "ann")).toBe(70);
  });

  it("100 - 50 - 30 is 20, twice at once and killed at any point", async () => {
    const job = withdraw(world.shop);
    const deaths = await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => insertAccount(world.db, id, 100),
      act: async (app, account) => {
        const take = async (cents: number) =>
          (await app.start(job, { id: `${account} ${cents}`, account, cents })).result();
        await Promise.all([take(50), take(30)]);
      },
      check: async (id) => expect(await centsOf(world.db, id)).toBe(20),
    });
    expect(deaths).toBeGreaterThan(1);
  });
});
