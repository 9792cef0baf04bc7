/**
 * The code of a job changes while an execution of it is under way. What the journal shows to be another job is parked
 * before anything new runs, and goes on when the code is put back; versions live side by side.
 *
 * Faults F31, F34; guarantees G6, G13.
 */

import {
  type AnyJob,
  type App,
  type AppOptions,
  type Context,
  job,
  makegood,
  NonRetryableError,
  signal,
} from "makegood";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLog } from "../../src/core/ports.ts";
import { systemClock } from "../../src/system.ts";
import { describeWorlds } from "./support/places.ts";
import { openWorld, type World } from "./support/world.ts";

const go = signal("go");
/** Replay waits some seconds for a step that the function does not call. Those pass faster here. */
const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() * 50 };

describeWorlds("code that changes under an execution", (newPlace) => {
  let world: World;
  let list: string[];
  const apps: App[] = [];
  beforeEach(async () => {
    world = await openWorld(newPlace());
    list = [];
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.stop({ graceMs: 0 })));
    await world.close();
  });

  const deploy = async (options: Partial<AppOptions>, ...jobs: readonly AnyJob[]): Promise<App> => {
    const app = makegood({
      store: world.newStore(),
      namespace: world.place.name,
      workerName: "one",
      poll: "20ms",
      log: silentLog,
      ...options,
    });
    apps.push(app);
    app.register(...jobs);
    await app.run();
    return app;
  };
  const step = (ctx: Context, name: string): Promise<string> =>
    ctx.step(name, {
      run: () => {
        list.push(name);
        return name;
      },
      compensate: () => void list.push(`undo ${name}`),
    });
  const original = async (ctx: Context): Promise<string> => {
    await step(ctx, "a");
    await step(ctx, "b");
    await ctx.waitFor(go);
    await step(ctx, "c");
    return "done";
  };
  const named = (handler: (ctx: Context) => Promise<unknown>) => job("changing", {}, handler);

  /** Runs the original until it waits, and stops that process. */
  async function untilItWaits(): Promise<string> {
    const app = await deploy({}, named(original));
    const { id } = await app.start(named(original), undefined);
    await vi.waitUntil(async () => (await app.find(id))?.status === "waiting");
    await app.stop();
    expect(list).toEqual(["a", "b"]);
    return id;
  }

  const changes: Readonly<
    Record<string, { readonly step: string; readonly handler: (ctx: Context) => Promise<unknown> }>
  > = {
    "an inserted step": {
      step: "b",
      handler: async (ctx) => {
        await step(ctx, "a");
        await step(ctx, "new");
        await step(ctx, "b");
      },
    },
    "a removed step": {
      step: "b",
      handler: async (ctx) => {
        await step(ctx, "a");
        await ctx.waitFor(go);
        await step(ctx, "c");
      },
    },
    "a renamed step": {
      step: "b",
      handler: async (ctx) => {
        await step(ctx, "a");
        await step(ctx, "b2");
        await ctx.waitFor(go);
      },
    },
    "steps in another order": {
      step: "a",
      handler: async (ctx) => {
        await step(ctx, "b");
        await step(ctx, "a");
        await ctx.waitFor(go);
      },
    },
    "a step of another kind": {
      step: "b",
      handler: async (ctx) => {
        await step(ctx, "a");
        await ctx.sleep("b", "1ms");
        await ctx.waitFor(go);
      },
    },
    "a function that returns earlier": { step: "b", handler: (ctx) => step(ctx, "a") },
    "a function that throws earlier": {
      step: "b",
      handler: async (ctx) => {
        await step(ctx, "a");
        throw new NonRetryableError("not here");
      },
    },
  };

  it.each(Object.keys(changes))("is noticed as drift before anything new runs: %s", async (title) => {
    const change = changes[title];
    const id = await untilItWaits();
    const app = await deploy({ clock }, named(change?.handler ?? original));
    await app.signal(id, go, undefined);
    expect((await app.execution(id).outcome()).state).toBe("parked");
    expect(await app.incidents()).toMatchObject([{ executionId: id, code: "STEP_DRIFT", step: change?.step }]);
    expect(list).toEqual(["a", "b"]);
    await app.stop();
    const repaired = await deploy({}, named(original));
    await repaired.resume(id);
    expect(await repaired.execution(id).result()).toBe("done");
    expect(list).toEqual(["a", "b", "c"]);
    expect(await repaired.incidents()).toEqual([]);
  });

  it("is noticed as drift also on the way back, so that no undo is forgotten", async () => {
    let isBroken = true;
    const failing = async (ctx: Context): Promise<void> => {
      await step(ctx, "a");
      await ctx.step("b", {
        run: () => void list.push("b"),
        compensate: () => {
          if (isBroken) throw new NonRetryableError("closed");
          list.push("undo b");
        },
      });
      throw new NonRetryableError("turn");
    };
    const app = await deploy({}, named(failing));
    const { id } = await app.start(named(failing), undefined);
    expect((await app.execution(id).outcome()).state).toBe("parked");
    await app.stop();
    isBroken = false;
    const changed = await deploy(
      { clock },
      named(async (ctx) => void (await ctx.step("b", { run: () => {}, compensate: () => void list.push("undo b") }))),
    );
    await changed.resume(id);
    await vi.waitUntil(async () => (await changed.incidents())[0]?.code === "STEP_DRIFT");
    expect(list).toEqual(["a", "b"]);
    await changed.stop();
    const repaired = await deploy({}, named(failing));
    await repaired.retry(id);
    expect((await repaired.execution(id).outcome()).state).toBe("compensated");
    expect(list).toEqual(["a", "b", "undo b", "undo a"]);
  });

  describe("in a new version", () => {
    const first = job("job", { version: 1 }, original);
    const second = job("job", { version: 2 }, async (ctx) => {
      await step(ctx, "x");
      await ctx.waitFor(go);
      await step(ctx, "y");
      return "new";
    });

    it("leaves old executions to the old code, on workers that have both", async () => {
      const before = await deploy({}, first);
      const { id: old } = await before.start(first, undefined);
      await vi.waitUntil(async () => (await before.find(old))?.status === "waiting");
      await before.stop();
      const after = await deploy({}, first, second);
      const { id: young } = await after.start(second, undefined);
      await vi.waitUntil(async () => (await after.find(young))?.status === "waiting");
      await after.signal(old, go, undefined);
      await after.signal(young, go, undefined);
      expect(await after.execution(old).result()).toBe("done");
      expect(await after.execution(young).result()).toBe("new");
      expect(list.slice(0, 3)).toEqual(["a", "b", "x"]);
      expect(list.slice(3).sort()).toEqual(["c", "y"]);
    });

    it("is not touched by a worker that has only the other one", async () => {
      const [old, young] = [await deploy({ workerName: "old" }, first), await deploy({ workerName: "young" }, second)];
      const ids = await Promise.all([
        old.start(second, undefined),
        young.start(first, undefined),
        old.start(first, undefined),
        young.start(second, undefined),
      ]);
      for (const { id } of ids) await vi.waitUntil(async () => (await old.find(id))?.status === "waiting");
      await old.stop();
      for (const { id } of ids) await young.signal(id, go, undefined);
      await Promise.all([young.execution(ids[0].id).result(), young.execution(ids[3].id).result()]);
      expect(await Promise.all(ids.map(async ({ id }) => (await young.find(id))?.status))).toEqual([
        "completed",
        "ready",
        "ready",
        "completed",
      ]);
      // And back: the version before is deployed again, and finishes what is its own.
      const again = await deploy({ workerName: "old" }, first);
      expect(await Promise.all([again.execution(ids[1].id).result(), again.execution(ids[2].id).result()])).toEqual([
        "done",
        "done",
      ]);
    });
  });
});
