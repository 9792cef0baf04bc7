// Stock and balance are frozen first. When both are, that decision is recorded, and from then on both are confirmed, each as
// often as it takes; before it, whatever fails or dies leads to both being thawed. No branch is ever confirmed beside a
// canceled one.
import { job, RefusedError } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

export const Order = z.object({
  id: z.string(),
  code: z.string(),
  units: z.int().positive(),
  cents: z.int().positive(),
});
export type Order = z.infer<typeof Order>;

/** Another team's service. One effect per key; the release of a hold that it never saw blocks it. */
export interface Bank {
  hold(order: Order, key: string): Promise<string>;
  settle(order: Order, key: string): Promise<unknown>;
  release(order: Order, holdKey: string): Promise<unknown>;
}

export const tccOrder = (shop: Shop, bank: Bank) =>
  job("tcc-order", { input: Order, key: (order) => order.id }, async (ctx, order) => {
    await ctx.tcc(shop, "stock", {
      try: (tx) => freeze(tx, order),
      confirm: (tx) => takeFrozen(tx, order),
      cancel: (tx) => thaw(tx, order),
    });
    await ctx.tcc("balance", {
      try: ({ key }) => bank.hold(order, key),
      confirm: ({ key }) => bank.settle(order, key),
      cancel: ({ actionKey }) => bank.release(order, actionKey),
      retry: { backoff: { initial: "50ms" } },
    });
    // Returning is the decision.
  });

export async function freeze(on: ShopDb, { code, units }: Order): Promise<void> {
  const { numUpdatedRows } = await on
    .updateTable("stock")
    .set((eb) => ({ held: eb("held", "+", units) }))
    .where("code", "=", code)
    .where((eb) => eb(eb("units", "-", eb.ref("held")), ">=", units))
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new RefusedError(`too few of ${code}`);
}

export async function takeFrozen(on: ShopDb, { code, units }: Order): Promise<void> {
  await on
    .updateTable("stock")
    .set((eb) => ({ held: eb("held", "-", units), units: eb("units", "-", units) }))
    .where("code", "=", code)
    .execute();
}

export async function thaw(on: ShopDb, { code, units }: Order): Promise<void> {
  await on
    .updateTable("stock")
    .set((eb) => ({ held: eb("held", "-", units) }))
    .where("code", "=", code)
    .execute();
}
