// Every five minutes, the last ten; stock first, then the state.
import { type ShopDb, unitsOf } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

const windowMs = 600_000;

export const find = (db: ShopDb, now: number) =>
  db
    .selectFrom("orders")
    .select(["id", "code"])
    .where("state", "=", "failed")
    .where("failed_at", ">", now - windowMs)
    .execute();

/** Gives what it found. */
export async function scan(db: ShopDb, now: number, afterStock?: Pause): Promise<readonly string[]> {
  const rows = await find(db, now);
  for (const { id, code } of rows) {
    const units = (await unitsOf(db, code)) ?? 0;
    await db
      .updateTable("stock")
      .set({ units: units + 1 })
      .where("code", "=", code)
      .execute();
    await afterStock?.();
    await db.updateTable("orders").set({ state: "canceled" }).where("id", "=", id).execute();
  }
  return rows.map(({ id }) => id);
}
