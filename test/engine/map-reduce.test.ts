import { mapReduce, type Schema } from "makegood";
import { expect, test } from "vitest";
import { describeEngine } from "./harness.ts";
import { mortal } from "./mortal.ts";

const anyNumber: Schema<number, number> = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value: Number(value) }) },
};
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, at) => at + 1);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describeEngine("map and reduce", (open) => {
  test("parts are done once each, results come in their order, and no part is no work", async () => {
    const done: unknown[] = [];
    const squares = mapReduce("squares", {
      input: anyNumber,
      split: (n) => upTo(n),
      map: async (_, part, of) => {
        done.push([part, of]);
        await wait(part % 2 === 0 ? 0 : 5);
        return part * part;
      },
      reduce: (_, results, n) => ({ n, results }),
    });
    const app = open().app({}, squares);
    await app.run();
    expect(await (await app.start(squares, 5)).result()).toEqual({ n: 5, results: [1, 4, 9, 16, 25] });
    expect(done).toHaveLength(5);
    expect(done).toContainEqual([3, { index: 2, total: 5 }]);
    expect(await (await app.start(squares, 0)).result()).toEqual({ n: 0, results: [] });
  });

  test("no more parts run at once than was said, in all processes together", async () => {
    let [running, most] = [0, 0];
    const scene = open();
    const counted = mapReduce("counted", {
      split: () => upTo(12),
      map: async (_, part) => {
        most = Math.max(most, ++running);
        await wait(20);
        running--;
        return part;
      },
      reduce: (_, results) => sum(results),
      parallel: 3,
    });
    const apps = ["one", "two"].map((workerName) => scene.app({ workerName }, counted));
    for (const app of apps) await app.run();
    expect(await (await (apps[0] as (typeof apps)[number]).start(counted, undefined)).result()).toBe(78);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });

  test("every process takes parts, and those of one that dies are taken over", async () => {
    const scene = open();
    const did = new Map<string, number[]>();
    const workIn = (name: string) =>
      mapReduce("shared", {
        split: () => upTo(40),
        map: async (ctx, part) =>
          ctx.step("do", {
            run: async () => {
              await wait(30);
              did.set(name, [...(did.get(name) ?? []), part]);
              return part;
            },
            irreversible: "a test",
          }),
        reduce: (_, results) => sum(results),
      });
    const dying = mortal(scene.store());
    const one = scene.app({ store: dying.store, workerName: "one", concurrency: 4 }, workIn("one"));
    const two = scene.app({ workerName: "two", concurrency: 4 }, workIn("two"));
    await one.run();
    await two.run();
    const { id } = await one.start(workIn("client"), undefined);
    await expect.poll(() => [...did.keys()].toSorted(), { timeout: 10_000, interval: 10 }).toEqual(["one", "two"]);
    dying.kill();
    expect(await two.execution(id).result()).toBe(820);
    const parts = await two.list({ job: "shared/part", limit: 100 });
    expect(parts.map(({ status }) => status)).toEqual(upTo(40).map(() => "completed"));
    expect(new Set(parts.map(({ root }) => root))).toEqual(new Set([id]));
  });

  test("a part that fails for good fails the whole, and no more are started", async () => {
    const broken = mapReduce("broken", {
      split: () => upTo(100),
      map: async (_, part) => {
        if (part === 2) throw new Error("no such part");
        await wait(5);
        return part;
      },
      reduce: () => "never",
      parallel: 2,
    });
    const app = open().app({}, broken);
    await app.run();
    const outcome = await (await app.start(broken, undefined)).outcome();
    expect(outcome).toMatchObject({ error: { code: "CHILD_FAILED" } });
    expect((await app.list({ job: "broken/part", limit: 200 })).length).toBeLessThan(20);
  });

  test("a split into what is no list, or into too many, fails in words", async () => {
    const wrong = mapReduce("wrong", {
      input: anyNumber,
      split: (n) => (n < 0 ? (17 as never) : upTo(n)),
      map: (_, part) => part,
      reduce: (_, results) => results.length,
    });
    const app = open().app({ limits: { maxSteps: 200 } }, wrong);
    await app.run();
    for (const [n, found] of [
      [-1, "found 17"],
      [51, "found 51 parts"],
    ] as const)
      expect(await (await app.start(wrong, n)).outcome()).toMatchObject({
        error: { code: "PARTS_INVALID", message: expect.stringContaining(`at most 50 parts, ${found}`) },
      });
    expect(await (await app.start(wrong, 50)).result()).toBe(50);
    const options = { split: () => [], map: () => 1, reduce: () => 1 };
    expect(() => mapReduce("bad", { ...options, parallel: 0 })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
    expect(() => mapReduce("bad", { ...options, map: 17 as never })).toThrow("map: expected a function, found 17");
  });
});
