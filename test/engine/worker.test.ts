import { job } from "makegood";
import { expect, it } from "vitest";
import * as z from "zod";
import { type AnyBook, describeEngine } from "./harness.ts";
import { mortal } from "./mortal.ts";

const never = { irreversible: "test" } as const;

describeEngine("a worker", (newScene) => {
  it("takes over at once from a dead one of its name, and repeats no recorded step", async () => {
    const scene = newScene();
    const list: string[] = [];
    let hangs = true;
    const place = job("place", {}, async (ctx) => {
      await ctx.step("one", { run: () => void list.push("one"), ...never });
      await ctx.step("two", {
        run: () => (hangs ? new Promise(() => list.push("hangs")) : void list.push("two")),
        ...never,
      });
      return list.length;
    });
    const dying = mortal(scene.store());
    const first = scene.app({ store: dying.store, workerName: "w" }, place);
    await first.run();
    const { id } = await first.start(place, undefined);
    await expect.poll(() => list).toEqual(["one", "hangs"]);
    dying.kill();
    hangs = false;
    const second = scene.app({ workerName: "w", lease: "30s" }, place);
    await second.run();
    expect(await second.execution(id).result()).toBe(3);
    expect(list).toEqual(["one", "hangs", "two"]);
  });

  it("leaves a live one of another name alone, until its lease is out", async () => {
    const scene = newScene();
    let runs = 0;
    const place = job("place", {}, async (ctx) => {
      await ctx.step("one", { run: () => (++runs === 1 ? new Promise(() => {}) : runs), ...never });
      return runs;
    });
    const dying = mortal(scene.store());
    const first = scene.app({ store: dying.store, workerName: "a", lease: "1s" }, place);
    await first.run();
    const { id } = await first.start(place, undefined);
    await expect.poll(() => runs).toBe(1);
    const second = scene.app({ workerName: "b", lease: "1s" }, place);
    await second.run();
    expect((await second.find(id))?.status).toBe("running");
    dying.kill();
    expect(await second.execution(id).result()).toBe(2);
  });

  it("adopts executions whose claim was answered to nobody", async () => {
    const scene = newScene();
    const place = job("place", {}, async () => "done");
    const losing = mortal(scene.store());
    let isLost = false;
    const store = new Proxy(losing.store, {
      get(target, name) {
        if (name !== "executions") return Reflect.get(target, name);
        return new Proxy(target.executions, {
          get: (executions, method) => {
            const call = Reflect.get(executions, method) as (...args: unknown[]) => Promise<unknown>;
            if (method !== "claim") return call;
            return async (...args: unknown[]) => {
              const claimed = (await call(...args)) as readonly unknown[];
              if (isLost || claimed.length === 0) return claimed;
              isLost = true;
              return [];
            };
          },
        });
      },
    });
    const client = scene.app({}, place);
    const { id } = await client.start(place, undefined);
    const app = scene.app({ store, lease: "1s" }, place);
    await app.run();
    expect(await app.execution(id).result()).toBe("done");
    expect(isLost).toBe(true);
  });

  it("gives unfinished work back when it stops, without spending an attempt", async () => {
    const scene = newScene();
    const seen: number[] = [];
    let hangs = true;
    const place = job("place", {}, async (ctx) => {
      await ctx.step("one", {
        run: ({ attempt }) => {
          seen.push(attempt);
          return hangs ? new Promise(() => {}) : attempt;
        },
        ...never,
      });
    });
    const first = scene.app({ workerName: "a", lease: "30s" }, place);
    await first.run();
    const { id } = await first.start(place, undefined);
    await expect.poll(() => seen).toEqual([1]);
    await first.stop({ graceMs: 0 });
    hangs = false;
    const second = scene.app({ workerName: "b" }, place);
    expect((await second.find(id))?.status).toBe("ready");
    await second.run();
    await second.execution(id).result();
    expect(seen).toEqual([1, 1]);
    await expect(first.start(place, undefined)).rejects.toMatchObject({ code: "APP_CLOSED" });
  });

  it("lets what runs end before it stops", async () => {
    const scene = newScene();
    const begun: string[] = [];
    const run = () => {
      begun.push("begun");
      return new Promise<string>((resolve) => setTimeout(resolve, 100, "done"));
    };
    const place = job("place", {}, async (ctx) => ctx.step("one", { run, ...never }));
    const app = scene.app({}, place);
    await app.run();
    const { id } = await app.start(place, undefined);
    await expect.poll(() => begun).toEqual(["begun"]);
    await app.stop({ grace: "5s" });
    expect(await scene.app({}, place).execution(id).result()).toBe("done");
  });

  it("hears of a cancel that another process asked for", async () => {
    const scene = newScene();
    const list: string[] = [];
    const place = job("place", { attemptTimeout: "1500ms", retry: { maxAttempts: 1 } }, async (ctx) => {
      await ctx.step("one", { run: () => void list.push("one"), compensate: () => void list.push("undo one") });
      await ctx.step("hangs", {
        run: () => new Promise(() => list.push("hangs")),
        compensate: ({ outcome }) => void list.push(`undo hangs ${outcome}`),
      });
    });
    const app = scene.app({ lease: "1s" }, place);
    await app.run();
    const { id } = await app.start(place, undefined);
    await expect.poll(() => list).toEqual(["one", "hangs"]);
    const other = scene.app({}, place);
    await other.cancel(id, { note: "changed my mind" });
    expect((await other.execution(id).outcome()).state).toBe("canceled");
    expect(list).toEqual(["one", "hangs", "undo hangs unknown", "undo one"]);
  });

  it("delivers every result by replay where asked, so that a function which is not deterministic shows", async () => {
    const scene = newScene();
    let calls = 0;
    const good = job("good", {}, async (ctx) => {
      calls++;
      const a = await ctx.step("a", { run: () => 1, ...never });
      const b = await ctx.step("b", { run: () => a + 1, ...never });
      return b;
    });
    const bad = job("bad", {}, async (ctx) => {
      await ctx.step(`at ${performance.now()}`, { run: () => 1, ...never });
    });
    const app = scene.app({ alwaysReplay: true }, good, bad);
    await app.run();
    expect(await (await app.start(good, undefined)).result()).toBe(2);
    expect(calls).toBe(3);
    expect((await (await app.start(bad, undefined)).outcome()).state).toBe("parked");
    expect(await app.incidents()).toMatchObject([{ code: "STEP_DRIFT" }]);
  });

  it("refuses more steps than its limit", async () => {
    const scene = newScene();
    const many = job("many", {}, async (ctx) => {
      for (let n = 0; ; n++) await ctx.step(["n", n], { run: () => n, ...never });
    });
    const app = scene.app({ limits: { maxSteps: 5 } }, many);
    await app.run();
    expect(await (await app.start(many, undefined)).outcome()).toMatchObject({ error: { code: "STEP_LIMIT" } });
  });
});

