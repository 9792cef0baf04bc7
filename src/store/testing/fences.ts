import { expect } from "vitest";
import type { Suite } from "./harness.ts";
import { failedAttempt, leaseOf, newId, record, type Scene } from "./scene.ts";

const stepsOf = async (scene: Scene, id: string): Promise<readonly string[]> =>
  (await scene.load(id)).journal.map((row) => row.step);

export function testFences(suite: Suite): void {
  suite.test(
    "a write under another token, or for an execution that is gone, is lost and leaves nothing",
    async (scene) => {
      const lease = await scene.running(await scene.worker());
      for (const token of [0, 2, 1_000_000])
        expect(await scene.record({ ...lease, token }, record("a"))).toEqual({ kind: "lost" });
      expect(await scene.record({ executionId: newId(), token: 1 }, record("a"))).toEqual({ kind: "lost" });
      expect(await scene.move({ ...lease, token: 2 }, { name: "complete", parent: null, holdsSlot: false })).toEqual({
        kind: "lost",
      });
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
    },
  );

  suite.test("a record sent late, after another took the execution over, is lost", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    const { claimed } = await scene.rescue(await scene.crash(worker));
    expect(claimed.map(leaseOf)).toEqual([{ ...lease, token: 2 }]);
    expect(await scene.record(lease, record("late"))).toEqual({ kind: "lost" });
    expect(await stepsOf(scene, lease.executionId)).toEqual([]);
  });

  suite.test(
    "a record that landed before the take-over is lost to the one who repeats it after, and kept for the new owner",
    async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      const row = record("a");
      await scene.done(scene.record(lease, row));
      await scene.rescue(await scene.crash(worker));
      expect(await scene.record(lease, row)).toEqual({ kind: "lost" });
      expect(await stepsOf(scene, lease.executionId)).toEqual(["a"]);
    },
  );

  suite.test(
    "a forward record in flight while its owner turns back is refused, with the state as it is",
    async (scene) => {
      const lease = await scene.running(await scene.worker());
      await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
      expect(await scene.record(lease, record("late"), "forward")).toEqual({
        kind: "refused",
        phase: "back",
        cancel: null,
        inbox: 0,
      });
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
      await scene.done(scene.record(lease, record("late", { role: "compensation" }), "back"));
      await scene.done(scene.write({ lease, direction: "any", attempts: [failedAttempt("late")] }));
    },
  );

  suite.test("a compensation's record is refused unless the execution has turned back", async (scene) => {
    const worker = await scene.worker();
    for (const name of [null, "pivot", "confirm"] as const) {
      const lease = await scene.running(worker);
      if (name !== null) await scene.done(scene.move(lease, { name }));
      expect(await scene.record(lease, record("undo", { role: "compensation" }), "back")).toMatchObject({
        kind: "refused",
        cancel: null,
        inbox: 0,
      });
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
    }
  });

  suite.test("a refused transition takes its records, attempts and children with it", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const child = scene.execution({ parent: lease.executionId });
    await scene.cancel(lease.executionId);
    const outcome = await scene.move(
      lease,
      { name: "complete", parent: null, holdsSlot: false },
      {
        records: [record("a")],
        attempts: [failedAttempt("a")],
        children: [child],
        progress: { fraction: 1, note: null },
      },
    );
    expect(outcome).toEqual({ kind: "refused", phase: "open", cancel: "canceled", inbox: 1 });
    expect(await scene.load(lease.executionId)).toMatchObject({ journal: [], attempts: [] });
    expect(await scene.store.reads.find(child.id)).toBeNull();
    expect((await scene.find(lease.executionId)).progress).toBeNull();
  });

  suite.test(
    "a row of another token under a fence that passes cannot be, and is not carried on from",
    async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      const row = record("a");
      await scene.done(scene.record(lease, row));
      const successor = await scene.crash(worker);
      const { claimed } = await scene.rescue(successor);
      const [taken] = claimed.map(leaseOf);
      if (taken === undefined) throw new Error("Expected the execution to be rescued");
      await expect(scene.record(taken, row)).rejects.toMatchObject({ code: "INVARIANT" });
      await expect(
        scene.move(taken, { name: "complete", parent: null, holdsSlot: false }, { records: [record("b"), row] }),
      ).rejects.toMatchObject({ code: "INVARIANT" });
      expect(await stepsOf(scene, lease.executionId)).toEqual(["a"]);
      expect((await scene.find(lease.executionId)).status).toBe("running");
    },
  );
}
