import { job, NonRetryableError, signal } from "makegood";
import { expect, it } from "vitest";
import * as z from "zod";
import { describeEngine } from "./harness.ts";

const Paid = signal("paid", z.object({ pence: z.number() }));

describeEngine("waiting", (newScene) => {
  it("sleeps in the store and goes on after the time", async () => {
    const scene = newScene();
    const runs: string[] = [];
    const nap = job("nap", {}, async (ctx) => {
      runs.push("run");
      await ctx.step("before", { run: () => void runs.push("before"), irreversible: "test" });
      await ctx.sleep("nap", "150ms");
      runs.push("after");
    });
    const app = scene.app({ suspendAfter: 20 }, nap);
    await app.run();
    await (await app.start(nap, undefined)).result();
    expect(runs).toEqual(["run", "before", "run", "after"]);
  });

  it("takes a signal that came before, and one that comes later, each once and in order", async () => {
    const scene = newScene();
    const wait = job("wait", {}, async (ctx) => {
      const first = await ctx.waitFor(Paid, { name: "first" });
      const second = await ctx.waitFor(Paid, { name: "second" });
      return [first.pence, second.pence];
    });
    const client = scene.app({}, wait);
    const execution = await client.start(wait, undefined);
    expect(await client.signal(execution.id, Paid, { pence: 1 }, { signalId: "a" })).toEqual({ isNew: true });
    expect(await client.signal(execution.id, Paid, { pence: 1 }, { signalId: "a" })).toEqual({ isNew: false });
    const app = scene.app({}, wait);
    await app.run();
    await expect.poll(async () => (await app.find(execution.id))?.status).toBe("waiting");
    await client.signal(execution.id, Paid, { pence: 2 }, { signalId: "b" });
    expect(await execution.result()).toEqual([1, 2]);
    await expect(client.signal(execution.id, Paid, { pence: 3 })).rejects.toMatchObject({ code: "SIGNAL_REFUSED" });
    await expect(client.signal(execution.id, Paid, { pence: "x" } as never)).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
  });

  it("times out when nobody signals, and leaves a late signal to the next wait", async () => {
    const scene = newScene();
    const wait = job("wait", {}, async (ctx) => {
      const first = await ctx.waitFor(Paid, { timeout: "80ms", name: "first" });
      const second = await ctx.waitFor(Paid, { timeout: "20s", name: "second" });
      return [first, second];
    });
    const app = scene.app({}, wait);
    await app.run();
    const execution = await app.start(wait, undefined);
    await expect.poll(async () => (await app.history(execution.id)).journal.length).toBeGreaterThan(0);
    await app.signal(execution.id, Paid, { pence: 9 });
    expect(await execution.result()).toEqual([{ kind: "timed-out" }, { kind: "received", value: { pence: 9 } }]);
  });

  it("waits for a child's result, also a failed one", async () => {
    const scene = newScene();
    const child = job("child", { input: z.object({ n: z.number() }), key: (o) => `c${o.n}` }, async (_ctx, { n }) => {
      if (n === 2) throw new NonRetryableError("two is wrong");
      return n * 10;
    });
    const parent = job("parent", {}, async (ctx) => {
      const one = await ctx.start(child, { n: 1 });
      const two = await ctx.start(child, { n: 2 });
      const failed = await two
        .result()
        .catch((error: { code: string; details: { state: string } }) => [error.code, error.details.state]);
      return [await one.result(), failed, one.isNew];
    });
    const app = scene.app({}, parent, child);
    await app.run();
    const execution = await app.start(parent, undefined);
    expect(await execution.result()).toEqual([10, ["CHILD_FAILED", "failed"], true]);
    expect(await app.list({ parent: execution.id })).toHaveLength(2);
  });

  it("cancels its children first when it turns back", async () => {
    const scene = newScene();
    const list: string[] = [];
    const child = job("child", {}, async (ctx) => {
      await ctx.step("work", { run: () => void list.push("child"), compensate: () => void list.push("undo child") });
      await ctx.sleep("long", "1h");
    });
    const parent = job("parent", {}, async (ctx) => {
      await ctx.step("work", { run: () => void list.push("parent"), compensate: () => void list.push("undo parent") });
      await ctx.start(child, undefined);
      await ctx.sleep("until the child works", "300ms");
      throw new NonRetryableError("turn");
    });
    const app = scene.app({}, parent, child);
    await app.run();
    expect((await (await app.start(parent, undefined)).outcome()).state).toBe("compensated");
    expect(list).toEqual(["parent", "child", "undo child", "undo parent"]);
  });

  it("starts a follow-up after its delay, after the parent's end", async () => {
    const scene = newScene();
    const list: string[] = [];
    const check = job("check", { input: z.string(), key: (o) => o }, async (_ctx, id) => void list.push(`check ${id}`));
    const place = job("place", { input: z.string(), key: (o) => o }, async (ctx, id) => {
      await ctx.start(check, id, { delay: "150ms" });
      list.push("placed");
    });
    const app = scene.app({}, place, check);
    await app.run();
    await (await app.start(place, "A")).result();
    await expect.poll(() => list).toEqual(["placed", "check A"]);
  });

  it("keeps time and chance over a replay", async () => {
    const scene = newScene();
    const seen: unknown[] = [];
    const nap = job("nap", {}, async (ctx) => {
      seen.push([ctx.now.getTime(), ctx.random(), ctx.random()]);
      await ctx.sleep("nap", "100ms");
    });
    const app = scene.app({ suspendAfter: 10 }, nap);
    await app.run();
    await (await app.start(nap, undefined)).result();
    expect(seen).toHaveLength(2);
    expect(seen[0]).toEqual(seen[1]);
  });
});

