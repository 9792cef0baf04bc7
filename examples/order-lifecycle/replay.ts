// 16 workers, each of which does one thing after another. An order's events go out one after another, each to two workers at
// once: which of the two is first, the row's lock decides.
import { randomUUID } from "node:crypto";
import type { OrderEvent } from "./machine.ts";
import type { Order } from "./orders.ts";
import type { Shop } from "./shop.ts";

export interface Report {
  readonly orders: number;
  /** Distinct ones. */
  readonly events: number;
  readonly applied: number;
  readonly refused: number;
  /** Second deliveries. */
  readonly duplicates: number;
  /** Main states, counted in the database. */
  readonly finalStates: Readonly<Record<string, number>>;
}

const workerCount = 16;
const insertBatch = 500;

/** Each run has orders of its own in the database: run again, it does not meet those of the run before. */
export async function replay(shop: Shop, orders: readonly Order[]): Promise<Report> {
  const run = randomUUID();
  const idOf = (order: Order): string => `${run}/${order.id}`;
  for (let at = 0; at < orders.length; at += insertBatch)
    await shop.expect(run, orders.slice(at, at + insertBatch).map(idOf));

  const tally = { moved: 0, refused: 0, duplicate: 0 };
  const workers = Array.from({ length: workerCount }, (_, n) => new Worker(shop, `worker-${n + 1}`));
  const workerAt = (n: number): Worker => workers[n % workerCount] as Worker;
  const drive = async (order: Order, nth: number): Promise<void> => {
    for (const [step, event] of order.events.entries()) {
      const [one, other] = [workerAt(nth + step), workerAt(nth + step + 1 + (nth % (workerCount - 1)))];
      const fates = await Promise.all([one.deliver(idOf(order), event), other.deliver(idOf(order), event)]);
      for (const fate of fates) tally[fate]++;
    }
  };
  const waiting = orders.entries();
  // As many orders at once as keep every worker busy.
  await Promise.all(
    workers.map(async () => {
      for (const [nth, order] of waiting) await drive(order, nth);
    }),
  );

  const events = orders.reduce((sum, order) => sum + order.events.length, 0);
  const { moved: applied, refused, duplicate: duplicates } = tally;
  if (applied + refused !== events || duplicates !== events)
    throw new Error(`expected ${events} events, each taken once and met again once, found ${JSON.stringify(tally)}`);
  return { orders: orders.length, events, applied, refused, duplicates, finalStates: await shop.countStates(run) };
}

class Worker {
  readonly #shop: Shop;
  readonly #name: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(shop: Shop, name: string) {
    this.#shop = shop;
    this.#name = name;
  }

  /** Behind what this worker was given before. */
  deliver(id: string, event: OrderEvent): ReturnType<Shop["deliver"]> {
    const turn = this.#last.then(() => this.#shop.deliver(id, event, this.#name));
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
