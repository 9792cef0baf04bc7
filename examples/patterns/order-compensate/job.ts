// Every five minutes, whatever failed in the last ten is made good: one fix for each order, never two at once. How far a scan
// looks back is counted from the last one that finished, so it does not matter for how long nothing ran.
import { type Duration, every, job, reconcile } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

const OrderId = z.object({ id: z.string() });

/** State and stock are one commit, and the state decides: an order that is not failed any more gives nothing back. */
const giveBack = (shop: Shop) =>
  job("give-back", { input: OrderId }, (ctx, { id }) =>
    ctx.tx(shop, "give back", {
      run: async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable("orders")
          .set({ state: "canceled" })
          .where("id", "=", id)
          .where("state", "=", "failed")
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) return "was good already";
        const order = await tx.selectFrom("orders").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
        await tx
          .updateTable("stock")
          .set((eb) => ({ units: eb("units", "+", order.units) }))
          .where("code", "=", order.code)
          .execute();
        return "given back";
      },
      irreversible: "it is the undoing itself",
    }),
  );

/** Register both. */
export const orderCompensate = (shop: Shop, db: ShopDb, window: Duration = "10m") => {
  const fix = giveBack(shop);
  const scan = reconcile("order-compensate", {
    schedule: every("5m"),
    window,
    find: ({ since, after, limit }) =>
      db
        .selectFrom("orders")
        .select("id")
        .where("state", "=", "failed")
        .where("failed_at", ">", since.getTime())
        .where("id", ">", after ?? "")
        .orderBy("id")
        .limit(limit)
        .execute(),
    key: (row) => row.id,
    fix,
    input: (row) => ({ id: row.id }),
  });
  return { scan, fix };
};
