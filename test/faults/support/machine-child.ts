/**
 * One life of a process that moves a row of the far database into a state with work, does that work, and waits until the
 * row has come to its end and all executions have. With `deadly` it kills itself at that point. Says "done" when they have.
 */
import { setTimeout as wait } from "node:timers/promises";
import { job } from "../../../src/core/define.ts";
import type { App } from "../../../src/engine/app.ts";
import { makegood } from "../../../src/makegood.ts";
import { newReceipt } from "./book.ts";
import { order, parcelOf, stateIn } from "./parcel.ts";
import { die, Points, pointedSockets, type Spot } from "./points.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface MachineArguments {
  readonly place: Place;
  readonly deadly: Spot | null;
  /** Does not work, nor relay: moves the row and says "moved". */
  readonly onlyMoves?: boolean;
}

const args = JSON.parse(process.argv[2] ?? "null") as MachineArguments | null;
await (args === null ? warmUp() : live(args));

async function live({ place, deadly, onlyMoves = false }: MachineArguments): Promise<void> {
  setTimeout(() => process.exit(3), 60_000).unref();
  const points = new Points(deadly, die);
  pointedSockets(points.at);
  const world = await openWorld(place, points.at);
  const { far } = world;
  const pick = job<string>("pick", {}, async (ctx) => {
    const run = (tx: unknown) => far.add(tx, "pick", newReceipt(ctx.key, "pick"));
    await ctx.tx(far.on, "pick", { run, irreversible: "test" });
  });
  const parcel = parcelOf(world, pick);
  const app = makegood({
    store: world.store,
    namespace: place.name,
    workerName: "one",
    participants: [far.on],
    lease: "1s",
    poll: "30ms",
    maxCrashes: 50,
  });
  await parcel.drive(app);
  if (!onlyMoves) await app.run();
  await order(world, parcel);
  if (onlyMoves) process.stdout.write("moved\n");
  while ((await stateIn(world)) !== "sent" || (await isBusy(app))) await wait(10);
  await app.stop();
  process.stdout.write(`done ${points.seen.length}\n`);
  process.exit(0);
}

async function isBusy(app: App): Promise<boolean> {
  const { ready, running, waiting } = await app.counts();
  return ready + running + waiting > 0;
}
