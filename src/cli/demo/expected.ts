import { linePence } from "./money.ts";
import type { Book } from "./movements.ts";
import { type Intake, maxChargePence, type Order } from "./orders.ts";

/** How much of each kind there is, in the words of the demo's last line. */
export interface Totals {
  /** Executions of place-order. */
  readonly completed: number;
  readonly compensated: number;
  /** Executions of cancel-order that completed. */
  readonly canceled: number;
  readonly unitsTaken: number;
  readonly unitsReturned: number;
  readonly penceCharged: number;
  readonly penceRefunded: number;
  readonly points: number;
}

export interface Expected extends Totals {
  /** Of every stock code and customer, as the books must show them. A subject without an entry has 0. */
  readonly balances: Readonly<Record<Book, ReadonlyMap<string, number>>>;
  /** Rows of the books, with those that compensation adds. */
  readonly movementCount: number;
}

/** The right result, from the orders and the rules alone: nothing here knows of jobs, engine or databases. */
export function expectFrom({ orders, cancellations }: Intake): Expected {
  const tally = new Tally();
  const isCharged = (order: Order): boolean => totalOf(order).pence <= maxChargePence;
  for (const order of orders) {
    if (isCharged(order)) tally.addCompleted(order);
    else tally.addCompensated(order);
  }
  for (const cancellation of cancellations) tally.addCanceled(cancellation);
  return tally;
}

class Tally implements Expected {
  completed = 0;
  compensated = 0;
  canceled = 0;
  unitsTaken = 0;
  unitsReturned = 0;
  penceCharged = 0;
  penceRefunded = 0;
  points = 0;
  movementCount = 0;
  readonly balances = {
    orders: new Map<string, number>(),
    stock: new Map<string, number>(),
    accounts: new Map<string, number>(),
    points: new Map<string, number>(),
  };

  addCompleted(order: Order): void {
    const { units, pence } = totalOf(order);
    const points = Math.floor(pence / 100);
    this.completed++;
    this.unitsTaken += units;
    this.penceCharged += pence;
    this.points += points;
    this.movementCount += 2 + order.lines.length + (points > 0 ? 1 : 0);
    for (const line of order.lines) add(this.balances.stock, line.stockCode, -line.quantity);
    add(this.balances.orders, order.customer, 1);
    add(this.balances.accounts, order.customer, pence);
    add(this.balances.points, order.customer, points);
  }

  /** The order and every line go there and back; the refused charge leaves nothing. */
  addCompensated(order: Order): void {
    this.compensated++;
    this.movementCount += 2 * (1 + order.lines.length);
  }

  addCanceled(order: Order): void {
    const { units, pence } = totalOf(order);
    this.canceled++;
    this.unitsReturned += units;
    this.penceRefunded += pence;
    this.movementCount += order.lines.length + 1;
    for (const line of order.lines) add(this.balances.stock, line.stockCode, line.quantity);
    add(this.balances.accounts, order.customer, -pence);
  }
}

function totalOf(order: Order): { readonly units: number; readonly pence: number } {
  let units = 0;
  let pence = 0;
  for (const line of order.lines) {
    units += line.quantity;
    pence += linePence(line.quantity, line.unitPrice);
  }
  return { units, pence };
}

export function add(sums: Map<string, number>, subject: string, amount: number): void {
  sums.set(subject, (sums.get(subject) ?? 0) + amount);
}
