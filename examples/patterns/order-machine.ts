// The states of an order, for all patterns that move one. Sub-states of `paid` are the warehouse's; the last one moves the
// order on in the same update. Money goes back from paid, delivered and completed alike, by way of `refunding`.
import { stateMachine } from "makegood";
import type { Shop } from "./shop.ts";

export const orderMachine = (shop: Shop) =>
  stateMachine(shop, "order", {
    table: "orders",
    version: "version",
    initial: "wait-pay",
    states: {
      "wait-pay": { on: { pay: "paid", cancel: "canceled" } },
      paid: {
        initial: "wait-pick",
        onDone: "wait-deliver",
        on: { refund: "refunding" },
        states: {
          "wait-pick": { on: { pick: "picking" } },
          picking: { on: { picked: "wait-pack" } },
          "wait-pack": { on: { pack: "packing" } },
          packing: { on: { packed: "ready" } },
          ready: { final: true },
        },
      },
      "wait-deliver": { on: { ship: "delivering" } },
      delivering: { on: { arrive: "delivered" } },
      delivered: { on: { complete: "completed", refund: "refunding" } },
      completed: { on: { refund: "refunding" } },
      refunding: { on: { refunded: "refunded" } },
      refunded: { final: true },
      canceled: { final: true },
    },
  });

export type OrderMachine = ReturnType<typeof orderMachine>;
