/**
 * An execution is taken over while its function waits for something that is no step. When that goes on and makes its next
 * call, the call's promise never settles: no `catch`, no `finally`, nothing behind it may run in the old process.
 *
 * Faults F6, F17; guarantees G3, G4, G5.
 */

import { type Context, job, makegood } from "makegood";
import { expect, it, vi } from "vitest";
import { type Book, newReceipt } from "./support/book.ts";
import { unrenewed } from "./support/lives.ts";
import { describeWorlds } from "./support/places.ts";
import { buying } from "./support/plots.ts";
import { openWorld, type World } from "./support/world.ts";

const irreversible = "test";
const child = job("child", {}, async () => "grown up");

const inBook = (ctx: Context, book: Book) => ({
  run: (tx: unknown) => book.add(tx, "it", newReceipt(ctx.key, "it")),
  irreversible,
});
const branchIn = (ctx: Context, book: Book) => ({
  try: (tx: unknown) => book.add(tx, "it", newReceipt(ctx.key, "it")),
  confirm: () => {},
  cancel: () => {},
});
const atProvider = (ctx: Context, { provider }: World) => ({
  run: ({ key }: { readonly key: string }) => provider.request(key, "it", newReceipt(ctx.key, "it")),
  irreversible,
});

/** Every way to make a call, and how many effects it has. */
const calls: readonly {
  readonly name: string;
  readonly effectCount: number;
  readonly call: (ctx: Context, world: World) => Promise<unknown>;
}[] = [
  { name: "own transaction", effectCount: 1, call: (ctx, { own }) => ctx.tx(own.on, "it", inBook(ctx, own)) },
  { name: "far transaction", effectCount: 1, call: (ctx, { far }) => ctx.tx(far.on, "it", inBook(ctx, far)) },
  { name: "remote call", effectCount: 1, call: (ctx, world) => ctx.step("it", atProvider(ctx, world)) },
  { name: "call that may fail", effectCount: 1, call: (ctx, world) => ctx.attempt("it", atProvider(ctx, world)) },
  { name: "own reservation", effectCount: 1, call: (ctx, { own }) => ctx.tcc(own.on, "it", branchIn(ctx, own)) },
  { name: "far reservation", effectCount: 1, call: (ctx, { far }) => ctx.tcc(far.on, "it", branchIn(ctx, far)) },
  {
    name: "call that fails",
    effectCount: 0,
    call: (ctx) =>
      ctx.attempt("it", { run: () => Promise.reject(new Error("no")), irreversible, retry: { maxAttempts: 1 } }),
  },
  { name: "pivot", effectCount: 0, call: (ctx) => ctx.pivot() },
  { name: "sleep", effectCount: 0, call: (ctx) => ctx.sleep("it", "5ms") },
  { name: "start of a child", effectCount: 0, call: (ctx) => ctx.start(child, undefined) },
];

describeWorlds("a function whose execution was taken over", (newPlace) => {
  it.each(calls)("does not hear of its $name, neither of success nor of failure", async ({ call, effectCount }) => {
    const world = await openWorld(newPlace());
    const heard: string[] = [];
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const contexts: Context[] = [];
    const jobOf = (life: string) =>
      job("risky", buying, async (ctx) => {
        contexts.push(ctx);
        if (life === "old") await gate;
        try {
          await call(ctx, world);
        } catch {
          heard.push(`${life} caught`);
        } finally {
          heard.push(`${life} finally`);
        }
        heard.push(`${life} went on`);
        return life;
      });
    const appOf = (life: string) => {
      const store = life === "old" ? unrenewed(world.newStore()) : world.newStore();
      const app = makegood({ store, namespace: world.place.name, workerName: "one", lease: "30s", poll: "20ms" });
      app.register(jobOf(life), child);
      return app;
    };
    const [old, young] = [appOf("old"), appOf("young")];
    try {
      await old.run();
      const execution = await old.start(jobOf("old"), "1");
      await vi.waitUntil(() => contexts.length === 1);
      await young.run();
      expect(await young.execution(execution.id).outcome()).toEqual({ state: "completed", result: "young" });
      open();
      await vi.waitUntil(() => contexts[0]?.signal.aborted === true);
      await old.stop({ graceMs: 0 });
      expect(heard).toEqual(["young finally", "young went on"]);
      expect(await world.timeline()).toHaveLength(effectCount);
      expect(await young.counts()).toMatchObject({ ready: 0, running: 0, parked: 0 });
    } finally {
      await Promise.all([old.stop({ graceMs: 0 }), young.stop({ graceMs: 0 })]);
      await world.close();
    }
  });
});
