import type { Status } from "../../index.ts";
import type { ExecutionSeen } from "./check.ts";
import { type JobName, type Movement, referenceOf, undoOf } from "./movements.ts";
import { type Intake, type Order, orderPence, pointsFor } from "./orders.ts";

export interface Accounted {
  /** Movements that happened more often than the executions account for. */
  readonly appliedTwice: number;
  /** Each reference of those, with how often it is there. */
  readonly excess: readonly string[];
  /** What is missing, or moved another amount or for another subject than the order says. */
  readonly gaps: readonly string[];
}

/** Every row of the books against what the executions must have moved, by business reference. */
export function compareWithExecutions(
  intake: Intake,
  executions: readonly ExecutionSeen[],
  movements: readonly Movement[],
): Accounted {
  const found = Map.groupBy(movements, referenceOf);
  const orders = new Map([...intake.orders, ...intake.cancellations].map((it) => [it.invoice, it]));
  const excess: string[] = [];
  const gaps: string[] = [];
  let appliedTwice = 0;
  const compare = (movement: Movement, least: number, most: number): number => {
    const reference = referenceOf(movement);
    const rows = found.get(reference) ?? [];
    found.delete(reference);
    const isWrong = rows.some((row) => row.subject !== movement.subject || row.amount !== movement.amount);
    if (isWrong) gaps.push(`${reference} has another amount or subject than the order`);
    if (rows.length < least) gaps.push(`${reference} is missing`);
    if (rows.length > most) excess.push(`${reference}: ${rows.length} times, not ${most}`);
    appliedTwice += Math.max(0, rows.length - most);
    return rows.length;
  };
  for (const execution of executions) {
    const order = orders.get(execution.invoice);
    if (order === undefined) gaps.push(`${execution.job} ${execution.invoice} belongs to no order`);
    else for (const movement of movementsOf(execution.job, order)) compareStep(execution.status, movement, compare);
  }
  for (const [reference, rows] of found) {
    excess.push(`${reference}: ${rows.length} times, not 0`);
    appliedTwice += rows.length;
  }
  return { appliedTwice, excess, gaps };
}

/** A completed execution did each step once. A compensated one undid as many as it did. Of an open one nothing more is known. */
function compareStep(
  status: Status,
  movement: Movement,
  compare: (it: Movement, least: number, most: number) => number,
): void {
  const count = compare(movement, status === "completed" ? 1 : 0, 1);
  const undone = Math.min(count, 1);
  if (status === "completed") compare(undoOf(movement), 0, 0);
  else compare(undoOf(movement), status === "compensated" ? undone : 0, undone);
}

function movementsOf(job: JobName, order: Order): Movement[] {
  const { invoice, customer } = order;
  const pence = orderPence(order);
  const at = { job, invoice } as const;
  const customers = { ...at, subject: customer } as const;
  if (job === "cancel-order")
    return [
      ...order.lines.map(
        (it) =>
          ({
            ...at,
            book: "stock",
            step: `give back ${it.number}`,
            subject: it.stockCode,
            amount: it.quantity,
          }) as const,
      ),
      { ...customers, book: "accounts", step: "refund", amount: -pence },
    ];
  const award = { ...customers, book: "points", step: "award", amount: pointsFor(pence) } as const;
  return [
    { ...customers, book: "orders", step: "create", amount: 1 },
    ...order.lines.map(
      (it) =>
        ({ ...at, book: "stock", step: `take ${it.number}`, subject: it.stockCode, amount: -it.quantity }) as const,
    ),
    { ...customers, book: "accounts", step: "charge", amount: pence },
    ...(award.amount > 0 ? [award] : []),
  ];
}
