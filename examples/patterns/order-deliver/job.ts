// First the checked move, then the parcel. Of two who want to ship an order one moves it, and only that one calls the carrier.
import { job, RefusedError } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import type { Shop } from "../shop.ts";

const Request = z.object({ requestId: z.string(), orderId: z.string() });

export interface Carrier {
  /** One parcel per key. */
  ship(orderId: string, key: string): Promise<string>;
}

/** A request has a key of its own, so that it does not rest on the key that there is one parcel for an order. */
export const deliverOrder = (shop: Shop, carrier: Carrier) => {
  const order = orderMachine(shop);
  return job("order-deliver", { input: Request, key: (it) => it.requestId }, async (ctx, { requestId, orderId }) => {
    await ctx.tx(shop, "move", {
      run: async (tx) => {
        const move = await order.tryMove(tx, { id: orderId }, "ship", { by: requestId });
        if (move.kind !== "moved") throw new RefusedError(`order ${orderId} is not to be shipped: ${move.kind}`);
      },
      irreversible: "the parcel follows",
    });
    await ctx.pivot();
    return ctx.step("ship", { run: ({ key }) => carrier.ship(orderId, key) });
  });
};