describeEngine("concurrency", (newScene) => {
  const one = z.object({ id: z.string(), account: z.string() });

  it("runs one at a time per key, in order", async () => {
    const scene = newScene();
    const running = new Map<string, number>();
    const order: string[] = [];
    const move = job(
      "move",
      { input: one, concurrency: { strategy: "serial", key: (o) => o.account } },
      async (ctx, { id, account }) => {
        running.set(account, (running.get(account) ?? 0) + 1);
        expect(running.get(account)).toBe(1);
        await ctx.step("work", { run: () => new Promise((resolve) => setTimeout(resolve, 5)), irreversible: "test" });
        running.set(account, 0);
        order.push(id);
      },
    );
    const app = scene.app({}, move);
    await app.run();
    const all = [];
    for (let n = 0; n < 12; n++) all.push(await app.start(move, { id: `${n}`, account: n % 2 ? "a" : "b" }));
    for (const execution of all) await execution.result();
    expect(order.filter((id) => Number(id) % 2)).toEqual(["1", "3", "5", "7", "9", "11"]);
  });

  it("discards a new one while another runs, and cancels the running one where asked", async () => {
    const scene = newScene();
    const list: string[] = [];
    const work = (strategy: "discard-new" | "replace-running") =>
      job(strategy, { input: z.string(), concurrency: strategy }, async (ctx, id) => {
        await ctx.step("work", { run: () => void list.push(id), compensate: () => void list.push(`undo ${id}`) });
        if (id === "1") await ctx.sleep("long", "1h");
      });
    const [discard, replace] = [work("discard-new"), work("replace-running")];
    const app = scene.app({}, discard, replace);
    await app.run();
    const first = await app.start(discard, "1");
    await expect.poll(() => list).toEqual(["1"]);
    expect(await (await app.start(discard, "2")).outcome()).toEqual({ state: "discarded" });
    await app.cancel(first.id);
    await first.outcome();
    list.length = 0;
    const old = await app.start(replace, "1");
    await expect.poll(() => list).toEqual(["1"]);
    await (await app.start(replace, "2")).result();
    expect((await old.outcome()).state).toBe("canceled");
    expect(list).toEqual(["1", "undo 1", "2"]);
  });
});
