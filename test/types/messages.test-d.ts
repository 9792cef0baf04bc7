// What the compiler knows of messages: their payloads, and the inputs of the jobs that they start.
import { job, type Message, type MessageTrigger, onMessage, type Topic, topic } from "makegood";
import { same } from "./equal.ts";
import { Cents, type FileTx, Id, ledger, Order, type OrderTx, orders } from "./world.ts";

declare const orderTx: OrderTx;
declare const fileTx: FileTx;

const orderPlaced = topic("order.placed", Order);
const paid = topic("paid", Cents);
const nudge = topic("nudge");
same<typeof paid, Topic<string, number>>(true);

// ── Publishing: the payload is the schema's input, the transaction is the participant's own ────────────────────────

const order = { id: "A-17", at: "2026-11-22", lines: [] };
const published = orders.publish(orderTx, orderPlaced, order, {
  orderingKey: order.id,
  delay: "30m",
  headers: { a: "b" },
});
same<typeof published, Promise<string>>(true);
const publishedAtOnce = ledger.publish(fileTx, paid, "17");
same<typeof publishedAtOnce, string>(true);
same<ReturnType<typeof ledger.cancelMessages>, number>(true);
same<ReturnType<typeof orders.cancelMessages>, Promise<number>>(true);
await orders.publish(orderTx, nudge, undefined);
// @ts-expect-error another participant's transaction
ledger.publish(orderTx, paid, "17");
// @ts-expect-error the payload is what the schema takes, not what it gives
await orders.publish(orderTx, paid, 17);
// @ts-expect-error options are known by name
await orders.publish(orderTx, paid, "17", { key: "A" });

// ── Subscribing: a trigger supplies the job's input ────────────────────────────────────────────────────────────────

same<ReturnType<typeof onMessage<string, number>>, MessageTrigger<string>>(true);
job("pack", { input: Order, on: [onMessage(orderPlaced)] }, async (_ctx, input) => {
  same<typeof input.at, Date>(true);
});
// What the order has besides is dropped by the schema.
job("award-points", { input: Id, key: (it) => it.id, on: [onMessage(orderPlaced)] }, async () => {});
job(
  "mail",
  {
    input: Id,
    on: [
      onMessage(orderPlaced),
      onMessage(paid, {
        input: (message) => {
          same<typeof message, Message<string>>(true);
          return { id: message.headers["order"] ?? message.id };
        },
      }),
    ],
  },
  async () => {},
);
// @ts-expect-error the topic's payload is not this job's input
job("wrong", { input: Order, on: [onMessage(paid)] }, async () => {});
// @ts-expect-error nor is what is made of it
job("wrong", { input: Id, on: [onMessage(paid, { input: (message) => message.id })] }, async () => {});
// @ts-expect-error a topic is no trigger
job("wrong", { input: Order, on: [orderPlaced] }, async () => {});
