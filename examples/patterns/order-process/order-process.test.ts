import { expect, it } from "vitest";
import { insertOrder, noted, stateOf } from "../shop.ts";
import { crashEverywhere, until } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { deliverPoints, orderPaid, payOrder } from "./job.ts";
import * as naive from "./naive.ts";

describeWorlds(
  "order-process",
  (world) => {
    it("naive: a crash between commit and sending leaves an order that is paid and that nobody hears of", async () => {
      const sent: string[] = [];
      await insertOrder(world.db, "A-1", "wait-pay");
      const { reached, pass } = grave();
      void naive.payOrder(world.db, (id) => sent.push(id), "A-1", pass);
      await reached;
      expect([await stateOf(world.db, "A-1"), sent]).toEqual(["paid", []]);
    });

    it("naive: the consumer cancels an order that has merely moved on", async () => {
      await insertOrder(world.db, "A-1", "wait-deliver");
      await naive.deliverPoints(world.db, "A-1");
      expect(await stateOf(world.db, "A-1")).toBe("canceled");
    });

    it.each([
      ["paid.picking", ["points"]],
      ["wait-deliver", ["points"]],
      ["completed", ["points"]],
      ["refunding", []],
      ["canceled", []],
    ] as const)(
      "told twice of an order that is %s by now, the consumer awards %j and leaves it as it is",
      async (state, points) => {
        const id = `${world.namespace} A-1`;
        await insertOrder(world.db, id, state);
        const job = deliverPoints(world.shop);
        const app = await world.run(job);
        for (const messageId of ["one", "two"])
          await world.adapter.transaction((tx) =>
            world.shop.publish(tx, orderPaid, { orderId: id }, { id: `${id} ${messageId}` }),
          );
        await until(async () =>
          (await app.list({ job: "deliver-points" })).some((it) => it.key === id && it.endedAt !== null),
        );
        expect([await noted(world.db, id), await stateOf(world.db, id)]).toEqual([points, state]);
      },
    );

    it("what rolls back is never heard of", async () => {
      const id = `${world.namespace} A-1`;
      await insertOrder(world.db, id, "wait-pay");
      const rolledBack = world.adapter.transaction(async (tx) => {
        await world.shop.publish(tx, orderPaid, { orderId: id }, { id });
        throw new Error("crash");
      });
      await expect(rolledBack).rejects.toThrow("crash");
      const [paying, points] = [payOrder(world.shop), deliverPoints(world.shop)];
      const app = await world.run(paying, points);
      // A message of its own comes after it, and is heard of.
      await insertOrder(world.db, `${id} later`, "wait-pay");
      await (await app.start(paying, { paymentId: id, orderId: `${id} later` })).result();
      await until(async () => (await noted(world.db, `${id} later`)).length > 0);
      expect(await noted(world.db, id)).toEqual([]);
    });

    it("killed at any point and paid again, the points are awarded once", async () => {
      const [paying, points] = [payOrder(world.shop), deliverPoints(world.shop)];
      const deaths = await crashEverywhere(world, {
        jobs: [paying, points],
        prepare: (id) => insertOrder(world.db, id, "wait-pay"),
        act: async (app, id) => {
          await (await app.start(paying, { paymentId: `p ${id}`, orderId: id })).result();
          await until(async () => (await noted(world.db, id)).length > 0);
        },
        check: async (id) => {
          expect(await noted(world.db, id)).toEqual(["points"]);
          expect(await stateOf(world.db, id)).toBe("paid.wait-pick");
        },
      });
      expect(deaths).toBeGreaterThan(1);
    });
  },
  { hasMessages: true },
);
