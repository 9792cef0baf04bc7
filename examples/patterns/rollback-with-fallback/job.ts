// When a rollback fails for good, a person has to know. What tells them is one commit: the task in their list, and one message
// on a topic of the shop's, from which the alarm and whatever else listens are told. All of it is there, or none of it yet.
import { job, onMessage, topic } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

const Order = z.object({ id: z.string() });
const Failure = z.object({ id: z.string(), why: z.string() });

/** The dead letters: subscribe to them with a job of yours. */
export const rollbackFailed = topic("order.rollback-failed", Failure);

export interface Bank {
  pay(orderId: string, key: string): Promise<string>;
  payBack(orderId: string, paymentKey: string): Promise<unknown>;
}
export interface Carrier {
  ship(orderId: string, key: string): Promise<string>;
}

const undoAttempts = 3;

export const placeOrder = (shop: Shop, db: ShopDb, bank: Bank, carrier: Carrier) =>
  job("rollback-with-fallback", { input: Order, key: (order) => order.id }, async (ctx, { id }) => {
    await ctx.step("pay", {
      run: ({ key }) => bank.pay(id, key),
      compensate: ({ actionKey, attempt }) =>
        bank.payBack(id, actionKey).catch((error: Error) => {
          if (attempt < undoAttempts) throw error;
          return handOver(shop, db, { id, why: error.message });
        }),
      retry: { maxAttempts: undoAttempts + 2, backoff: { initial: "20ms" } },
    });
    await ctx.step("ship", {
      run: ({ key }) => carrier.ship(id, key),
      irreversible: "the last step",
    });
  });

/** Safe to repeat: whoever died after this commit is told by the record that it is there. */
const handOver = (shop: Shop, db: ShopDb, failure: z.infer<typeof Failure>) =>
  db.transaction().execute((tx) =>
    shop.once(tx, { scope: "rollback-failed", key: failure.id }, async () => {
      await tx.insertInto("manual_tasks").values(failure).execute();
      await shop.publish(tx, rollbackFailed, failure, { id: failure.id });
    }),
  );

export interface Pager {
  page(text: string, key: string): Promise<unknown>;
}

export const raiseAlarm = (pager: Pager) =>
  job("raise-alarm", { input: Failure, on: [onMessage(rollbackFailed)] }, async (ctx, { id, why }) => {
    await ctx.step("page", {
      run: async ({ key }) => void (await pager.page(`order ${id} is not rolled back: ${why}`, key)),
      irreversible: "a person was called",
    });
  });
