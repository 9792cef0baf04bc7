import type { App, Execution } from "../../index.ts";
import type { Evidence } from "./check.ts";
import type { DemoJobs, OrderResult } from "./jobs.ts";
import type { Intake } from "./orders.ts";

const startsAtOnce = 64;

export interface Submitted {
  readonly starts: Evidence["starts"];
  /** By invoice. */
  readonly executions: ReadonlyMap<string, Execution<OrderResult>>;
}

/**
 * Each order goes in twice: every other one both times at once, as by a double click; the rest again after all orders
 * have been submitted, as by a client that never heard the answer. The key answers the second with the first's execution.
 */
export async function submitTwice(app: App, jobs: DemoJobs, intake: Intake, signal: AbortSignal): Promise<Submitted> {
  const submissions = [
    ...intake.orders.map((order) => ({ job: jobs.placeOrder, order })),
    ...intake.cancellations.map((order) => ({ job: jobs.cancelOrder, order })),
  ].map((it, index) => ({ ...it, isDoubleClick: index % 2 === 0 }));
  const late = submissions.filter((it) => !it.isDoubleClick);
  const calls = [...submissions.flatMap((it) => (it.isDoubleClick ? [it, it] : [it])), ...late];
  const executions = new Map<string, Execution<OrderResult>>();
  const starts = { calls: calls.length, firsts: 0, strays: 0 };
  const submit = async ({ job, order }: (typeof calls)[number]): Promise<void> => {
    const execution = await app.start(job, order);
    const known = executions.get(order.invoice) ?? execution;
    if (execution.isNew) starts.firsts++;
    if (execution.id !== known.id) starts.strays++;
    executions.set(order.invoice, known);
  };
  for (let at = 0; at < calls.length; at += startsAtOnce) {
    signal.throwIfAborted();
    await Promise.all(calls.slice(at, at + startsAtOnce).map(submit));
  }
  return { starts, executions };
}
