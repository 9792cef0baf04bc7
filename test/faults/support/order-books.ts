/** What many executions of the plot `buys` must have come to, seen from the places where they had their effects. */
import type { App } from "../../../src/engine/app.ts";
import { expected } from "./plots.ts";
import type { World } from "./world.ts";

const receiptCount = expected.buys.effects.length;

/** What is wrong; empty if every key completed, with every effect once and its own receipts. */
export async function faultsInOrders(
  app: App,
  world: World,
  executions: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const faults: string[] = [];
  const receipts = new Set<string>();
  for (const { place, what, receipt } of await world.timeline()) {
    if (!receipt.includes(`/${what}/`)) faults.push(`unexpected effect: ${place} ${what} ${receipt}`);
    if (receipts.has(receipt)) faults.push(`twice: ${receipt}`);
    receipts.add(receipt);
  }
  if (receipts.size !== executions.size * receiptCount)
    faults.push(`expected ${executions.size * receiptCount} effects, found ${receipts.size}`);
  for (const [key, id] of executions) {
    const outcome = await app.execution<readonly string[]>(id).outcome();
    if (outcome.state !== "completed") faults.push(`${key} ended as ${outcome.state}`);
    else if (outcome.result.some((receipt) => !receipt.startsWith(`${key}/`) || !receipts.has(receipt)))
      faults.push(`${key} was given ${outcome.result.join(", ")}`);
  }
  const { ready, running, waiting, parked, completed } = await app.counts();
  if (ready + running + waiting + parked > 0 || completed !== executions.size)
    faults.push(
      `expected ${executions.size} completed and none unfinished, found ${JSON.stringify(await app.counts())}`,
    );
  return faults;
}
