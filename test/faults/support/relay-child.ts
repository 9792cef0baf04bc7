/**
 * One life of a process that relays the messages of the far database into a job, which notes each in the far book. With
 * `deadly` it kills itself at that point. Says "done" and how many points it came to when all are noted.
 */
import { setTimeout as wait } from "node:timers/promises";
import { job } from "../../../src/core/define.ts";
import { onMessage } from "../../../src/core/message.ts";
import { makegood } from "../../../src/makegood.ts";
import { newReceipt } from "./book.ts";
import { placedIn } from "./placed.ts";
import { die, Points, pointedSockets, type Spot } from "./points.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface RelayArguments {
  readonly place: Place;
  readonly name: string;
  /** All of these are to be noted. */
  readonly expected: readonly string[];
  readonly deadly: Spot | null;
  /** A message whose mapping kills the process. */
  readonly poison?: string;
}

const args = JSON.parse(process.argv[2] ?? "null") as RelayArguments | null;
await (args === null ? warmUp() : live(args));

async function live({ place, name, expected, deadly, poison }: RelayArguments): Promise<void> {
  setTimeout(() => process.exit(3), 60_000).unref();
  const points = new Points(deadly, die);
  pointedSockets(points.at);
  const world = await openWorld(place, points.at);
  const note = job(
    "note",
    {
      on: [
        onMessage(placedIn(place), {
          input: ({ payload }) => {
            if (payload === poison) die(0, "poison");
            return payload as never;
          },
        }),
      ],
    },
    async (ctx, what) => {
      const run = (tx: unknown) => world.far.add(tx, String(what), newReceipt(ctx.key, String(what)));
      await ctx.tx(world.far.on, "note", { run, irreversible: "test" });
    },
  );
  const app = makegood({
    store: world.store,
    namespace: place.name,
    workerName: name,
    participants: [world.far.on],
    lease: "1s",
    poll: "30ms",
    maxCrashes: 100,
  });
  app.register(note);
  await app.run();
  for (;;) {
    const noted = new Set((await world.far.effects()).map(({ what }) => what));
    if (expected.every((what) => noted.has(what))) break;
    await wait(10);
  }
  await app.stop();
  process.stdout.write(`done ${points.seen.length}\n`);
  process.exit(0);
}
