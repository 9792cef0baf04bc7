// Confirms inside the `try`, so that a confirm that fails cancels what is confirmed; and nobody remembers what was tried.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import { type Bank, freeze, type Order, takeFrozen, thaw } from "./job.ts";

export async function tccOrder(
  db: ShopDb,
  bank: Bank,
  order: Order,
  betweenTries?: Pause,
): Promise<"done" | "canceled"> {
  try {
    await freeze(db, order);
    await betweenTries?.();
    await bank.hold(order, order.id);
    await takeFrozen(db, order);
    await bank.settle(order, `${order.id} settle`);
    return "done";
  } catch {
    await thaw(db, order);
    await bank.release(order, order.id);
    return "canceled";
  }
}
