/**
 * Executions that sleep, wait for signals and for children are ended at every call of the store: each wait has one outcome,
 * each signal is taken once, each child exists once and is canceled before its parent turns back.
 *
 * Faults F1, F2, F3, F19; guarantees G1, G3, G5, G6, G11.
 */
import { job, RefusedError, type Schema, signal } from "makegood";
import { expect, it } from "vitest";
import { newReceipt } from "./support/book.ts";
import { makeWalk, walkTimeoutMs } from "./support/every-point.ts";
import { describeWorlds } from "./support/places.ts";
import { buying } from "./support/plots.ts";
import type { World } from "./support/world.ts";

const Paid: Schema<number, number> = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
};
const paid = signal("paid", Paid);
/** Every rest is spent in the store, so that each is a release and a claim. */
const options = { suspendAfter: 1 } as const;

describeWorlds("an execution that waits, and whose process ends at any point", (newPlace, kind) => {
  const { atEveryPoint, atProvider } = makeWalk(newPlace, kind);

  it(
    "sleeps, takes each signal once and in order, and times out once",
    async () => {
      const waits = (here: World) =>
        job("waits", buying, async (ctx) => {
          await ctx.sleep("nap", "8ms");
          const first = await ctx.waitFor(paid);
          await ctx.step("between", atProvider(ctx, here, "between"));
          const second = await ctx.waitFor(paid, { name: "second", timeout: "10s" });
          const third = await ctx.waitFor(paid, { name: "third", timeout: "8ms" });
          return [first, second, third];
        });
      await atEveryPoint(
        (here) => ({
          job: waits(here),
          options,
          // The sender is told nothing for certain when the process dies, and sends again.
          async meanwhile(app, id) {
            await app.signal(id, paid, 1, { signalId: "1" }).catch(endedBefore);
            await app.signal(id, paid, 2, { signalId: "2" }).catch(endedBefore);
          },
        }),
        async ({ app, executionId, outcome }, effects) => {
          const result = [1, { kind: "received", value: 2 }, { kind: "timed-out" }];
          expect(outcome).toEqual({ state: "completed", result });
          expect(effects).toEqual(["remote between"]);
          expect((await app.history(executionId)).signals.map(({ signalId }) => signalId)).toEqual(["1", "2"]);
        },
      );
    },
    walkTimeoutMs,
  );

  it(
    "starts each child once, and is given its result",
    async () => {
      const childOf = (here: World) =>
        job("child", buying, async (ctx) => ctx.step("grow", atProvider(ctx, here, `grow ${ctx.key}`)));
      const parentOf = (here: World, child: ReturnType<typeof childOf>) =>
        job("parent", buying, async (ctx) => {
          const children = [await ctx.start(child, "a"), await ctx.start(child, "b")];
          await ctx.step("meanwhile", atProvider(ctx, here, "meanwhile"));
          return Promise.all(children.map((one) => one.result()));
        });
      await atEveryPoint(
        (here) => {
          const child = childOf(here);
          return { job: parentOf(here, child), others: [child], options };
        },
        async ({ app, executionId, outcome }, effects) => {
          const given = outcome.state === "completed" ? (outcome.result as readonly string[]) : [outcome.state];
          expect(given.map((receipt) => receipt.split("/")[1])).toEqual(["grow a", "grow b"]);
          expect([...effects].sort()).toEqual(["remote grow a", "remote grow b", "remote meanwhile"]);
          expect(await app.list({ parent: executionId })).toHaveLength(2);
        },
      );
    },
    walkTimeoutMs,
  );

  it(
    "cancels a child before it undoes what came before the child",
    async () => {
      const keyed = (here: World, buyer: string, what: string) => ({
        run: ({ key }: { readonly key: string }) => here.provider.request(key, what, newReceipt(buyer, what)),
        compensate: (undo: { readonly key: string; readonly actionKey: string }) =>
          here.provider.undo(undo.actionKey, undo.key, what),
      });
      const childOf = (here: World) =>
        job("child", buying, async (ctx) => {
          await ctx.step("build", keyed(here, ctx.key, "build"));
          await ctx.sleep("long", "1h");
        });
      const parentOf = (here: World, child: ReturnType<typeof childOf>) =>
        job("parent", buying, async (ctx) => {
          await ctx.step("order", keyed(here, ctx.key, "order"));
          const { id } = await ctx.start(child, "a");
          await ctx.step("wait until it is built", {
            run: async () => {
              while (here.provider.effects().length < 2) await new Promise((resolve) => void setImmediate(resolve));
              return id;
            },
            irreversible: "test",
          });
          throw new RefusedError("turn");
        });
      await atEveryPoint(
        (here) => {
          const child = childOf(here);
          return { job: parentOf(here, child), others: [child], options };
        },
        async ({ app, executionId, outcome }, effects) => {
          expect(outcome.state).toBe("compensated");
          expect(effects).toEqual(["remote order", "remote build", "remote undo build", "remote undo order"]);
          expect((await app.list({ parent: executionId })).map(({ state }) => state)).toEqual(["canceled"]);
        },
      );
    },
    walkTimeoutMs,
  );
});

/** The signals came in an earlier life, and the execution has ended since. */
function endedBefore(error: { readonly code?: string }): void {
  if (error.code !== "SIGNAL_REFUSED") throw error;
}
