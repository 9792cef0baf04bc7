// Types that must keep working: a machine's states and events are read off its definition. Checked by tsc; never run.
import type { DatabaseSync } from "node:sqlite";
import type { PoolClient } from "pg";
import { stateMachine } from "../../participant/machine/machine.ts";
import type { Machine, MoveResult } from "../../participant/machine/types.ts";
import type { Participant } from "../participant.ts";
import type { EventOf, StateOf } from "./spec.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

declare const orders: Participant<PoolClient, "async">;
declare const ledger: Participant<DatabaseSync, "sync">;

const order = stateMachine(orders, "order", {
  table: "orders",
  initial: "waitPay",
  states: {
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
  },
});
type OrderState = typeof order extends { parse(v: unknown): infer S } ? S : never;
same<
  OrderState,
  | "waitPay"
  | "paid.waitPick"
  | "paid.picking"
  | "paid.waitPack"
  | "paid.packing"
  | "paid.ready"
  | "waitDeliver"
  | "delivered"
  | "refunding"
  | "refunded"
  | "completed"
  | "canceled"
>(true);

export async function moves(tx: PoolClient, loaded: { id: string; state: OrderState }): Promise<void> {
  const to = await order.move(tx, { id: "1", state: "waitPay" }, "pay");
  same<typeof to, OrderState>(true);
  // @ts-expect-error a completed order takes no events
  await order.move(tx, { id: "1", state: "completed" }, "pay");
  await order.move(tx, { id: "1", state: "paid.picking" }, "refund"); // inherited from the main state
  // @ts-expect-error not from this sub-state
  await order.move(tx, { id: "1", state: "paid.picking" }, "packed");
  if (loaded.state === "waitDeliver") await order.move(tx, { ...loaded, state: loaded.state }, "deliver");
  // @ts-expect-error another database's transaction
  await order.move({ run: () => 1 }, { id: "1", state: "waitPay" }, "pay");
  const r = await order.tryMove(tx, loaded, "deliver"); // state not known to the types: the database refuses
  if (r.kind === "stale") r.actual satisfies OrderState;
  same<typeof r, MoveResult<OrderState>>(true);
  await order.tryMove(tx, { id: 7 }, "deliver", { eventId: "m-1", by: "courier", reason: "at the door" });
  // @ts-expect-error no state takes such an event
  await order.tryMove(tx, { id: 7 }, "fly");
  // @ts-expect-error no such state
  await order.tryMove(tx, { id: 7, state: "paid" }, "refund");
  if (order.is(loaded.state, "paid")) {
    same<typeof loaded.state, "paid.waitPick" | "paid.picking" | "paid.waitPack" | "paid.packing" | "paid.ready">(true);
  }
  // @ts-expect-error no such state
  order.is(loaded.state, "payed");
  same<ReturnType<typeof order.eventsOf<"waitPay">>, readonly ("pay" | "cancel")[]>(true);
  const lines = await order.history(tx, "1");
  lines[0]?.at satisfies Date | undefined;
  await order.migrateRows({ old: "waitPay", older: "paid", oldest: "paid.picking" });
  // @ts-expect-error no such state
  await order.migrateRows({ old: "payed" });
}

// @ts-expect-error a target that does not exist
stateMachine(orders, "bad", { table: "t", initial: "a", states: { a: { on: { go: "nowhere" } } } });
stateMachine(orders, "bad", {
  table: "t",
  // @ts-expect-error an initial state that does not exist
  initial: "b",
  states: { a: { on: { go: "a" } } },
});
stateMachine(orders, "bad", {
  table: "t",
  initial: "a",
  // @ts-expect-error a guarded target that does not exist
  states: { a: { on: { go: [{ to: "nowhere", guard: "g" }, "a"] } } },
});
stateMachine(orders, "bad", {
  table: "t",
  initial: "a",
  // @ts-expect-error an initial sub-state that does not exist
  states: { a: { initial: "y", states: { x: { on: { go: "x" } } } } },
});

// Guards, several targets, paths of sub-states, entry data.
const loan = stateMachine(orders, "loan", {
  table: "loan",
  version: "version",
  initial: "asked",
  guards: { isSmall: (row: { amount: number }, payload: { limit: number }) => row.amount <= payload.limit },
  states: {
    asked: { on: { decide: [{ to: "granted", guard: "isSmall" }, { to: "review.second" }] } },
    review: {
      initial: "first",
      states: { first: { on: { grant: "granted" } }, second: { on: { grant: "granted", again: "first" } } },
    },
    granted: { final: true, entry: (payload: { at: Date }) => ({ granted_at: payload.at }) },
  },
});
same<ReturnType<typeof loan.parse>, "asked" | "review.first" | "review.second" | "granted">(true);

// A synchronous client: answers are no promises.
const entry = stateMachine(ledger, "entry", {
  table: "entry",
  initial: "open",
  states: { open: { on: { close: "closed" } }, closed: { final: true } },
});
export function post(tx: DatabaseSync): "open" | "closed" {
  const result = entry.tryMove(tx, { id: 1, state: "open" }, "close");
  same<typeof result, MoveResult<"open" | "closed">>(true);
  // @ts-expect-error the pool of another database
  entry.move({} as PoolClient, { id: 1, state: "open" }, "close");
  return entry.move(tx, { id: 1, state: "open" }, "close");
}
entry satisfies Machine<{ open: { on: { close: "closed" } }; closed: { final: true } }, DatabaseSync, "sync">;

same<StateOf<{ a: object }>, "a">(true);
same<EventOf<{ a: { on: { x: "a"; y: "a" } } }, "a">, "x" | "y">(true);
