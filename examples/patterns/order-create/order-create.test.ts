import type { App } from "makegood";
import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { insertOrder, insertStock, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere, until } from "../testing/crash.ts";
import { gate } from "../testing/gate.ts";
import { jumpingClock } from "../testing/jumping-clock.ts";
import { describeWorlds, newApp } from "../testing/worlds.ts";
import { type Bank, orderJobs } from "./job.ts";
import * as naive from "./naive.ts";

const bankOf = (provider: Provider): Bank => ({ payBack: async (id, key) => provider.do(key, `pay back ${id}`) });
const orderOf = (id: string) => ({ id, customer: "ann", code: id, cents: 10 });

const minute = 60_000;

describeWorlds("order-create", (world) => {
  it("naive: level 30 is not thirty minutes", () => {
    expect(naive.delayOfLevel(naive.checkLevel)).toBe("2h");
  });

  it("naive: a payment that arrives between check and update is canceled with the order", async () => {
    const { db } = world;
    await insertOrder(db, "A-1", "wait-pay");
    await insertStock(db, "cup", 99);
    const { reached, pass, open } = gate();
    const canceling = naive.cancelUnpaid(db, "A-1", "cup", pass);
    await reached;
    await naive.takePayment(db, "A-1");
    open();
    await canceling;
    expect([await stateOf(db, "A-1"), await unitsOf(db, "cup")]).toEqual(["canceled", 100]);
  });

  it("the check comes thirty minutes after the order, not before, and cancels what is not paid", async () => {
    const { createOrder, cancelUnpaid, takePayment } = orderJobs(world.shop, bankOf(new Provider()));
    const clock = jumpingClock(world);
    for (const code of ["A-1", "A-2"]) await insertStock(world.db, code, 100);
    const live = async (what: (app: App) => Promise<unknown>): Promise<void> => {
      const app = newApp(world, clock.newStore());
      app.register(createOrder, cancelUnpaid, takePayment);
      await app.run();
      await what(app);
      await app.stop({ graceMs: 0 });
    };
    const standing = async (id: string) => [await stateOf(world.db, id), await unitsOf(world.db, id)];
    const checked = (app: App) => app.list({ job: "cancel-unpaid", statuses: ["completed"] });
    try {
      await live(async (app) => {
        for (const id of ["A-1", "A-2"]) await (await app.start(createOrder, orderOf(id))).result();
        await (await app.start(takePayment, { paymentId: `${world.namespace} p-2`, orderId: "A-2" })).result();
      });
      await clock.jump(29 * minute);
      // Were anything due, it would be done before what is started now.
      await live(async (app) => {
        await (await app.start(takePayment, { paymentId: `${world.namespace} p-3`, orderId: "A-3" })).result();
        expect(await checked(app)).toEqual([]);
      });
      expect(await standing("A-1")).toEqual(["wait-pay", 99]);
      await clock.jump(31 * minute);
      await live((app) => until(async () => (await checked(app)).length === 2));
      expect(await standing("A-1")).toEqual(["canceled", 100]);
      expect(await standing("A-2")).toEqual(["paid.wait-pick", 99]);
    } finally {
      await clock.close();
    }
  });

  it("of cancel and payment at once one moves the order, and money that comes too late is given back once", async () => {
    const { db, shop } = world;
    const provider = new Provider();
    const { cancelUnpaid, takePayment } = orderJobs(shop, bankOf(provider));
    const app = await world.run(cancelUnpaid, takePayment);
    for (let turn = 0; turn < 6; turn++) {
      const id = `A-${turn}`;
      await insertOrder(db, id, "wait-pay");
      await insertStock(db, id, 99);
      const events = [
        async () => (await app.start(takePayment, { paymentId: `p-${turn}`, orderId: id })).result(),
        async () => (await app.start(cancelUnpaid, { id, code: id })).result(),
      ];
      await Promise.all((turn % 2 === 0 ? events : events.reverse()).map((event) => event()));
      await expectOneEnd(provider, id, `p-${turn}`);
    }
  });

  it("killed at any point and asked again, every order ends paid or canceled", async () => {
    const { db, shop } = world;
    const provider = new Provider();
    const { createOrder, cancelUnpaid, takePayment } = orderJobs(shop, bankOf(provider), "30ms");
    await crashEverywhere(world, {
      jobs: [createOrder, cancelUnpaid, takePayment],
      prepare: (id) => insertStock(db, id, 100),
      act: async (app, id) => {
        await (await app.start(createOrder, orderOf(id))).result();
        await (await app.start(takePayment, { paymentId: `p ${id}`, orderId: id })).result();
        await until(async () => {
          const checks = await app.list({ job: "cancel-unpaid" });
          return checks.some(({ key, status }) => key === id && status === "completed");
        });
      },
      check: (id) => expectOneEnd(provider, id, `p ${id}`),
    });
  });

  async function expectOneEnd(provider: Provider, id: string, paymentId: string): Promise<void> {
    const state = await stateOf(world.db, id);
    const paidBack = [...provider.effects.values()].filter((what) => what === `pay back ${paymentId}`).length;
    const ends = { "paid.wait-pick": [99, 0], canceled: [100, 1] };
    expect(Object.keys(ends)).toContain(state);
    expect([await unitsOf(world.db, id), paidBack]).toEqual(ends[state as keyof typeof ends]);
  }
});
