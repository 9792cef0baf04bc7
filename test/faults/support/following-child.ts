/**
 * A worker as a process of its own, whose jobs follow each other: `top`, then `left` and `right`, then `join` when both have
 * completed. Works until it is killed, or its parent ends.
 */
import { createInterface } from "node:readline";
import { type AnyJob, job, onAllCompleted, onCompleted, type Schema } from "../../../src/index.ts";
import { makegood } from "../../../src/makegood.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface FollowingArguments {
  readonly place: Place;
  readonly name: string;
  readonly leaseMs: number;
}

const anyNumber: Schema<number, number> = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value: Number(value) }) },
};

export function followingJobs(): readonly AnyJob[] {
  const top = job("top", { input: anyNumber }, async (_, n) => n);
  const input = ({ result }: { readonly result: number }): number => result;
  const left = job("left", { input: anyNumber, on: [onCompleted(top, { input })] }, async (_, n) => n + 1);
  const right = job("right", { input: anyNumber, on: [onCompleted(top, { input })] }, async (_, n) => n + 2);
  const sum = onAllCompleted([left, right], { input: ([one, other]) => one.result + other.result });
  return [top, left, right, job("join", { input: anyNumber, on: [sum] }, async (_, n) => n)];
}

const args = JSON.parse(process.argv[2] ?? "null") as FollowingArguments | null;
if (process.argv[1]?.endsWith("following-child.ts")) await (args === null ? warmUp() : live(args));

async function live({ place, name, leaseMs }: FollowingArguments): Promise<void> {
  const world = await openWorld(place);
  const app = makegood({
    ...{ store: world.store, namespace: place.name, workerName: name },
    ...{ lease: leaseMs, poll: "50ms", maxCrashes: 1_000 },
  });
  app.register(...followingJobs());
  await app.run();
  process.stdout.write("ready\n");
  createInterface({ input: process.stdin }).on("close", () => process.exit(4));
}
