import { expect } from "vitest";
import type { ExecutorStore, NewRun } from "../../core/executors.ts";
import { emptyMemory } from "../../core/routing/route.ts";
import type { Suite } from "./harness.ts";
import { newId, type Scene, until } from "./scene.ts";

const group = "orders";
const first = "http://10.0.0.1:9999/";
const second = "http://10.0.0.2:9999/";

export function testExecutors(suite: Suite): void {
  const store = (): ExecutorStore => suite.store.executors;
  const register = ({ namespace }: Scene, address: string, more = {}): Promise<void> =>
    store().register({ namespace, group, address, source: "registered", generation: null, leaseMs: 600_000, ...more });
  const live = async ({ namespace }: Scene): Promise<readonly string[]> =>
    (await store().list({ namespace, group })).filter(({ isLive }) => isLive).map(({ address }) => address);
  const newRun = ({ namespace }: Scene, more: Partial<NewRun> = {}): NewRun => ({
    namespace,
    executionId: newId(),
    attempt: 1,
    shardIndex: 0,
    shardTotal: 1,
    group,
    handler: "report 报表",
    jobId: 7,
    address: first,
    ...more,
  });

  suite.test("an executor that registered is live until its lease ends, or it leaves", async (scene) => {
    await register(scene, second);
    await register(scene, first, { generation: 3 });
    await register(scene, first);
    expect(await store().list({ namespace: scene.namespace })).toMatchObject([
      { group, address: first, source: "registered", generation: 3, isLive: true },
      { group, address: second, generation: null, isLive: true },
    ]);
    await register(scene, second, { leaseMs: 1 });
    await until("the lease to end", async () => ((await live(scene)).length === 1 ? true : undefined));
    await store().unregister({ namespace: scene.namespace, group, address: first });
    expect(await live(scene)).toEqual([]);
    expect(await store().list({ namespace: scene.namespace, group: "another" })).toEqual([]);
  });

  suite.test("an executor that a person named stays, whatever it says of itself", async (scene) => {
    await register(scene, first, { source: "manual", leaseMs: null });
    await register(scene, first, { leaseMs: 1, generation: 2 });
    await store().unregister({ namespace: scene.namespace, group, address: first });
    expect(await store().list({ namespace: scene.namespace })).toMatchObject([
      { address: first, source: "manual", generation: 2, isLive: true },
    ]);
  });

  suite.test(
    "routing remembers by compare-and-set: of two who chose at once, one is told",
    async ({ namespace }) => {
      const of = { namespace, group, handler: "report" };
      expect(await store().memory(of)).toEqual({ memory: emptyMemory, version: 0 });
      const chose = (count: number) => ({ count, used: { [first]: { count, last: count - 1 } } });
      const both = await Promise.all([
        store().remember(of, chose(1), 0),
        suite.second.executors.remember(of, chose(1), 0),
      ]);
      expect(both.filter(Boolean)).toHaveLength(1);
      expect(await store().memory(of)).toEqual({ memory: chose(1), version: 1 });
      expect(await store().remember(of, chose(9), 0)).toBe(false);
      expect(await store().remember(of, chose(2), 1)).toBe(true);
      expect(await store().memory(of)).toEqual({ memory: chose(2), version: 2 });
    },
    "second",
  );

  suite.test(
    "a run is opened once for its attempt and shard, with the address it had at first",
    async (scene) => {
      const run = newRun(scene, { message: "x" } as never);
      const opened = await Promise.all([
        store().open(run),
        suite.second.executors.open({ ...run, address: second }),
        store().open(run),
      ]);
      expect(new Set(opened.map(({ logId }) => logId)).size).toBe(1);
      expect(new Set(opened.map(({ address }) => address)).size).toBe(1);
      const next = await store().open({ ...run, attempt: 2 });
      expect(next.logId).toBeGreaterThan(opened[0].logId);
      expect(next).toMatchObject({
        ...newRun(scene),
        executionId: run.executionId,
        attempt: 2,
        state: "sending",
        logLines: 0,
      });
      expect((await store().runsOf(run.executionId)).map(({ logId }) => logId)).toEqual([opened[0].logId, next.logId]);
    },
    "second",
  );

  suite.test(
    "a run ends once, and only the first word counts",
    async (scene) => {
      const { logId, executionId } = await store().open(newRun(scene));
      await store().accept(logId);
      expect(await store().find(logId)).toMatchObject({ state: "running", endedAt: null });
      const ends = await Promise.all([
        store().end({ logId, state: "completed", code: 200, message: "好 🙂" }),
        suite.second.executors.end({ logId, state: "lost", code: null, message: null }),
      ]);
      expect([...ends].sort()).toEqual(["already", "ended"]);
      const found = await store().find(logId);
      expect(found).toMatchObject(ends[0] === "ended" ? { state: "completed", message: "好 🙂" } : { state: "lost" });
      await store().accept(logId);
      expect((await store().find(logId))?.state).toBe(found?.state);
      expect(await store().end({ logId: logId + 1_000_000_000, state: "lost", code: null, message: null })).toBe(
        "unknown",
      );
      expect(await store().find(logId + 1_000_000_000)).toBeNull();
      expect(executionId).toBe(found?.executionId);
    },
    "second",
  );

  suite.test("runs under way are counted by address, and those that ended are not", async (scene) => {
    const [one] = await Promise.all([
      store().open(newRun(scene)),
      store().open(newRun(scene)),
      store().open(newRun(scene, { address: second })),
    ]);
    expect(await store().loads({ namespace: scene.namespace, group })).toEqual({ [first]: 2, [second]: 1 });
    await store().end({ logId: one.logId, state: "killed", code: null, message: null });
    expect(await store().loads({ namespace: scene.namespace, group })).toEqual({ [first]: 1, [second]: 1 });
  });

  suite.test(
    "open runs are given to one caller at a time to look after",
    async (scene) => {
      const { namespace } = scene;
      const opened = await Promise.all(Array.from({ length: 6 }, () => store().open(newRun(scene))));
      const ended = opened[5];
      if (ended !== undefined) await store().end({ logId: ended.logId, state: "lost", code: null, message: null });
      expect(await store().takeOpen({ namespace, olderThanMs: 600_000, limit: 10 })).toEqual([]);
      const ask = (of: ExecutorStore) => of.takeOpen({ namespace, olderThanMs: 0, limit: 3 });
      await until("each to be given once", async () => {
        const taken = (await Promise.all([ask(store()), ask(suite.second.executors)])).flat();
        const ids = taken.map(({ logId }) => logId);
        return ids.length >= 5 ? ids : undefined;
      });
      expect(await store().takeOpen({ namespace, olderThanMs: 600_000, limit: 10 })).toEqual([]);
    },
    "second",
  );

  suite.test("a log grows line by line, keeps what continues it, and is read by pages", async (scene) => {
    const { logId } = await store().open(newRun(scene));
    expect(await store().appendLog({ logId, fromLine: 1, lines: ["one", "two 二"] })).toBe(2);
    expect(await store().appendLog({ logId, fromLine: 1, lines: ["again"] })).toBe(2);
    expect(await store().appendLog({ logId, fromLine: 5, lines: ["a gap"] })).toBe(2);
    expect(await store().appendLog({ logId, fromLine: 3, lines: ["", "four", "five"] })).toBe(5);
    expect(await store().appendLog({ logId, fromLine: 6, lines: [] })).toBe(5);
    const page = (fromLine: number, limit: number) => store().readLog({ logId, fromLine, limit });
    expect((await page(1, 100)).lines).toEqual(["one", "two 二", "", "four", "five"]);
    expect(await page(2, 2)).toEqual({ logId, fromLine: 2, lines: ["two 二", ""] });
    expect((await page(4, 1)).lines).toEqual(["four"]);
    expect((await page(6, 10)).lines).toEqual([]);
    expect((await store().find(logId))?.logLines).toBe(5);
    expect(await store().appendLog({ logId: logId + 1_000_000_000, fromLine: 1, lines: ["nobody's"] })).toBe(0);
  });

  suite.test("pruning takes runs that ended long ago, with their logs, and executors not seen since", async (scene) => {
    const { namespace } = scene;
    const [ended, open] = await Promise.all([store().open(newRun(scene)), store().open(newRun(scene))]);
    await store().appendLog({ logId: ended.logId, fromLine: 1, lines: ["x"] });
    await store().end({ logId: ended.logId, state: "failed", code: 500, message: null });
    await register(scene, first, { leaseMs: 1 });
    await register(scene, second, { source: "manual", leaseMs: null });
    expect(await store().prune({ namespace, olderThanMs: 600_000, limit: 10 })).toBe(0);
    await until("the run to be old enough", async () =>
      (await store().prune({ namespace, olderThanMs: 1, limit: 10 })) === 1 ? true : undefined,
    );
    expect(await store().find(ended.logId)).toBeNull();
    expect((await store().readLog({ logId: ended.logId, fromLine: 1, limit: 9 })).lines).toEqual([]);
    expect((await store().find(open.logId))?.state).toBe("sending");
    await until("the executor to be gone long enough", async () => {
      await store().prune({ namespace, olderThanMs: 1, limit: 10 });
      return (await store().list({ namespace })).length === 1 ? true : undefined;
    });
  });
}
