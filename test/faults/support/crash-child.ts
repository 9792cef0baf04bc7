/**
 * One life of a process that runs one execution: starts it (again), waits for its end, and says what it sees. With
 * `deadly` it kills itself at that point.
 */
import { makegood } from "../../../src/makegood.ts";
import { makePlots, type PlotName } from "./plots.ts";
import { die, Points, pointedSockets, type Spot } from "./points.ts";
import { makeReport, type Report } from "./report.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface CrashArguments {
  readonly place: Place;
  readonly plot: PlotName;
  readonly deadly: Spot | null;
}

export type CrashLine =
  | { readonly accepted: string }
  | { readonly died: { readonly n: number; readonly name: string } }
  | { readonly report: Report; readonly points: Points["seen"] };

const args = JSON.parse(process.argv[2] ?? "null") as CrashArguments | null;
await (args === null ? warmUp() : live(args));

async function live({ place, plot, deadly }: CrashArguments): Promise<void> {
  setTimeout(() => process.exit(3), 30_000).unref();
  const points = new Points(deadly, die);
  pointedSockets(points.at);
  const world = await openWorld(place, points.at);
  const plots = makePlots(world);
  // A long lease: whoever takes over soon does so because it has the same name.
  const app = makegood({
    store: world.store,
    namespace: place.name,
    workerName: "one",
    lease: "30s",
    poll: "50ms",
    maxCrashes: 50,
  });
  app.register(...Object.values(plots));
  await app.run();
  const execution = await app.start(plots[plot], "1");
  say({ accepted: execution.id });
  await execution.outcome();
  const report = await makeReport(app, world, execution.id);
  await app.stop();
  say({ report, points: points.seen });
  process.exit(0);
}

function say(line: CrashLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
