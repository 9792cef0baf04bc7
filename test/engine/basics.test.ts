import { job, NonRetryableError } from "makegood";
import { expect, it } from "vitest";
import * as z from "zod";
import { describeEngine } from "./harness.ts";

const Order = z.object({ id: z.string(), at: z.iso.datetime().transform((text) => new Date(text)) });
const order = { id: "A-17", at: "2026-11-22T08:00:00.000Z" };

class Receipt {
  id = "r-1";
  paidAt = new Date(5);
  pence = 12_345_678_901_234_567_890n;
  refund(): string {
    return this.id;
  }
}

describeEngine("an execution", (newScene) => {
  it("completes with the function's result", async () => {
    const scene = newScene();
    const add = job("add", { input: z.object({ a: z.number(), b: z.number() }) }, async (ctx, { a, b }) => {
      const first = await ctx.step("first", { run: () => a, effect: "natural" });
      return first + b;
    });
    const app = scene.app({}, add);
    await app.run();
    const execution = await app.start(add, { a: 1, b: 2 });
    expect(execution.isNew).toBe(true);
    expect(await execution.result()).toBe(3);
    expect(await execution.outcome()).toEqual({ state: "completed", result: 3 });
  });

  it("hands the function the schema's output, and stores the input", async () => {
    const scene = newScene();
    const seen: unknown[] = [];
    const place = job(
      "place",
      { input: Order, key: (o) => o.id },
      async (_ctx, input) => void seen.push(input.at.getTime()),
    );
    const app = scene.app({}, place);
    await app.run();
    await (await app.start(place, order)).result();
    expect(seen).toEqual([Date.parse(order.at)]);
    expect((await app.history((await app.start(place, order)).id)).input).toEqual(order);
  });

  it("gives a step's value back as it is stored: Date, bigint, and a class instance without its methods", async () => {
    const scene = newScene();
    const seen: unknown[] = [];
    const pay = job("pay", {}, async (ctx) => {
      const receipt = await ctx.step("charge", { run: () => new Receipt(), irreversible: "test" });
      seen.push(receipt, receipt instanceof Receipt, "refund" in receipt);
      return receipt;
    });
    const app = scene.app({}, pay);
    await app.run();
    const expected = { id: "r-1", paidAt: new Date(5), pence: 12_345_678_901_234_567_890n };
    expect(await (await app.start(pay, undefined)).result()).toEqual(expected);
    expect(seen).toEqual([expected, false, false]);
  });

  it("is answered by its key, whatever became of it", async () => {
    const scene = newScene();
    let runs = 0;
    const once = job(
      "once",
      { input: z.object({ id: z.string(), n: z.number() }), key: (o) => o.id },
      async () => ++runs,
    );
    const app = scene.app({}, once);
    await app.run();
    const first = await app.start(once, { id: "k", n: 1 });
    expect(await first.result()).toBe(1);
    const again = await app.start(once, { n: 1, id: "k" });
    expect(again).toMatchObject({ id: first.id, isNew: false, round: 0 });
    expect(await again.result()).toBe(1);
    await expect(app.start(once, { id: "k", n: 2 })).rejects.toMatchObject({ code: "KEY_INPUT_MISMATCH" });
    await expect(app.start(once, { id: "k", n: 1 }, { ifExists: "refuse" })).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
    expect(runs).toBe(1);
  });

  it("is started once by a hundred callers at the same time", async () => {
    const scene = newScene();
    let runs = 0;
    const once = job("once", { input: z.object({ id: z.string() }), key: (o) => o.id }, async () => ++runs);
    const [a, b] = [scene.app({}, once), scene.app({}, once)];
    await a.run();
    await b.run();
    const started = await Promise.all(Array.from({ length: 100 }, (_, n) => (n % 2 ? a : b).start(once, { id: "k" })));
    expect(new Set(started.map((one) => one.id)).size).toBe(1);
    expect(started.filter((one) => one.isNew)).toHaveLength(1);
    await started[0]?.result();
    expect(runs).toBe(1);
  });

  it("refuses a wrong input before anything is written", async () => {
    const scene = newScene();
    const place = job("place", { input: Order, key: (o) => o.id }, async () => {});
    const app = scene.app({}, place);
    await expect(app.start(place, { id: 7, at: "never" } as never)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(app.start(place, { ...order, id: "" })).rejects.toMatchObject({ code: "KEY_INVALID" });
    await expect(app.start(place, order, { delya: "1s" } as never)).rejects.toMatchObject({ code: "OPTION_INVALID" });
    expect(Object.values(await app.counts()).reduce((sum, n) => sum + n, 0)).toBe(0);
  });

  it("fails when its function throws, with nothing to undo", async () => {
    const scene = newScene();
    const fail = job("fail", {}, async () => {
      throw new NonRetryableError("no such account", { code: "NO_ACCOUNT", details: { account: 7 } });
    });
    const app = scene.app({}, fail);
    await app.run();
    const execution = await app.start(fail, undefined);
    expect(await execution.outcome()).toEqual({
      state: "failed",
      error: {
        code: "NO_ACCOUNT",
        message: "no such account",
        details: { account: 7 },
        retryable: false,
        effect: "unknown",
      },
    });
    await expect(execution.result()).rejects.toMatchObject({
      code: "EXECUTION_NOT_SUCCESSFUL",
      details: { state: "failed" },
    });
  });

  it("retries a step by its policy, with one key and rising attempts", async () => {
    const scene = newScene();
    const seen: [string, number][] = [];
    const flaky = job("flaky", {}, async (ctx) =>
      ctx.step("call", {
        run: ({ key, attempt }) => {
          seen.push([key, attempt]);
          if (attempt < 3) throw new Error("not yet");
          return attempt;
        },
        retry: { maxAttempts: 5, backoff: { initial: 1, max: 5 } },
        irreversible: "test",
      }),
    );
    const app = scene.app({}, flaky);
    await app.run();
    expect(await (await app.start(flaky, undefined)).result()).toBe(3);
    expect(seen.map(([, attempt]) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(seen.map(([key]) => key)).size).toBe(1);
    expect(seen[0]?.[0]).toMatch(/^mg1[A-Za-z0-9_-]{43}$/);
  });

  it("gives an attempt that does not end up after its timeout, and aborts its signal", async () => {
    const scene = newScene();
    const aborted: string[] = [];
    const slow = job("slow", {}, async (ctx) =>
      ctx.step("call", {
        run: ({ attempt, signal }) =>
          attempt === 2
            ? "ok"
            : new Promise<string>(() =>
                signal.addEventListener("abort", () => aborted.push((signal.reason as { code: string }).code)),
              ),
        timeout: 30,
        retry: { backoff: { initial: 1, max: 1 } },
        irreversible: "test",
      }),
    );
    const app = scene.app({}, slow);
    await app.run();
    expect(await (await app.start(slow, undefined)).result()).toBe("ok");
    expect(aborted).toEqual(["STEP_TIMED_OUT"]);
  });

  it("runs only versions that the worker has; two versions live side by side", async () => {
    const scene = newScene();
    const v1 = job("greet", { version: 1 }, async () => "one");
    const v2 = job("greet", { version: 2 }, async () => "two");
    const old = scene.app({}, v1);
    await old.run();
    const client = scene.app({}, v1, v2);
    const second = await client.start(v2, undefined);
    const first = await client.start(v1, undefined);
    expect(await first.result()).toBe("one");
    expect((await client.find(second.id))?.status).toBe("ready");
    const fresh = scene.app({}, v1, v2);
    await fresh.run();
    expect(await second.result()).toBe("two");
  });

  it("refuses a step name that is used twice, and names in a loop need an id", async () => {
    const scene = newScene();
    const twice = job("twice", {}, async (ctx) => {
      const seen: unknown[] = [];
      for (const n of [1, 2]) seen.push(await ctx.step(["n", n], { run: () => n, irreversible: "test" }));
      await ctx.step("same", { run: () => 1, irreversible: "test" });
      await ctx
        .step("same", { run: () => 2, irreversible: "test" })
        .catch((error: { code: string }) => seen.push(error.code));
      return seen;
    });
    const app = scene.app({}, twice);
    await app.run();
    expect(await (await app.start(twice, undefined)).result()).toEqual([1, 2, "STEP_NAME_REUSED"]);
  });

  it("gives function and steps objects that can be copied and taken apart, keys included", async () => {
    const scene = newScene();
    const seen: unknown[] = [];
    const copies = job("copies", { input: z.string(), key: (id) => id }, async (ctx) => {
      const { step, key } = { ...ctx };
      const see = (info: { readonly key: string; headers(): object }) => {
        const { headers, ...copy } = { ...info };
        seen.push([copy.key === info.key, copy.key, headers()]);
      };
      await step("act", { run: see, compensate: (info) => void seen.push({ ...info }.actionKey) });
      seen.push(key);
      throw new NonRetryableError("back");
    });
    const app = scene.app({}, copies);
    await app.run();
    await (await app.start(copies, "A-1")).outcome();
    const stepKey = expect.stringMatching(/^mg1/);
    expect(seen).toEqual([
      [true, stepKey, expect.objectContaining({ "idempotency-key": stepKey })],
      "A-1",
      (seen[0] as readonly unknown[])[1],
    ]);
  });

  it("stops waiting for an end when told, and leaves others waiting", async () => {
    const scene = newScene();
    const gate = Promise.withResolvers<number>();
    const slow = job("slow", {}, () => gate.promise);
    const app = scene.app({}, slow);
    await app.run();
    const execution = await app.start(slow, undefined);
    const controller = new AbortController();
    const { signal } = controller;
    const given = execution.result({ signal });
    const other = execution.result();
    controller.abort(new RangeError("enough"));
    await expect(given).rejects.toThrow("enough");
    gate.resolve(7);
    expect(await other).toBe(7);
    await expect(execution.result({ signal })).rejects.toThrow("enough");
  });

  it("goes on with steps that nobody awaits", async () => {
    const scene = newScene();
    const step = { run: () => undefined, irreversible: "test" };
    const chained = job("chained", {}, async (ctx) => {
      const chain = async (): Promise<void> => {
        for (const n of [1, 2]) await ctx.step(["link", n], step);
      };
      void chain();
    });
    // It begins with the result that the function returns with, and after that.
    const behind = job("behind", {}, async (ctx) => {
      const awaited = ctx.step("awaited", step);
      const goOn = async (): Promise<void> => {
        await awaited;
        for (let n = 0; n < 20; n++) await null;
        await ctx.step("behind", step);
      };
      void goOn();
      await awaited;
    });
    const app = scene.app({}, chained, behind);
    await app.run();
    const stepsOf = async (one: typeof chained): Promise<readonly string[]> => {
      const execution = await app.start(one, undefined);
      await execution.result();
      return (await app.history(execution.id)).journal.map((row) => row.step);
    };
    expect(await stepsOf(chained)).toEqual(["link:1", "link:2"]);
    expect(await stepsOf(behind)).toEqual(["awaited", "behind"]);
  });

  it("is claimed by priority, and not before its delay is over", async () => {
    const scene = newScene();
    const order: string[] = [];
    const note = job("note", { input: z.string() }, async (_ctx, name) => void order.push(name));
    const client = scene.app({}, note);
    const late = await client.start(note, "late", { priority: 9 });
    await client.start(note, "first", { priority: 0 });
    const delayed = await client.start(note, "delayed", { priority: 0, delay: "300ms" });
    const app = scene.app({ concurrency: 1 }, note);
    await app.run();
    await late.result();
    expect(order).toEqual(["first", "late"]);
    await delayed.result();
    expect(order).toEqual(["first", "late", "delayed"]);
  });

  it("shows no marked value in errors, logs or history", async () => {
    const scene = newScene();
    const lines: string[] = [];
    const log = {
      debug() {},
      info: (fields: object, text: string) => lines.push(JSON.stringify([fields, text])),
      warn() {},
      error() {},
    };
    const secret = "4111-1111-1111-1111";
    const pay = job(
      "pay",
      { input: z.object({ card: z.object({ number: z.string() }), to: z.string() }), redact: ["card.number"] },
      async (ctx, { card }) => {
        ctx.log.info({ card: card.number }, `charging ${card.number}`);
        throw new NonRetryableError(`card ${card.number} was declined`);
      },
    );
    const app = scene.app({ log }, pay);
    await app.run();
    const execution = await app.start(pay, { card: { number: secret }, to: "shop" });
    const outcome = await execution.outcome();
    const all = JSON.stringify([outcome, lines, await app.history(execution.id)]);
    expect(lines).toHaveLength(1);
    expect(all).not.toContain(secret);
    expect(all).toContain("card [redacted] was declined");
  });
});
