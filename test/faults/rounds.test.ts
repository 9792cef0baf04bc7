/**
 * After the end, and after failures of the undo itself: a new round charges again under other keys while the old ones stay
 * blocked; an undo that fails parks the execution until a person has it retried, or settles it.
 *
 * Faults F5, F28, F29, F36; guarantees G5, G6, G7, G14.
 */

import { type AnyJob, type App, type Context, job, makegood, RefusedError } from "makegood";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { silentLog } from "../../src/core/ports.ts";
import { newReceipt } from "./support/book.ts";
import { unrenewed } from "./support/lives.ts";
import { describeWorlds } from "./support/places.ts";
import { buying } from "./support/plots.ts";
import { BlockedKeyError } from "./support/provider.ts";
import { openWorld, type World } from "./support/world.ts";

const ann = { actor: { kind: "user", id: "ann" }, note: "looked into it" } as const;

describeWorlds("a transaction that went back", (newPlace) => {
  let world: World;
  const apps: App[] = [];
  beforeEach(async () => {
    world = await openWorld(newPlace());
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.stop({ graceMs: 0 })));
    await world.close();
  });

  const run = async (...jobs: readonly AnyJob[]): Promise<App> => {
    const app = makegood({
      store: unrenewed(world.newStore()),
      namespace: world.place.name,
      workerName: "one",
      lease: "30s",
      poll: "20ms",
      log: silentLog,
    });
    apps.push(app);
    app.register(...jobs);
    await app.run();
    return app;
  };
  const effects = async (): Promise<readonly string[]> =>
    (await world.timeline()).map(({ place, what }) => `${place} ${what}`);
  const charge = (ctx: Context) => ({
    run: ({ key }: { readonly key: string }) => world.provider.request(key, "charge", newReceipt(ctx.key, "charge")),
    compensate: (undo: { readonly key: string; readonly actionKey: string }) =>
      world.provider.undo(undo.actionKey, undo.key, "charge"),
  });
  const stock = (ctx: Context) => ({
    run: (tx: unknown) => world.own.add(tx, "stock", newReceipt(ctx.key, "stock")),
    compensate: (tx: unknown, receipt: string) => world.own.add(tx, "undo stock", receipt),
  });
  const ledger = (ctx: Context) => ({
    run: (tx: unknown) => world.far.add(tx, "ledger", newReceipt(ctx.key, "ledger")),
    compensate: (tx: unknown, receipt: string) => world.far.add(tx, "undo ledger", receipt),
  });

  it("is really done again in a new round, and late calls of the old round do nothing", async () => {
    let isRefusing = true;
    const place = job("place", buying, async (ctx) => {
      await ctx.tx(world.own.on, "stock", stock(ctx));
      await ctx.tx(world.far.on, "ledger", ledger(ctx));
      await ctx.step("charge", charge(ctx));
      await ctx.step("ship", {
        run: () => {
          if (isRefusing) throw new RefusedError("no parcels today");
        },
        irreversible: "test",
      });
      return ctx.round;
    });
    const app = await run(place);
    const first = await app.start(place, "1");
    expect((await first.outcome()).state).toBe("compensated");
    const there = ["own stock", "far ledger", "remote charge"];
    const back = ["remote undo charge", "far undo ledger", "own undo stock"];
    expect(await effects()).toEqual([...there, ...back]);
    isRefusing = false;
    // Nobody restarts it by chance; two people do so at the same time, and get one round.
    expect(await app.start(place, "1")).toMatchObject({ id: first.id, isNew: false });
    const restarted = await Promise.all([
      app.restart(first.id, ann),
      app.start(place, "1", { ifExists: "restart-failed" }),
    ]);
    expect(new Set(restarted.map((one) => `${one.id} ${one.round}`)).size).toBe(1);
    expect(await restarted[0]?.result()).toBe(1);
    expect(await effects()).toEqual([...there, ...back, ...there]);
    const keys = world.provider.requests().map(({ verb, key }) => [verb, key] as const);
    expect(new Set(keys.map(([, key]) => key)).size).toBe(3);
    // Zombies of the first round: its request and its undo once more, its far transaction once more.
    for (const [verb, key] of keys.slice(0, 2)) {
      if (verb === "request") world.provider.request(key, "charge", "never");
      else world.provider.undo(keys[0]?.[1] ?? "", key, "charge");
    }
    const ran: string[] = [];
    const mark = { gid: first.id, branch: "ledger", round: 0 };
    const { port } = world.far.on;
    await port.act(mark, "action", () => {
      ran.push("action");
      return null;
    });
    await port.undo(mark, "compensation", () => void ran.push("compensation"));
    expect(ran).toEqual([]);
    expect(await effects()).toEqual([...there, ...back, ...there]);
    expect((await first.outcome()).state).toBe("compensated");
  });

  it("is undone once although its undo took effect and then failed", async () => {
    let failures = 0;
    const flaky = job("flaky", buying, async (ctx) => {
      await ctx.tx(world.far.on, "ledger", {
        ...ledger(ctx),
        compensate: (tx: unknown, receipt: string) => {
          const done = world.far.add(tx, "undo ledger", receipt);
          if (++failures <= 2) throw new Error("after the effect");
          return done;
        },
      });
      await ctx.step("charge", {
        ...charge(ctx),
        compensate: (undo) => {
          charge(ctx).compensate(undo);
          if (++failures <= 4) throw new Error("after the effect");
        },
        retry: { maxAttempts: 10, backoff: { initial: 1 } },
      });
      throw new RefusedError("turn");
    });
    const app = await run(flaky);
    expect((await (await app.start(flaky, "1")).outcome()).state).toBe("compensated");
    expect(await effects()).toEqual(["far ledger", "remote charge", "remote undo charge", "far undo ledger"]);
  });

  it("parks when an undo fails for good, stays so over resumes in vain, and goes on when it is retried", async () => {
    let isClosed = true;
    const retry = { maxAttempts: 3, backoff: { initial: 1, max: 1 } } as const;
    const stuck = job("stuck", buying, async (ctx) => {
      await ctx.tx(world.own.on, "stock", stock(ctx));
      await ctx.step("charge", {
        ...charge(ctx),
        compensate: (undo) => {
          if (isClosed) throw new Error("closed");
          charge(ctx).compensate(undo);
        },
        retry,
      });
      throw new RefusedError("turn");
    });
    const app = await run(stuck);
    const execution = await app.start(stuck, "1");
    expect((await execution.outcome()).state).toBe("parked");
    const [incident] = await app.incidents();
    expect(incident).toMatchObject({ executionId: execution.id, code: "COMPENSATION_FAILED", step: "charge" });
    // What is parked on its way back cannot be canceled, restarted or started anew.
    await expect(app.cancel(execution.id)).rejects.toMatchObject({ code: "EXECUTION_STATE" });
    await expect(app.restart(execution.id)).rejects.toMatchObject({ code: "EXECUTION_STATE" });
    expect(await app.start(stuck, "1", { ifExists: "restart-failed" })).toMatchObject({
      id: execution.id,
      isNew: false,
    });
    await app.resume(execution.id, ann);
    await vi.waitUntil(async () => ((await app.incidents())[0]?.id ?? incident?.id) !== incident?.id);
    expect(await effects()).toEqual(["own stock", "remote charge"]);
    isClosed = false;
    await app.retry(execution.id, ann);
    expect((await execution.outcome()).state).toBe("compensated");
    expect(await effects()).toEqual(["own stock", "remote charge", "remote undo charge", "own undo stock"]);
    expect(await app.incidents()).toEqual([]);
    const { audit } = await app.history(execution.id);
    expect(audit.map(({ actor, note }) => [actor.id, note])).toEqual([
      ["ann", ann.note],
      ["ann", ann.note],
    ]);
  });

  it("goes on behind an undo that a person settled, and ends where a person settles the whole", async () => {
    const hopeless = job("hopeless", buying, async (ctx) => {
      await ctx.tx(world.own.on, "stock", stock(ctx));
      await ctx.step("charge", {
        ...charge(ctx),
        compensate: () => {
          throw new RefusedError("too late to refund");
        },
      });
      throw new RefusedError("turn");
    });
    const app = await run(hopeless);
    const [one, other] = [await app.start(hopeless, "1"), await app.start(hopeless, "2")];
    expect((await Promise.all([one.outcome(), other.outcome()])).map(({ state }) => state)).toEqual([
      "parked",
      "parked",
    ]);
    await app.settleStep(one.id, "charge", { role: "compensation", outcome: "done" }, ann);
    await app.resume(one.id, ann);
    await vi.waitUntil(async () => (await one.outcome()).state === "compensated");
    await app.settle(other.id, { outcome: "compensated", error: "refunded by hand" }, ann);
    expect((await other.outcome()).state).not.toBe("parked");
    expect((await effects()).filter((effect) => effect.startsWith("own"))).toEqual([
      "own stock",
      "own stock",
      "own undo stock",
    ]);
    expect(await app.incidents()).toEqual([]);
    const settled = (await app.history(one.id)).journal.find(
      (row) => row.role === "compensation" && row.step === "charge",
    );
    expect(settled?.actor).toBe("user:ann");
  });

  it("has canceled a reservation before its request came, and blocks that request", async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const late: unknown[] = [];
    const reserving = (life: string) =>
      job("reserving", buying, async (ctx) => {
        await ctx.tcc("car", {
          try: async ({ key }) => {
            late.push(life);
            if (life === "old") await gate;
            try {
              return world.provider.request(key, "car", newReceipt(ctx.key, "car"));
            } catch (error) {
              late.push(error);
              throw error;
            }
          },
          confirm: ({ key, result }) => world.provider.confirm(key, "car", result),
          cancel: ({ key, actionKey }) => world.provider.undo(actionKey, key, "car"),
        });
      });
    const old = await run(reserving("old"));
    const { id } = await old.start(reserving("old"), "1");
    await vi.waitUntil(() => late.length === 1);
    const client = makegood({ store: world.newStore(), namespace: world.place.name });
    apps.push(client);
    await client.cancel(id, ann);
    const young = await run(reserving("young"));
    expect((await young.execution(id).outcome()).state).toBe("canceled");
    open();
    await vi.waitUntil(() => late.length === 2);
    expect(late[1]).toBeInstanceOf(BlockedKeyError);
    await old.stop({ graceMs: 0 });
    expect(await effects()).toEqual([]);
    expect(await young.incidents()).toEqual([]);
    expect((await young.execution(id).outcome()).state).toBe("canceled");
  });
});
