// Order, stock and balance: a database of ours, somebody else's service, another database of ours. Each undo has the key of its
// action, or a barrier in its transaction, so it may be repeated; an undo whose action never came undoes nothing.
import { job, RefusedError } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import type { Shop } from "../shop.ts";

const Order = z.object({ id: z.string(), customer: z.string(), code: z.string(), cents: z.int().positive() });

export interface Warehouse {
  /** One effect per key. */
  take(code: string, key: string): Promise<string>;
  /** Gives back what was taken under the key, once, or keeps it from being taken later. */
  giveBack(code: string, takenKey: string): Promise<unknown>;
}

export const placeOrder = (shop: Shop, warehouse: Warehouse, bank: Shop) => {
  const machine = orderMachine(shop);
  return job("saga-transaction", { input: Order, key: (it) => it.id }, async (ctx, { id, customer, code, cents }) => {
    await ctx.tx(shop, "order", {
      run: (tx) =>
        tx
          .insertInto("orders")
          .values({ id, state: machine.initial, customer, code, units: 1, cents, version: 1 })
          .execute()
          .then(() => undefined),
      compensate: (tx) => machine.move(tx, { id }, "cancel", { by: ctx.job }),
    });
    await ctx.step("stock", {
      run: ({ key }) => warehouse.take(code, key),
      compensate: ({ actionKey }) => warehouse.giveBack(code, actionKey),
      retry: { backoff: { initial: "50ms" } },
    });
    await ctx.tx(bank, "balance", {
      run: async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable("accounts")
          .set((eb) => ({ cents: eb("cents", "-", cents) }))
          .where("name", "=", customer)
          .where("cents", ">=", cents)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) throw new RefusedError(`${customer} has too little money`);
      },
      compensate: (tx) =>
        tx
          .updateTable("accounts")
          .set((eb) => ({ cents: eb("cents", "+", cents) }))
          .where("name", "=", customer)
          .execute(),
    });
    // The decision. What is behind it goes forward only.
    await ctx.pivot();
    await ctx.tx(shop, "paid", { run: (tx) => machine.move(tx, { id }, "pay", { by: ctx.job }) });
  });
};
