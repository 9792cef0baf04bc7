/**
 * A process that runs one execution with steps of every kind is killed by SIGKILL at every point: before and after each
 * call of the store, each transaction and statement of a participant, each call of the provider, and (on PostgreSQL)
 * whenever something was sent and its answer has not come. Then it is started again, until the execution has ended.
 * Whatever happened: every effect once, or undone once in reverse order; a whole journal; nothing left open.
 *
 * Faults F1, F2, F3 of the catalog; guarantees G1, G3, G4, G5, G6, G11.
 */
import { describe, expect, it } from "vitest";
import { type Chain, inParallel, runChain } from "./support/crash-chain.ts";
import type { CrashArguments } from "./support/crash-child.ts";
import { describeWorlds } from "./support/places.ts";
import { type PlotName, plotNames } from "./support/plots.ts";
import type { Points, Spot } from "./support/points.ts";
import { makeNursery } from "./support/processes.ts";
import { seededRandom, seedOf } from "./support/seeded-random.ts";
import { isThorough } from "./support/thorough.ts";

const lanes = 3;
const pairCount = isThorough ? 150 : 5;
const timeoutMs = isThorough ? 1_800_000 : 180_000;

describeWorlds("an execution whose process is killed", (newPlace) => {
  const nursery = makeNursery<CrashArguments>("./crash-child.ts");
  const run = (plot: PlotName, deadly: readonly Spot[]): Promise<Chain> => runChain(nursery, newPlace(), plot, deadly);

  const tried = { saga: new Set<string>(), early: new Set<string>(), tcc: new Set<string>() };
  const kinds: Partial<Record<PlotName, keyof typeof tried>> = { hurries: "early", confirms: "tcc", cancels: "tcc" };
  const triedIn = (plot: PlotName): Set<string> => tried[kinds[plot] ?? "saga"];

  describe.each(plotNames)("(%s)", (plot) => {
    it(
      "has every effect once, or undone once, wherever that is",
      async () => {
        const alive = await run(plot, []);
        expect(alive.faults).toEqual([]);
        const chains = isThorough
          ? await everyPoint((spot) => run(plot, [spot]))
          : await inParallel(lanes, sample(alive.points, triedIn(plot)), (spot) => run(plot, [spot]));
        expect(chains.flatMap(wrongIn)).toEqual([]);
        // Points of work in the background may not come a second time; those of the execution itself do.
        expect(chains.filter((chain) => chain.deaths.length === 0).length).toBeLessThan(chains.length / 2);
      },
      timeoutMs,
    );

    it(
      "has every effect once, or undone once, also if it is killed again while it recovers",
      async () => {
        const seed = seedOf(process.env["MAKEGOOD_SEED"]);
        const random = seededRandom(seed);
        const { points } = await run(plot, []);
        const anyPoint = (): Spot => ({ n: 1 + Math.floor(random() * points.length) });
        const pairs = Array.from({ length: pairCount }, () => [anyPoint(), anyPoint()]);
        const chains = await inParallel(lanes, pairs, (pair) => run(plot, pair));
        expect(chains.flatMap(wrongIn), `MAKEGOOD_SEED=${seed}`).toEqual([]);
      },
      timeoutMs,
    );
  });
});

/**
 * Points at which something has become durable, or may have, that was not before, and that no plot before this one came
 * past; of the others every so many-th.
 */
function sample(points: Points["seen"], tried: Set<string>): readonly Spot[] {
  let otherCount = 0;
  return points.filter(({ name, occurrence }) => {
    const key = `${name} ${occurrence}`;
    if (tried.has(key)) return false;
    tried.add(key);
    return isTelling.test(name) || otherCount++ % sampleEvery === 0;
  });
}
const isTelling =
  /^effect: .*(body returns|the call|after COMMIT|after \S+ (INTO )?makegood_\S+)|^store: before commit of|^socket: sent (COMMIT|WITH)/;
const sampleEvery = 8;

/** The first point, the second, the third, until a run ends before it comes to its point. */
async function everyPoint(run: (spot: Spot) => Promise<Chain>): Promise<readonly Chain[]> {
  const chains: Chain[] = [];
  for (;;) {
    const next = Array.from({ length: lanes }, (_, i) => ({ n: chains.length + i + 1 }));
    const more = await inParallel(lanes, next, run);
    chains.push(...more);
    if (more.some((chain) => chain.deaths.length === 0)) return chains;
  }
}

const wrongIn = ({ deaths, faults }: Chain): readonly string[] =>
  faults.map((fault) => `killed at ${deaths.join(", then at ")}: ${fault}`);
