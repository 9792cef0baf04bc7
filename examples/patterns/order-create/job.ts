// An order that is not paid within half an hour is canceled. The check is started with the order, so it is there if the order is;
// the cancel and a payment that arrives just then are two events of one machine, of which one moves the order. The payment that
// lost is given back.
import { type Duration, job } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import type { Shop, ShopDb } from "../shop.ts";

const Order = z.object({ id: z.string(), customer: z.string(), code: z.string(), cents: z.int().positive() });
const OrderId = z.object({ id: z.string(), code: z.string() });
const Payment = z.object({ paymentId: z.string(), orderId: z.string() });

export interface Bank {
  /** One effect per key. */
  payBack(paymentId: string, key: string): Promise<string>;
}

export const orderJobs = (shop: Shop, bank: Bank, patience: Duration = "30m") => {
  const machine = orderMachine(shop);

  const cancelUnpaid = job("cancel-unpaid", { input: OrderId, key: ({ id }) => id }, (ctx, { id, code }) =>
    ctx.tx(shop, "cancel", {
      run: async (tx) => {
        const { kind } = await machine.tryMove(tx, { id }, "cancel", { by: ctx.job, reason: "not paid in time" });
        if (kind === "moved") await changeStock(tx, code, 1);
        return kind;
      },
      irreversible: "a canceled order stays canceled",
    }),
  );

  const createOrder = job("order-create", { input: Order, key: ({ id }) => id }, async (ctx, order) => {
    const { id, code } = order;
    await ctx.tx(shop, "create", {
      run: async (tx) => {
        await tx
          .insertInto("orders")
          .values({ ...order, state: machine.initial, units: 1, version: 1 })
          .execute();
        await changeStock(tx, code, -1);
      },
      irreversible: "the check cancels it",
    });
    await ctx.start(cancelUnpaid, { id, code }, { delay: patience });
  });

  const takePayment = job("take-payment", { input: Payment, key: (it) => it.paymentId }, async (ctx, payment) => {
    const { paymentId, orderId } = payment;
    const move = await ctx.tx(shop, "pay", {
      run: async (tx) => (await machine.tryMove(tx, { id: orderId }, "pay", { eventId: paymentId })).kind,
      irreversible: "the money is here",
    });
    if (move === "moved" || move === "duplicate") return "taken";
    await ctx.pivot();
    await ctx.step("pay back", { run: ({ key }) => bank.payBack(paymentId, key) });
    return "paid back";
  });

  return { createOrder, cancelUnpaid, takePayment };
};

export async function changeStock(on: ShopDb, code: string, units: number): Promise<void> {
  await on
    .updateTable("stock")
    .set((eb) => ({ units: eb("units", "+", units) }))
    .where("code", "=", code)
    .execute();
}
