import { type Participant, stateMachine } from "makegood";

export type OrderEvent = "create" | "approve" | "ship" | "deliver" | "cancel" | "withdraw" | "process" | "invoice";

export const table = "order_lifecycle";

/** A row begins as `expected`: that it is created is an event like the others, which may come twice. */
export const orderMachine = <Tx, M extends "async" | "sync">(on: Participant<Tx, M>) =>
  stateMachine(on, "order-lifecycle", {
    table,
    initial: "expected",
    refusals: "record",
    states: {
      expected: { on: { create: "created" } },
      created: { on: { approve: "approved", cancel: "canceled", withdraw: "unavailable" } },
      approved: {
        initial: "plain",
        // For each sub-state.
        on: { ship: "shipped", cancel: "canceled", withdraw: "unavailable" },
        states: {
          plain: { on: { process: "processing", invoice: "invoiced" } },
          processing: {},
          invoiced: {},
        },
      },
      shipped: { on: { deliver: "delivered" } },
      delivered: { final: true },
      canceled: { final: true },
      unavailable: { final: true },
    },
  });