describeEngine("a start inside the caller's transaction", (newScene) => {
  const place = job("place", { input: z.string(), key: (id) => id }, async (_ctx, id) => `placed ${id}`);

  it("exists if and only if that commits", async () => {
    const scene = newScene();
    const own = await scene.own();
    const app = scene.app({ participants: [own.on] }, place);
    await app.run();
    const started = await inTransaction(own, (tx) => app.start(place, "A", { in: [own.on, tx] as never }));
    expect(await started.result()).toBe("placed A");
    await expect(
      inTransaction(own, async (tx) => {
        await app.start(place, "B", { in: [own.on, tx] as never });
        throw new TypeError("roll back");
      }),
    ).rejects.toThrow("roll back");
    expect(await app.list({ key: "B", job: "place" })).toEqual([]);
  });

  it("refuses a participant in another database", async () => {
    const scene = newScene();
    const far = await scene.far();
    const app = scene.app({}, place);
    await expect(
      inTransaction(far, (tx) => app.start(place, "A", { in: [far.on, tx] as never })),
    ).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});

/** A transaction of the user's own. */
async function inTransaction<R>(book: AnyBook, body: (tx: unknown) => Promise<R>): Promise<R> {
  const tx = await book.raw.begin();
  try {
    const result = await body(tx);
    await book.raw.commit(tx);
    return result;
  } catch (error) {
    await book.raw.rollback(tx);
    throw error;
  }
}
