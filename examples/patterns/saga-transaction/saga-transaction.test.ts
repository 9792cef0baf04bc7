import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Embedded, openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { centsOf, insertAccount, insertStock, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { grave, type Pause } from "../testing/gate.ts";
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

  describe("naive:", () => {
    const order = { id: "A-1", customer: "bob", code: "cup", cents: 10 };
    const place = (troubles: Parameters<typeof naive.warehouseOn>[1], beforeBalance?: Pause) =>
      naive.placeOrder(world.db, naive.warehouseOn(world.db, troubles), order, beforeBalance);
    const left = async () => [await stateOf(world.db, "A-1"), await unitsOf(world.db, "cup")];
    beforeEach(async () => {
      await insertAccount(world.db, "bob", 5);
      await insertStock(world.db, "cup", 100);
    });

    it("an undo whose answer is lost gives back twice", async () => {
      expect(await place({ lostReturns: 1 })).toBe("rolled back");
      expect(await left()).toEqual([undefined, 101]);
    });

    it("a step that timed out is not undone", async () => {
      expect(await place({ lostTakes: 1 })).toBe("rolled back");
      expect(await left()).toEqual([undefined, 99]);
    });

    it("the list is lost in a crash", async () => {
      const { reached, pass } = grave();
      void place({}, pass);
      await reached;
      expect(await left()).toEqual(["paid", 99]);
    });

    it("the first failing undo stops the rest", async () => {
      await expect(place({ failedReturns: 3 })).rejects.toThrow("the warehouse is away");
      expect(await left()).toEqual(["paid", 99]);
    });
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
