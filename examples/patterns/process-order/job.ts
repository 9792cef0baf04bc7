// An order earns points once, however often the work is asked for, and by however many at once. Its id is the key: one
// execution for each order. Points and the record that they were given are one commit.
import { job } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

export const Order = z.object({ id: z.string(), customer: z.string(), points: z.int().positive() });
export type Order = z.infer<typeof Order>;

export const processOrder = (shop: Shop) =>
  job("process-order", { input: Order, key: (order) => order.id }, async (ctx, order) => {
    await ctx.tx(shop, "award points", { run: (tx) => awardPoints(tx, order), irreversible: "points are kept" });
    return order.points;
  });

/** Where there is no job, in a handler or a consumer of yours: the same promise, inside a transaction that you hold. */
export const processOrderInside = (shop: Shop, tx: Parameters<Shop["once"]>[0], order: Order) =>
  shop.once(tx, { scope: "process-order", key: order.id, input: order }, () => awardPoints(tx, order));

/** Not idempotent by nature: done twice, it counts twice. */
export async function awardPoints(on: ShopDb, { customer, points }: Order): Promise<void> {
  await on
    .updateTable("accounts")
    .set((eb) => ({ cents: eb("cents", "+", points) }))
    .where("name", "=", customer)
    .execute();
}
