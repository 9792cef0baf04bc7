// A delay level in place of a time; and a cancel that decides by what it read a moment ago.
import { type ShopDb, stateOf } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import { changeStock } from "./job.ts";

/**
 * Those of RocketMQ, counted from 1; a level beyond the last one is taken for the last one.
 * https://rocketmq.apache.org/docs/4.x/producer/04message3/: eighteen levels. The default of `messageDelayLevel` in
 * `MessageStoreConfig` is this text in 4.9.8 and in 5.3.1; the broker lowers what is greater, in `CommitLog` of 4.9.8 and
 * in `HookUtils` of 5.3.1.
 */
const delayLevels = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".split(" ");

export const delayOfLevel = (level: number): string => delayLevels[Math.min(level, delayLevels.length) - 1] ?? "none";

/** Half an hour, as its author thought. */
export const checkLevel = 30;

export async function cancelUnpaid(db: ShopDb, id: string, code: string, afterCheck?: Pause): Promise<void> {
  if ((await stateOf(db, id)) !== "wait-pay") return;
  await afterCheck?.();
  await db.updateTable("orders").set({ state: "canceled" }).where("id", "=", id).execute();
  await changeStock(db, code, 1);
}

export async function takePayment(db: ShopDb, id: string): Promise<void> {
  await db.updateTable("orders").set({ state: "paid" }).where("id", "=", id).execute();
}
