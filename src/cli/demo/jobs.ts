import { type AnyJob, type Context, type Job, type JobOptions, job, type StepName } from "../../index.ts";
import type { Books } from "./books.ts";
import { type JobName, type Movement, undoOf } from "./movements.ts";
import { orderSchema } from "./order-schema.ts";
import { type Order, orderPence, orderUnits, pointsFor } from "./orders.ts";

/** What an execution says that it moved. */
export interface OrderResult {
  readonly units: number;
  readonly pence: number;
  readonly points: number;
}

export interface DemoJobs {
  readonly placeOrder: Job<Order, Order, OrderResult>;
  readonly cancelOrder: Job<Order, Order, OrderResult>;
  readonly all: readonly AnyJob[];
}

/** Adds one movement to its book as a step of the execution; taken back if the execution turns back. */
type Move = (ctx: Context, name: StepName, movement: Movement) => Promise<unknown>;

/**
 * The two jobs. They read the same with and without our guard; `isGuarded` chooses between the two moves at the end of
 * this file, and that is the whole difference.
 */
export function defineJobs<Tx>(books: Books<Tx>, isGuarded: boolean): DemoJobs {
  const move = isGuarded ? guardedMove(books) : unguardedMove(books);

  const placeOrder = job("place-order", options, async (ctx: Context, order: Order): Promise<OrderResult> => {
    const { invoice, customer } = order;
    const about = { job: "place-order", invoice } satisfies Partial<Movement> & { job: JobName };
    const pence = orderPence(order);
    const points = pointsFor(pence);

    await move(ctx, "create order", { ...about, book: "orders", step: "create", subject: customer, amount: 1 });
    for (const { number, stockCode, quantity } of order.lines)
      await move(ctx, ["take stock", number], {
        ...about,
        book: "stock",
        step: `take ${number}`,
        subject: stockCode,
        amount: -quantity,
      });
    await move(ctx, "charge", { ...about, book: "accounts", step: "charge", subject: customer, amount: pence });
    await ctx.pivot();
    if (points > 0)
      await move(ctx, "award points", { ...about, book: "points", step: "award", subject: customer, amount: points });
    return { units: orderUnits(order), pence, points };
  });

  const cancelOrder = job("cancel-order", options, async (ctx: Context, order: Order): Promise<OrderResult> => {
    const { invoice, customer } = order;
    const about = { job: "cancel-order", invoice } satisfies Partial<Movement> & { job: JobName };
    const pence = orderPence(order);

    for (const { number, stockCode, quantity } of order.lines)
      await move(ctx, ["give back", number], {
        ...about,
        book: "stock",
        step: `give back ${number}`,
        subject: stockCode,
        amount: quantity,
      });
    await move(ctx, "refund", { ...about, book: "accounts", step: "refund", subject: customer, amount: -pence });
    return { units: orderUnits(order), pence, points: 0 };
  });

  return { placeOrder, cancelOrder, all: [placeOrder, cancelOrder] };
}

const options: JobOptions<Order, Order> = {
  input: orderSchema,
  key: (order) => order.invoice,
  version: 1,
  // The participants are near, and what fails here passes soon: a database busy for a moment, a lock of a killed process.
  retry: { maxAttempts: 12, backoff: { initial: 20, max: 1_000 } },
};

/** Movement and barrier row in one commit of the participant's own database: whatever is repeated, it happens once. */
function guardedMove<Tx>(books: Books<Tx>): Move {
  return (ctx, name, movement) =>
    ctx.tx(books.participants[books.databaseOf(movement)], name, {
      run: (tx) => books.append(tx, movement),
      compensate: (tx) => books.append(tx, undoOf(movement)),
    });
}

/** The same movement in a commit of its own, with nothing that would know it again: a crash before it is recorded doubles it. */
function unguardedMove<Tx>(books: Books<Tx>): Move {
  return (ctx, name, movement) =>
    ctx.step(name, {
      run: () => books.appendAlone(movement),
      compensate: () => books.appendAlone(undoOf(movement)),
    });
}
