import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { insertStock } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Bank, type Order, tccOrder } from "./job.ts";
import * as naive from "./naive.ts";

const bankOf = (provider: Provider): Bank => ({
  hold: async ({ id }, key) => provider.do(key, `hold ${id}`),
  settle: async ({ id }, key) => provider.do(key, `settle ${id}`),
  release: async ({ id }, holdKey) => provider.undo(holdKey, `hold ${id}`),
});
const orderOf = (id: string): Order => ({ id, code: id, units: 1, cents: 10 });

describeWorlds("tcc-order", (world) => {
  const stockOf = (code: string) =>
    world.db.selectFrom("stock").select(["units", "held"]).where("code", "=", code).executeTakeFirst();
  const effectsOf = (provider: Provider, id: string) =>
    [...provider.effects.values()].filter((what) => what.endsWith(` ${id}`)).sort();

  it("naive: a confirm that fails rolls back what is confirmed already", async () => {
    const provider = new Provider().trouble("settle A-1", "fails", 1);
    await insertStock(world.db, "A-1", 100);
    expect(await naive.tccOrder(world.db, bankOf(provider), orderOf("A-1"))).toBe("canceled");
    // The cup is gone, though the order is canceled, and less than nothing is frozen.
    expect(await stockOf("A-1")).toEqual({ units: 99, held: -1 });
  });

  it("naive: a crash between the tries freezes for ever", async () => {
    await insertStock(world.db, "A-1", 100);
    const { reached, pass } = grave();
    void naive.tccOrder(world.db, bankOf(new Provider()), orderOf("A-1"), pass);
    await reached;
    await naive.tccOrder(world.db, bankOf(new Provider()), orderOf("A-1"));
    expect(await stockOf("A-1")).toEqual({ units: 99, held: 1 });
  });

  it("killed at any point and asked again, with a confirm that fails: both are confirmed, once", async () => {
    const provider = new Provider();
    const job = tccOrder(world.shop, bankOf(provider));
    const deaths = await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => {
        provider.trouble(`settle ${id}`, "fails", 1);
        return insertStock(world.db, id, 100);
      },
      act: async (app, id) => (await app.start(job, orderOf(id))).result(),
      check: async (id) => {
        expect(await stockOf(id)).toEqual({ units: 99, held: 0 });
        expect(effectsOf(provider, id)).toEqual([`hold ${id}`, `settle ${id}`]);
      },
    });
    expect(deaths).toBeGreaterThan(1);
  });

  it("killed at any point and asked again, with a hold that is refused or whose answer is lost: nothing stays frozen", async () => {
    const provider = new Provider();
    const job = tccOrder(world.shop, bankOf(provider));
    let count = 0;
    await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => {
        if (count++ % 2 === 0) provider.trouble(`hold ${id}`, "refused");
        else provider.trouble(`hold ${id}`, "answer-lost");
        return insertStock(world.db, id, 100);
      },
      act: async (app, id) => {
        const execution = await app.start(job, orderOf(id));
        expect((await execution.outcome()).state).toBe("compensated");
      },
      check: async (id) => {
        expect(await stockOf(id)).toEqual({ units: 100, held: 0 });
        expect(effectsOf(provider, id)).toEqual([]);
      },
    });
  });
});
