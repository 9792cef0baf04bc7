// Commits, then sends; and the consumer compensates whatever is not in the one state that it expects.
import { note, type ShopDb, stateOf } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

export async function payOrder(db: ShopDb, send: (id: string) => void, id: string, beforeSend?: Pause): Promise<void> {
  await db.updateTable("orders").set({ state: "paid" }).where("id", "=", id).where("state", "=", "wait-pay").execute();
  await beforeSend?.();
  send(id);
}

export async function deliverPoints(db: ShopDb, id: string): Promise<void> {
  if ((await stateOf(db, id)) === "paid") return note(db, "points", id);
  await db.updateTable("orders").set({ state: "canceled" }).where("id", "=", id).execute();
}
