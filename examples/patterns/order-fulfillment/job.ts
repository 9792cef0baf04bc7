// The warehouse scans an order from wait-pick to wait-deliver. Main state and sub-state are one column, so the last scan moves
// both in one update; a scan that comes twice is taken once, and one that is illegal is refused and remembered as refused.
import { job } from "makegood";
import * as z from "zod";
import { orderMachine } from "../order-machine.ts";
import type { Shop } from "../shop.ts";

export const scans = ["pick", "picked", "pack", "packed"] as const;

const Scan = z.object({ scanId: z.string(), orderId: z.string(), event: z.enum(scans), by: z.string() });

export const takeScan = (shop: Shop) => {
  const order = orderMachine(shop);
  return job("order-fulfillment", { input: Scan, key: (scan) => scan.scanId }, (ctx, { scanId, orderId, event, by }) =>
    ctx.tx(shop, "move", {
      run: async (tx) => (await order.tryMove(tx, { id: orderId }, event, { eventId: scanId, by })).kind,
      irreversible: "what was scanned was scanned",
    }),
  );
};
