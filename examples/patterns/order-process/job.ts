// The order is paid and says so: one commit. Who hears of it verifies what it heard by the order itself, and asks whether the
// payment still stands, not whether the order is still in the state of back then: meanwhile it may have moved on.
import { job, onMessage, topic } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import { note, type Shop } from "../shop.ts";

const Payment = z.object({ paymentId: z.string(), orderId: z.string() });
const Paid = z.object({ orderId: z.string() });

export const orderPaid = topic("order.paid", Paid);

export const payOrder = (shop: Shop) => {
  const order = orderMachine(shop);
  return job("order-process", { input: Payment, key: (it) => it.paymentId }, (ctx, { paymentId, orderId }) =>
    ctx.tx(shop, "pay", {
      run: async (tx) => {
        const { kind } = await order.tryMove(tx, { id: orderId }, "pay", { eventId: paymentId });
        if (kind === "moved") await shop.publish(tx, orderPaid, { orderId }, { id: orderId, orderingKey: orderId });
        return kind;
      },
      irreversible: "the money is here",
    }),
  );
};

/** Where the payment does not, or no longer, stand. */
const unpaid = ["wait-pay", "canceled", "refunding", "refunded"];

export const deliverPoints = (shop: Shop) =>
  job(
    "deliver-points",
    { input: Paid, key: ({ orderId }) => orderId, on: [onMessage(orderPaid)] },
    (ctx, { orderId }) =>
      ctx.tx(shop, "verify and award", {
        run: async (tx) => {
          const row = await tx.selectFrom("orders").select("state").where("id", "=", orderId).executeTakeFirst();
          if (row === undefined || unpaid.includes(row.state)) return "not awarded";
          await note(tx, "points", orderId);
          return "awarded";
        },
        irreversible: "points are kept",
      }),
  );
