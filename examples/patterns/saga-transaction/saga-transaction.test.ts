import { afterAll, beforeAll, expect, it } from "vitest";
import { type Embedded, openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { centsOf, insertAccount, insertStock, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { placeOrder, type Warehouse } from "./job.ts";
import * as naive from "./naive.ts";

const warehouseOf = (provider: Provider): Warehouse => ({
  take: async (code, key) => provider.do(key, `take ${code}`),
  giveBack: async (code, takenKey) => provider.undo(takenKey, `take ${code}`),
});
const taken = (provider: Provider, code: string) =>
  [...provider.effects.values()].filter((what) => what === `take ${code}`).length;

describeWorlds("saga-transaction", (world) => {
  /** A database that is not the engine's. */
  let bank: Embedded;
  beforeAll(async () => {
    bank = await openEmbedded();
  });
  afterAll(() => bank.close());

  it("naive: an undo whose answer is lost gives back twice", async () => {
    await insertStock(world.db, "cup", 100);
    await naive.placeOrder(world.db, naive.warehouseOn(world.db, 1), "A-1", "cup");
    expect(await unitsOf(world.db, "cup")).toBe(101);
  });

  const orderOf = (id: string) => ({ id, customer: id, code: id, cents: 10 });

  it("killed at any point and asked again, an order that can be paid has each effect once", async () => {
    const provider = new Provider();
    const job = placeOrder(world.shop, warehouseOf(provider), bank.shop);
    await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => {
        provider.trouble(`take ${id}`, "answer-lost", 1);
        return insertAccount(bank.db, `${world.kind} ${id}`, 10);
      },
      act: async (app, id) => (await app.start(job, { ...orderOf(id), customer: `${world.kind} ${id}` })).result(),
      check: async (id) => {
        expect(await stateOf(world.db, id)).toBe("paid.wait-pick");
        expect(taken(provider, id)).toBe(1);
        expect(await centsOf(bank.db, `${world.kind} ${id}`)).toBe(0);
      },
    });
  });

  it("killed at any point and asked again, one that cannot is undone once, though answers to undos are lost", async () => {
    const provider = new Provider();
    const job = placeOrder(world.shop, warehouseOf(provider), bank.shop);
    const deaths = await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => {
        provider.trouble(`undo take ${id}`, "answer-lost", 1);
        return insertAccount(bank.db, `${world.kind} ${id}`, 5);
      },
      act: async (app, id) => {
        const execution = await app.start(job, { ...orderOf(id), customer: `${world.kind} ${id}` });
        expect((await execution.outcome()).state).toBe("compensated");
      },
      check: async (id) => {
        expect(await stateOf(world.db, id)).toBe("canceled");
        expect(taken(provider, id)).toBe(0);
        expect(await centsOf(bank.db, `${world.kind} ${id}`)).toBe(5);
      },
    });
    expect(deaths).toBeGreaterThan(1);
  });
});
