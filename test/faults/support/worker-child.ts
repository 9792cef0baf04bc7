/**
 * A worker process as a service runs it: claims and runs executions of every plot until it is told to stop, or is killed.
 * Says "ready" once, and "frozen" and "revived" if it was asked to stop itself at a point. Ends when its parent does.
 */
import { createInterface } from "node:readline";
import { makegood } from "../../../src/makegood.ts";
import { makePlots } from "./plots.ts";
import { freeze, Points, type Spot } from "./points.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface WorkerArguments {
  readonly place: Place;
  readonly name: string;
  readonly leaseMs: number;
  /** Where it stops itself by SIGSTOP, once. */
  readonly freezeAt?: Spot;
  readonly maxCrashes?: number;
  readonly concurrency?: number;
}

const args = JSON.parse(process.argv[2] ?? "null") as WorkerArguments | null;
await (args === null ? warmUp() : live(args));

async function live({
  place,
  name,
  leaseMs,
  freezeAt,
  maxCrashes = 5,
  concurrency = 64,
}: WorkerArguments): Promise<void> {
  const input = createInterface({ input: process.stdin });
  const points = new Points(freezeAt ?? null, freeze);
  const world = await openWorld(place, points.at);
  const app = makegood({
    store: world.store,
    namespace: place.name,
    workerName: name,
    lease: leaseMs,
    poll: "30ms",
    maxCrashes,
    concurrency,
  });
  app.register(...Object.values(makePlots(world)));
  await app.run();
  process.stdout.write("ready\n");
  input.on("line", (line) => {
    if (line === "stop") void app.stop().then(() => process.exit(0));
  });
  input.on("close", () => process.exit(4));
}
