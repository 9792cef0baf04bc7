// A list in memory of what is done, undone in reverse in the `catch`; and the service's undo has no key: when its answer is lost,
// it is asked for again.
import { insertOrder, type ShopDb, unitsOf } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

export interface KeylessWarehouse {
  change(code: string, units: number): Promise<void>;
}

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly code: string;
  readonly cents: number;
}

export async function placeOrder(
  db: ShopDb,
  warehouse: KeylessWarehouse,
  { id, customer, code, cents }: Order,
  beforeBalance?: Pause,
): Promise<"paid" | "rolled back"> {
  const undos: (() => Promise<unknown>)[] = [];
  try {
    await insertOrder(db, id, "paid");
    undos.push(() => db.deleteFrom("orders").where("id", "=", id).execute());
    await warehouse.change(code, -1);
    undos.push(() => again(() => warehouse.change(code, 1)));
    await beforeBalance?.();
    await charge(db, customer, cents);
    return "paid";
  } catch {
    for (const undo of undos.reverse()) await undo();
    return "rolled back";
  }
}

async function charge(db: ShopDb, customer: string, cents: number): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable("accounts")
    .set((eb) => ({ cents: eb("cents", "-", cents) }))
    .where("name", "=", customer)
    .where("cents", ">=", cents)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new Error(`${customer} has too little money`);
}

async function again(run: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await run();
    } catch (error) {
      if (attempt === 3) throw error;
    }
}

interface Troubles {
  /** So many answers to what takes, or gives back, are lost. */
  readonly lostTakes?: number;
  readonly lostReturns?: number;
  /** So many times nothing can be given back. */
  readonly failedReturns?: number;
}

export function warehouseOn(
  db: ShopDb,
  { lostTakes = 0, lostReturns = 0, failedReturns = 0 }: Troubles,
): KeylessWarehouse {
  const left = { take: lostTakes, return: lostReturns, failed: failedReturns };
  return {
    async change(code, units) {
      if (units > 0 && left.failed-- > 0) throw new Error("the warehouse is away");
      const before = (await unitsOf(db, code)) ?? 0;
      await db
        .updateTable("stock")
        .set({ units: before + units })
        .where("code", "=", code)
        .execute();
      if (left[units > 0 ? "return" : "take"]-- > 0) throw new Error("no answer in time");
    },
  };
}
