// Ships, then updates; the update is checked, but the parcel is gone.
import { randomUUID } from "node:crypto";
import { type ShopDb, stateOf } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import type { Carrier } from "./job.ts";

export async function deliverOrder(db: ShopDb, carrier: Carrier, id: string, afterShipping?: Pause): Promise<void> {
  if ((await stateOf(db, id)) !== "wait-deliver") return;
  await carrier.ship(id, randomUUID());
  await afterShipping?.();
  const { numUpdatedRows } = await db
    .updateTable("orders")
    .set({ state: "delivering" })
    .where("id", "=", id)
    .where("state", "=", "wait-deliver")
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new Error(`order ${id} was shipped by somebody else`);
}
