/**
 * What replay gives back: to each its own. Jobs with parallel branches, loops, races and steps that nobody awaits are
 * ended at every call of the store and go on in a new life, in which things happen in another order.
 *
 * Faults F1, F2, F3, F32; guarantees G3, G4, G5.
 */

import { type AnyJob, type Context, job } from "makegood";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Book, newReceipt } from "./support/book.ts";
import { type DiesAt, dawdle, type Lives, liveThrough } from "./support/lives.ts";
import { describeWorlds } from "./support/places.ts";
import { buying } from "./support/plots.ts";
import { seededRandom, seedOf } from "./support/seeded-random.ts";
import { isThorough } from "./support/thorough.ts";
import { openWorld, type World } from "./support/world.ts";

const irreversible = "test";
const timeoutMs = isThorough ? 600_000 : 60_000;

describeWorlds("replay", (newPlace, kind) => {
  let world: World;
  let count = 0;
  const seed = seedOf(process.env["MAKEGOOD_SEED"]);
  const random = seededRandom(seed);
  beforeEach(async () => {
    world = await openWorld(newPlace());
  });
  afterEach(() => world.close());

  /** Ends the first life at its first point, its second point … until it comes through; then pairs of lives. */
  async function atEveryPoint(
    makeJob: (world: World, life: number) => AnyJob,
    check: (lives: Lives, effects: readonly string[]) => Promise<void> | void,
  ): Promise<void> {
    const step = isThorough || kind === "sqlite" ? 1 : 3;
    const attempt = async (ends: readonly DiesAt[]): Promise<number> => {
      const namespace = `${world.place.name}-${++count}`;
      const here = await openWorld({
        ...world.place,
        name: namespace,
        remote: world.place.remote.replace(/\.db$/, `-${count}.db`),
      });
      const lives = await liveThrough(here, ends, (life) => makeJob(here, life));
      try {
        const effects = (await here.timeline()).map(({ receipt }) => receipt);
        expect(new Set(effects).size, `lives that ended at ${ends.join(", ")}; MAKEGOOD_SEED=${seed}`).toBe(
          effects.length,
        );
        await check(lives, effects);
        return lives.deathCount;
      } finally {
        await lives.stop();
        await here.close();
      }
    };
    let points = 1;
    while ((await attempt([points])) > 0) points += step;
    for (let pair = 0; pair < (isThorough ? 60 : 6); pair++)
      await attempt([1 + Math.floor(random() * points), 1 + Math.floor(random() * points)]);
  }

  const inBook = (ctx: Context, book: Book, what: string) => ({
    run: (tx: unknown) => book.add(tx, what, newReceipt(ctx.key, what)),
    irreversible,
  });
  const atProvider = (ctx: Context, { provider }: World, what: string) => ({
    run: async ({ key }: { readonly key: string }) => {
      await dawdle(random);
      return provider.request(key, what, newReceipt(ctx.key, what));
    },
    irreversible,
  });

  it(
    "gives two parallel branches and a loop each their own results, and repeats no effect",
    async () => {
      const names = ["take left", "pay left", "take right", "pay right", "line 1", "line 2", "line 3"];
      const branches = (here: World) =>
        job("branches", buying, async (ctx) => {
          const branch = async (side: string): Promise<string[]> => [
            await ctx.tx(here.far.on, ["take", side], inBook(ctx, here.far, `take ${side}`)),
            await ctx.step(["pay", side], atProvider(ctx, here, `pay ${side}`)),
          ];
          const [left, right] = await Promise.all([branch("left"), branch("right")]);
          const lines: string[] = [];
          for (const n of [1, 2, 3])
            lines.push(await ctx.tx(here.own.on, ["line", n], inBook(ctx, here.own, `line ${n}`)));
          return [...left, ...right, ...lines];
        });
      await atEveryPoint(branches, ({ outcome }, effects) => {
        expect(outcome).toMatchObject({ state: "completed" });
        const receipts = outcome.state === "completed" ? (outcome.result as readonly string[]) : [];
        expect(receipts.map((receipt) => receipt.split("/")[1])).toEqual(names);
        expect([...receipts].sort()).toEqual([...effects].sort());
      });
    },
    timeoutMs,
  );

  it(
    "lets the same branch win a race in every life",
    async () => {
      const race = (here: World, life: number) =>
        job("race", buying, async (ctx) => {
          const runner = (name: string, isSlow: boolean) => ({
            run: async ({ key }: { readonly key: string }) => {
              if (isSlow)
                for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => void setImmediate(resolve));
              return here.provider.request(key, name, newReceipt(ctx.key, name));
            },
            irreversible,
          });
          const winner = await Promise.race([
            ctx.step("a", runner("a", life % 2 === 0)),
            ctx.step("b", runner("b", life % 2 === 1)),
          ]);
          const name = winner.includes("/a/") ? "a" : "b";
          await ctx.step(["prize for", name], atProvider(ctx, here, `prize for ${name}`));
          return name;
        });
      await atEveryPoint(race, async ({ app, outcome, executionId }, effects) => {
        const { journal } = await app.history(executionId);
        const first = [...journal].sort((one, other) => one.seq - other.seq)[0]?.step;
        expect(outcome).toEqual({ state: "completed", result: first });
        expect(effects.map((receipt) => receipt.split("/")[1]).sort()).toEqual(["a", "b", `prize for ${first}`]);
      });
    },
    timeoutMs,
  );

  it(
    "finishes steps that nobody awaits before the execution ends",
    async () => {
      const forgetful = (here: World) =>
        job("forgetful", buying, async (ctx) => {
          void ctx.step("mail", atProvider(ctx, here, "mail"));
          void ctx.tx(here.far.on, "note", inBook(ctx, here.far, "note"));
          return "done";
        });
      await atEveryPoint(forgetful, async ({ app, outcome, executionId }, effects) => {
        expect(outcome).toEqual({ state: "completed", result: "done" });
        expect(effects.map((receipt) => receipt.split("/")[1]).sort()).toEqual(["mail", "note"]);
        expect((await app.history(executionId)).journal.map((row) => row.step).sort()).toEqual(["mail", "note"]);
      });
    },
    timeoutMs,
  );

  it(
    "runs no step of a chain that nobody awaits after the execution has ended",
    async () => {
      const chain = (here: World) =>
        job("chain", buying, async (ctx) => {
          void (async () => {
            for (const n of [1, 2, 3]) await ctx.step(["link", n], atProvider(ctx, here, `link ${n}`));
          })();
          return "done";
        });
      await atEveryPoint(chain, async ({ app, outcome, executionId }, effects) => {
        expect(outcome).toEqual({ state: "completed", result: "done" });
        const { journal } = await app.history(executionId);
        const wanted = effects.map((receipt) => receipt.split("/")[1]?.replace(" ", ":")).sort();
        expect(journal.map((row) => row.step).sort()).toEqual(wanted);
      });
    },
    timeoutMs,
  );

  it("is the same for a job that is replayed after every step", async () => {
    const seen: number[] = [];
    const steps = job("steps", buying, async (ctx) => {
      seen.push(ctx.random());
      const all: string[] = [];
      for (const n of [1, 2, 3, 4]) all.push(await ctx.step(["line", n], atProvider(ctx, world, `line ${n}`)));
      return all;
    });
    const lives = await liveThrough(world, [], () => steps, { alwaysReplay: true });
    expect(lives.outcome).toEqual({
      state: "completed",
      result: world.provider.effects().map(({ receipt }) => receipt),
    });
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(1);
    await lives.stop();
  });
});
