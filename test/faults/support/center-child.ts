/**
 * A center as a process of its own: fires schedules and runs nothing, until it is told to stop, or is killed. Says "ready" once.
 * Ends when its parent does.
 */
import { createInterface } from "node:readline";
import { makegood } from "../../../src/makegood.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface CenterArguments {
  readonly place: Place;
  readonly name: string;
}

const args = JSON.parse(process.argv[2] ?? "null") as CenterArguments | null;
await (args === null ? warmUp() : live(args));

async function live({ place, name }: CenterArguments): Promise<void> {
  const input = createInterface({ input: process.stdin });
  const world = await openWorld(place);
  const app = makegood({ store: world.store, namespace: place.name, workerName: name, poll: "50ms" });
  await app.run();
  process.stdout.write("ready\n");
  input.on("line", (line) => {
    if (line === "stop") void app.stop().then(() => process.exit(0));
  });
  input.on("close", () => process.exit(4));
}
