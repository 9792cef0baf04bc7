import { expect } from "vitest";
import type { NewExecution } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, failedAttempt, newId, record, type Scene, until } from "./scene.ts";

const gone: Partial<NewExecution> = { retainMs: 0, keyRetainMs: 86_400_000 };

export function testRetention(suite: Suite): void {
  suite.test("an ended execution past its retention is deleted with all its rows", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker, { ...gone, attributes: { customer: "c-1" } });
    const id = lease.executionId;
    await scene.signal(id, "s-1");
    await scene.done(
      scene.write({
        lease,
        direction: "forward",
        records: [record("a")],
        attempts: [failedAttempt("a")],
        progress: { fraction: 1, note: null },
      }),
    );
    await scene.park(lease);
    await scene.settle(id);
    expect(await pruned(scene)).toEqual({ executionCount: 1, keyCount: 0 });
    expect(await scene.store.reads.find(id)).toBeNull();
    expect(await scene.store.reads.input(id)).toBeNull();
    expect((await scene.store.executions.load([id])).size).toBe(0);
    expect((await scene.store.reads.outcomes([id])).size).toBe(0);
    expect(await scene.history(id)).toEqual({ journal: [], attempts: [], signals: [], audit: [], incidents: [] });
    expect(
      await scene.store.reads.list({ namespace: scene.namespace, attribute: ["customer", "c-1"], limit: 9 }),
    ).toEqual([]);
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
  });

  suite.test("what would be deleted can be asked before, and kept for a time after the end", async (scene) => {
    const { id } = await scene.start(gone);
    await scene.kill(id);
    const request = { namespace: scene.namespace, limit: 10 };
    await until("it to be past its retention", async () =>
      (await scene.store.executions.prunable(request)).includes(id),
    );
    const young = { ...request, endedForMs: 3_600_000 };
    expect(await scene.store.executions.prunable(young)).toEqual([]);
    expect(await scene.store.executions.prune(young)).toEqual({ executionCount: 0, keyCount: 0 });
    expect(await scene.store.executions.prune(request)).toMatchObject({ executionCount: 1 });
    expect(await scene.store.executions.prunable(request)).toEqual([]);
  });

  suite.test("nothing is left of it: its id could be started anew", async (scene) => {
    const given = { ...gone, id: newId(), attributes: { customer: "c-1" } };
    for (let round = 0; round < 2; round++) {
      await scene.kill((await scene.start(given)).id);
      await pruned(scene);
    }
  });

  suite.test("every way to end starts the retention", async (scene) => {
    const worker = await scene.worker();
    await scene.complete(await scene.running(worker, gone));
    const failed = await scene.running(worker, gone);
    await scene.done(scene.move(failed, { name: "turn-back", reason: "failed" }));
    await scene.done(scene.move(failed, { name: "compensated", parent: null, holdsSlot: false }));
    await scene.kill((await scene.start(gone)).id);
    const parked = await scene.running(worker, gone);
    await scene.park(parked);
    await scene.settle(parked.executionId);
    await scene.running(worker, { ...gone, concurrencyKey: "till-1" });
    await scene.start({ ...gone, concurrencyKey: "till-1", blocking: "discard-new" });
    await scene.start({ ...gone, concurrencyKey: "till-1" });
    await scene.start({ concurrencyKey: "till-1", blocking: "replace-running" });
    let count = 0;
    await until("six executions to be pruned", async () => {
      count += (await scene.prune()).executionCount;
      return count >= 6 ? true : undefined;
    });
    expect(count).toBe(6);
    expect((await scene.store.reads.countByStatus(scene.namespace)).running).toBe(1);
  });

  suite.test("unfinished ones, and ended ones within their retention, are kept", async (scene) => {
    const worker = await scene.worker();
    await scene.running(worker, gone);
    await scene.park(await scene.running(worker, gone));
    await scene.start(gone);
    await scene.complete(await scene.running(worker));
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
  });

  suite.test("the key record outlives its execution, with the status it ended with", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker, { ...gone, key: "A-1" });
    await scene.complete(lease);
    await pruned(scene);
    const known = { id: lease.executionId, round: 0, status: "completed", fingerprint: "print-1" };
    expect(await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" })).toEqual(
      known,
    );
    expect(await scene.startAny({ key: "A-1", fingerprint: "other" })).toEqual({ kind: "exists", ...known });
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
  });

  suite.test("a round that retention took is replaced by the next, if it ended without success", async (scene) => {
    const { id } = await scene.start({ ...gone, key: "A-1" });
    await scene.kill(id);
    await pruned(scene);
    expect(await scene.start({ key: "A-1", replacesRound: 0 })).toMatchObject({ round: 1, status: "ready" });
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
    const lease = await scene.running(await scene.worker(), { ...gone, key: "B-1" });
    await scene.complete(lease);
    await pruned(scene);
    expect(await scene.startAny({ key: "B-1", replacesRound: 0 })).toMatchObject({
      kind: "exists",
      id: lease.executionId,
      status: "completed",
    });
  });

  suite.test("an older round that retention takes leaves the key to the newest", async (scene) => {
    const first = await scene.start({ ...gone, key: "A-1", keyRetainMs: 0 });
    await scene.kill(first.id);
    const second = await scene.start({ key: "A-1", replacesRound: 0, keyRetainMs: 0 });
    expect(await pruned(scene)).toEqual({ executionCount: 1, keyCount: 0 });
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
    expect(
      await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" }),
    ).toMatchObject({ id: second.id, round: 1, status: "ready" });
  });

  suite.test("the key record goes when its own retention is over, and the key is free", async (scene) => {
    const { id } = await scene.start({ ...gone, key: "A-1", keyRetainMs: 0 });
    await scene.kill(id);
    let keyCount = 0;
    await until("the key record to go", async () => {
      keyCount += (await scene.prune()).keyCount;
      return keyCount > 0 ? true : undefined;
    });
    expect(keyCount).toBe(1);
    expect(
      await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" }),
    ).toBeNull();
    expect(await scene.start({ key: "A-1", fingerprint: "other" })).toMatchObject({ round: 0 });
  });

  suite.test("a key record never goes while its execution exists", async (scene) => {
    const { id } = await scene.start({ key: "A-1", keyRetainMs: 0 });
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
    await scene.kill(id);
    expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
  });

  suite.test(
    "a restart keeps the key record from going, though the round before was to take it along",
    async (scene) => {
      const { id } = await scene.start({ ...gone, key: "A-1", keyRetainMs: 200 });
      await scene.kill(id);
      await pruned(scene);
      const restarted = await scene.start({ key: "A-1", replacesRound: 0 });
      await until("the time that the key record was kept for", async () =>
        (await scene.start({ job: "clock" })).createdAt > restarted.createdAt + 250 ? true : undefined,
      );
      expect(await scene.prune()).toEqual({ executionCount: 0, keyCount: 0 });
      expect(await scene.startAny({ key: "A-1" })).toMatchObject({ kind: "exists", id: restarted.id });
    },
  );

  suite.test("prune goes in batches, and keeps to its namespace", async (scene) => {
    for (let i = 0; i < 5; i++) await scene.kill((await scene.start(gone)).id);
    expect(await scene.store.executions.prune({ namespace: `${scene.namespace}-2`, limit: 10 })).toEqual({
      executionCount: 0,
      keyCount: 0,
    });
    let count = 0;
    await until("five executions to be pruned", async () => {
      const { executionCount } = await scene.prune(2);
      expect(executionCount).toBeLessThanOrEqual(2);
      count += executionCount;
      return count === 5 ? true : undefined;
    });
  });

  suite.test(
    "a start repeated after retention took its execution, key and all, is answered by its key while that is kept",
    async (scene) => {
      const execution = scene.execution({ ...gone, key: "A-1", input: bytes(1) });
      await scene.store.executions.commit([execution], []);
      await scene.kill(execution.id);
      await pruned(scene);
      expect((await scene.store.executions.commit([execution], [])).starts).toMatchObject([
        { kind: "exists", id: execution.id, status: "killed" },
      ]);
    },
  );
}

/** The first prune that deletes something: the end must lie in the past by the database's clock. */
function pruned(scene: Scene) {
  return until("something to prune", async () => {
    const counts = await scene.prune();
    return counts.executionCount > 0 ? counts : undefined;
  });
}
