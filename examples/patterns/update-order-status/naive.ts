// "0 rows" is read as "already done"; and a balance is computed from what was read a while ago.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

export async function updateOrderStatus(
  db: ShopDb,
  { orderId, version, state }: { readonly orderId: string; readonly version: number; readonly state: string },
): Promise<"updated" | "already done"> {
  const { numUpdatedRows } = await db
    .updateTable("orders")
    .set({ state, version: version + 1 })
    .where("id", "=", orderId)
    .where("version", "=", version)
    .executeTakeFirst();
  return numUpdatedRows === 1n ? "updated" : "already done";
}

export async function withdraw(db: ShopDb, account: string, cents: number, afterRead?: Pause): Promise<void> {
  const row = await db.selectFrom("accounts").select("cents").where("name", "=", account).executeTakeFirstOrThrow();
  await afterRead?.();
  await db
    .updateTable("accounts")
    .set({ cents: row.cents - cents })
    .where("name", "=", account)
    .execute();
}
