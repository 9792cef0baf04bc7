// The undo has no key: when its answer is lost, it is asked for again.
import { note, type ShopDb, unitsOf } from "../shop.ts";

export interface KeylessWarehouse {
  change(code: string, units: number): Promise<void>;
}

export async function placeOrder(db: ShopDb, warehouse: KeylessWarehouse, id: string, code: string): Promise<void> {
  await note(db, "order", id);
  await warehouse.change(code, -1);
  try {
    throw new Error("too little money");
  } catch {
    await again(() => warehouse.change(code, 1));
    await db.deleteFrom("book").where("about", "=", id).execute();
  }
}

async function again(run: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await run();
    } catch (error) {
      if (attempt === 3) throw error;
    }
}

/** A service whose answers get lost, `losses` of those to what gives back. */
export function warehouseOn(db: ShopDb, losses: number): KeylessWarehouse {
  let left = losses;
  return {
    async change(code, units) {
      const before = (await unitsOf(db, code)) ?? 0;
      await db
        .updateTable("stock")
        .set({ units: before + units })
        .where("code", "=", code)
        .execute();
      if (units > 0 && left-- > 0) throw new Error("no answer in time");
    },
  };
}
