/**
 * What replay gives back: to each its own. Jobs with parallel branches, loops, races and steps that nobody awaits are
 * ended at every call of the store and go on in a new life, in which things happen in another order.
 *
 * Faults F1, F2, F3, F32; guarantees G3, G4, G5.
 */
import { job } from "makegood";
import { describe, expect, it } from "vitest";
import { newReceipt } from "./support/book.ts";
import { makeWalk, walkTimeoutMs } from "./support/every-point.ts";
import { type Lives, liveThrough } from "./support/lives.ts";
import { describeWorlds } from "./support/places.ts";
import { buying } from "./support/plots.ts";
import { openWorld, type World } from "./support/world.ts";

describeWorlds("replay", (newPlace, kind) => {
  describe.each(["recorded", "early"] as const)("where the function is handed results that are %s", (results) => {
    const handed = { ...buying, results };
    const { atEveryPoint, atProvider, inBook } = makeWalk(newPlace, kind);
    const stepsOf = async ({ app, executionId }: Lives): Promise<readonly string[]> =>
      [...(await app.history(executionId)).journal].sort((a, b) => a.seq - b.seq).map((row) => row.step);

    it(
      "gives two parallel branches and a loop each their own results, and repeats no effect",
      async () => {
        const names = ["take left", "pay left", "take right", "pay right", "line 1", "line 2", "line 3"];
        const branches = (here: World) =>
          job("branches", handed, async (ctx) => {
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
        await atEveryPoint(
          (here) => ({ job: branches(here) }),
          ({ outcome }, _, receipts) => {
            const given = outcome.state === "completed" ? (outcome.result as readonly string[]) : [outcome.state];
            expect(given.map((receipt) => receipt.split("/")[1])).toEqual(names);
            expect([...given].sort()).toEqual([...receipts].sort());
          },
        );
      },
      walkTimeoutMs,
    );

    it(
      "lets the same branch win a race in every life",
      async () => {
        const race = (here: World, life: number) =>
          job("race", handed, async (ctx) => {
            const runner = (name: string, isSlow: boolean) => ({
              run: async ({ key }: { readonly key: string }) => {
                if (isSlow)
                  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => void setImmediate(resolve));
                return here.provider.request(key, name, newReceipt(ctx.key, name));
              },
              irreversible: "test",
            });
            const [a, b] = [runner("a", life % 2 === 0), runner("b", life % 2 === 1)];
            const winner = await Promise.race([ctx.step("a", a), ctx.step("b", b)]);
            const name = winner.includes("/a/") ? "a" : "b";
            await ctx.step(["prize for", name], atProvider(ctx, here, `prize for ${name}`));
            return name;
          });
        await atEveryPoint(
          (here, life) => ({ job: race(here, life) }),
          async (lives, effects) => {
            const [first] = await stepsOf(lives);
            expect(lives.outcome).toEqual({ state: "completed", result: first });
            expect([...effects].sort()).toEqual(["remote a", "remote b", `remote prize for ${first}`]);
          },
        );
      },
      walkTimeoutMs,
    );

    it(
      "finishes steps that nobody awaits before the execution ends",
      async () => {
        const forgetful = (here: World) =>
          job("forgetful", handed, async (ctx) => {
            void ctx.step("mail", atProvider(ctx, here, "mail"));
            void ctx.tx(here.far.on, "note", inBook(ctx, here.far, "note"));
            return "done";
          });
        await atEveryPoint(
          (here) => ({ job: forgetful(here) }),
          async (lives, effects) => {
            expect(lives.outcome).toEqual({ state: "completed", result: "done" });
            expect([...effects].sort()).toEqual(["far note", "remote mail"]);
            expect([...(await stepsOf(lives))].sort()).toEqual(["mail", "note"]);
          },
        );
      },
      walkTimeoutMs,
    );

    it(
      "runs no step of a chain that nobody awaits after the execution has ended",
      async () => {
        const chain = (here: World) =>
          job("chain", handed, async (ctx) => {
            void (async () => {
              for (const n of [1, 2, 3]) await ctx.step(["link", n], atProvider(ctx, here, `link ${n}`));
            })();
            return "done";
          });
        await atEveryPoint(
          (here) => ({ job: chain(here) }),
          async (lives, effects) => {
            expect(lives.outcome).toEqual({ state: "completed", result: "done" });
            expect(effects).toEqual((await stepsOf(lives)).map((step) => `remote ${step.replace(":", " ")}`));
          },
        );
      },
      walkTimeoutMs,
    );

    it(
      "undoes an attempt that was given up once, and goes the other way in every life",
      async () => {
        const otherwise = (here: World) =>
          job("otherwise", handed, async (ctx) => {
            const { provider } = here;
            const paid = await ctx.attempt("pay by card", {
              run({ key }) {
                provider.request(key, "card", newReceipt(ctx.key, "card"));
                throw new Error("the answer was lost");
              },
              compensate: ({ actionKey, key }) => provider.undo(actionKey, key, "card"),
              retry: { maxAttempts: 2, backoff: { initial: 1 } },
            });
            const way = paid.ok ? "card" : "cash";
            await ctx.step(["pay by", way], atProvider(ctx, here, way));
            return way;
          });
        await atEveryPoint(
          (here) => ({ job: otherwise(here) }),
          ({ outcome }, effects) => {
            expect(outcome).toEqual({ state: "completed", result: "cash" });
            expect(effects).toEqual(["remote card", "remote undo card", "remote cash"]);
          },
        );
      },
      walkTimeoutMs,
    );

    it("is the same for a job that is replayed after every step", async () => {
      const world = await openWorld(newPlace());
      const seen: number[] = [];
      const steps = job("steps", handed, async (ctx) => {
        seen.push(ctx.random());
        const all: string[] = [];
        for (const n of [1, 2, 3, 4]) all.push(await ctx.step(["line", n], atProvider(ctx, world, `line ${n}`)));
        return all;
      });
      const lives = await liveThrough(world, [], () => ({ job: steps, options: { alwaysReplay: true } }));
      try {
        const receipts = world.provider.effects().map(({ receipt }) => receipt);
        expect(lives.outcome).toEqual({ state: "completed", result: receipts });
        expect(seen).toHaveLength(5);
        expect(new Set(seen).size).toBe(1);
      } finally {
        await lives.stop();
        await world.close();
      }
    });
  });
});
