import { participant } from "makegood";
import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { crashEverywhere, mortalAdapter } from "../testing/crash.ts";
import { gate, type Pause } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Bank, refundOnce, refundPayment } from "./job.ts";
import * as naive from "./naive.ts";

/** `before`: what the call waits for on its way. */
const bankOf = (provider: Provider, before?: Pause): Bank => ({
  async refund(orderId, key) {
    await before?.();
    return provider.do(key, `refund ${orderId}`);
  },
});

describeWorlds("payment-refund", (world) => {
  it("naive: two insert or update, and both refund", async () => {
    const provider = new Provider();
    const { reached, pass, open } = gate();
    const first = naive.refund(world.db, bankOf(provider), "A-1", { now: 0, afterCheck: pass });
    await reached;
    await naive.refund(world.db, bankOf(provider), "A-1", { now: 0 });
    open();
    await first;
    expect([...provider.effects.values()]).toEqual(["refund A-1", "refund A-1"]);
  });

  it("naive: one that was taken over wakes up, and refunds as well", async () => {
    const provider = new Provider();
    const { reached, pass, open } = gate();
    const frozen = naive.refund(world.db, bankOf(provider), "A-1", { now: 0, afterClaim: pass });
    await reached;
    await naive.refund(world.db, bankOf(provider), "A-1", { now: 31 });
    open();
    await frozen;
    expect([...provider.effects.values()]).toEqual(["refund A-1", "refund A-1"]);
  });

  it("one that froze is overtaken under the same key, and its late call changes nothing", async () => {
    const provider = new Provider();
    const key = `${world.namespace} A-1`;
    const frozen = mortalAdapter(world.adapter);
    const { reached, pass, open } = gate();
    const first = refundOnce(participant("shop", frozen.adapter), bankOf(provider, pass), "1s")(key);
    first.catch(() => undefined);
    await reached;
    frozen.kill();
    expect(await refundOnce(world.shop, bankOf(provider), "1s")(key)).toBe("receipt 1");
    frozen.revive();
    open();
    await expect(first).rejects.toMatchObject({ code: "RECORD_LEASE_LOST" });
    expect(provider.calls.length).toBe(2);
    expect([...provider.effects.values()]).toEqual([`refund ${key}`]);
  });

  it("ten at once refund once, and one that comes later is given the same receipt", async () => {
    const provider = new Provider();
    const refund = refundOnce(world.shop, bankOf(provider));
    const answers = await Promise.all(Array.from({ length: 10 }, () => refund(world.namespace)));
    expect(new Set(answers)).toEqual(new Set(["receipt 1"]));
    expect(provider.calls.length).toBe(1);
  });

  it("killed at any point and asked again, an order is refunded once, from paid, delivered and completed alike", async () => {
    const provider = new Provider();
    const job = refundPayment(world.shop, bankOf(provider), "1s");
    const states = ["paid.picking", "delivered", "completed"];
    let count = 0;
    await crashEverywhere(world, {
      jobs: [job],
      prepare: (id) => insertOrder(world.db, id, states[count++ % 3] ?? ""),
      act: async (app, orderId) => (await app.start(job, { orderId })).result(),
      check: async (id) => {
        expect(await stateOf(world.db, id)).toBe("refunded");
        expect([...provider.effects.values()].filter((what) => what === `refund ${id}`).length).toBe(1);
      },
    });
    await insertOrder(world.db, "B-1", "wait-pay");
    const app = await world.run(job);
    expect(await (await app.start(job, { orderId: "B-1" })).outcome()).toMatchObject({ state: "failed" });
  });
});
