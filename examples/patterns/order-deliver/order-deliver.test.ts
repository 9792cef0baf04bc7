import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { gate } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Carrier, deliverOrder } from "./job.ts";
import * as naive from "./naive.ts";

const carrierOf = (provider: Provider): Carrier => ({ ship: async (id, key) => provider.do(key, `ship ${id}`) });

describeWorlds("order-deliver", (world) => {
  it("naive: two workers ship, then one of them fails", async () => {
    const provider = new Provider();
    await insertOrder(world.db, "A-1", "wait-deliver");
    const { reached, pass, open } = gate();
    const first = naive.deliverOrder(world.db, carrierOf(provider), "A-1", pass);
    await reached;
    await naive.deliverOrder(world.db, carrierOf(provider), "A-1");
    open();
    await expect(first).rejects.toThrow("shipped by somebody else");
    expect([...provider.effects.values()]).toEqual(["ship A-1", "ship A-1"]);
  });

  it("of five requests at once one ships, the others have failed before anything left", async () => {
    const provider = new Provider();
    await insertOrder(world.db, "A-1", "wait-deliver");
    const job = deliverOrder(world.shop, carrierOf(provider));
    const app = await world.run(job);
    const outcomes = await Promise.all(
      [1, 2, 3, 4, 5].map(async (n) => (await app.start(job, { requestId: `r-${n}`, orderId: "A-1" })).outcome()),
    );
    expect(outcomes.map(({ state }) => state).sort()).toEqual(["completed", "failed", "failed", "failed", "failed"]);
    expect(provider.calls).toEqual(["ship A-1"]);
    expect(await stateOf(world.db, "A-1")).toBe("delivering");
  });

  it("killed at any point and asked again, with a second request beside it, one parcel leaves", async () => {
    const provider = new Provider();
    const job = deliverOrder(world.shop, carrierOf(provider));
    await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => insertOrder(world.db, id, "wait-deliver"),
      act: (app, orderId) =>
        Promise.all(
          ["one", "two"].map(async (who) =>
            (await app.start(job, { requestId: `${orderId} ${who}`, orderId })).outcome(),
          ),
        ),
      check: async (id) => {
        expect(await stateOf(world.db, id)).toBe("delivering");
        expect([...provider.effects.values()].filter((what) => what === `ship ${id}`).length).toBe(1);
      },
    });
  });
});
