// A payment is given back once. The order says that it is being refunded before any money moves; the record of the refund is
// held by a lease with a fence, so that one who was overtaken knows; and the bank hears one key, whoever asks.
import { type Duration, idempotent, job, RefusedError } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import type { Shop } from "../shop.ts";

const Refund = z.object({ orderId: z.string() });

export interface Bank {
  /** One effect per key. */
  refund(orderId: string, key: string): Promise<string>;
}

/** For whoever refunds outside of a job, too. `lease`: how long a silent one is waited for. */
export const refundOnce = (shop: Shop, bank: Bank, lease: Duration = "30s") =>
  idempotent(
    { on: shop, scope: "refund", key: (orderId: string) => orderId, lease, ifBusy: { wait: "60s" } },
    (orderId, run) => {
      run.assertHeld();
      return bank.refund(orderId, run.key);
    },
  );

export const refundPayment = (shop: Shop, bank: Bank, lease?: Duration) => {
  const order = orderMachine(shop);
  const refund = refundOnce(shop, bank, lease);
  return job("payment-refund", { input: Refund, key: (it) => it.orderId }, async (ctx, { orderId }) => {
    await ctx.tx(shop, "begin", {
      run: async (tx) => {
        const move = await order.tryMove(tx, { id: orderId }, "refund", { by: ctx.job });
        if (move.kind !== "moved") throw new RefusedError(`order ${orderId} cannot be refunded: ${move.kind}`);
      },
      irreversible: "a refund is not called off",
    });
    await ctx.pivot();
    const receipt = await ctx.step("refund", { run: () => refund(orderId), effect: "recorded", timeout: "2m" });
    await ctx.tx(shop, "end", { run: (tx) => order.move(tx, { id: orderId, state: "refunding" }, "refunded") });
    return receipt;
  });
};
