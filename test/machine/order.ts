/** An order with a main state in which goods are picked and packed: the example of the docs and of many tests. */
export const orderStates = {
  waitPay: { on: { pay: "paid", cancel: "canceled" } },
  paid: {
    initial: "waitPick",
    onDone: "waitDeliver",
    on: { refund: "refunding" },
    states: {
      waitPick: { on: { startPicking: "picking" } },
      picking: { on: { picked: "waitPack" } },
      waitPack: { on: { startPacking: "packing" } },
      packing: { on: { packed: "ready" } },
      ready: { final: true },
    },
  },
  waitDeliver: { on: { deliver: "delivered", cancel: "canceled", refund: "refunding" } },
  delivered: { on: { complete: "completed", refund: "refunding" } },
  refunding: { on: { refunded: "refunded" } },
  refunded: { final: true },
  completed: { final: true },
  canceled: { final: true },
} as const;
