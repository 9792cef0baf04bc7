// Check, work and insert: three commits.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import { awardPoints, type Order } from "./job.ts";

interface Pauses {
  readonly afterCheck?: Pause;
  readonly afterWork?: Pause;
}

export async function processOrder(db: ShopDb, order: Order, pauses: Pauses = {}): Promise<"processed" | "already"> {
  const record = await db.selectFrom("records").selectAll().where("id", "=", order.id).executeTakeFirst();
  if (record !== undefined) return "already";
  await pauses.afterCheck?.();
  await awardPoints(db, order);
  await pauses.afterWork?.();
  await db.insertInto("records").values({ id: order.id, status: "done", taken_at: 0 }).execute();
  return "processed";
}
