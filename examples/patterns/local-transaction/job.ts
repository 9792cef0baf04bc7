// Several writes in one database: all of them or none. makegood begins and ends the transaction; a body that throws is rolled
// back before its connection goes back to the pool, and the record of the step is part of the same commit.
import { job, RefusedError } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

export const Order = z.object({ id: z.string(), customer: z.string(), code: z.string(), cents: z.int().positive() });
export type Order = z.infer<typeof Order>;

export const buy = (shop: Shop) =>
  job("local-transaction", { input: Order, key: (order) => order.id }, async (ctx, order) => {
    await ctx.tx(shop, "buy", { run: (tx) => writeAll(tx, order), irreversible: "one commit, nothing after it" });
  });

/** Three writes; the last one may refuse. */
export async function writeAll(on: ShopDb, { id, customer, code, cents }: Order): Promise<void> {
  await on.insertInto("orders").values({ id, state: "paid", customer, code, units: 1, cents, version: 1 }).execute();
  await on
    .updateTable("stock")
    .set((eb) => ({ units: eb("units", "-", 1) }))
    .where("code", "=", code)
    .execute();
  const { numUpdatedRows } = await on
    .updateTable("accounts")
    .set((eb) => ({ cents: eb("cents", "-", cents) }))
    .where("name", "=", customer)
    .where("cents", ">=", cents)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new RefusedError(`${customer} has too little money`);
}
