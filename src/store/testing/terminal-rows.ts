// What has ended stays as it is, whatever is tried.
import { describe, expect } from "vitest";
import { terminalStatuses } from "../../core/execution.ts";
import type { Lease } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, directionOf, failedAttempt, person, record, type Scene } from "./scene.ts";
import { ownerTransitions, transitionOf } from "./transitions.ts";

export function testTerminalRows(suite: Suite): void {
  for (const status of terminalStatuses)
    describe(status, () => {
      suite.test("stays as it is under every command, write and loop", async (scene) => {
        const lease = await ended(scene, status);
        const id = lease.executionId;
        const look = async () => [
          await scene.find(id),
          await scene.load(id),
          await scene.history(id),
          await scene.store.reads.outcomes([id]),
        ];
        const before = await look();
        const row = {
          step: "charge",
          role: "action",
          kind: "step",
          started: 1,
          attempt: 1,
          state: "done",
          body: null,
        } as const;
        const refused = { kind: "refused", status, phase: before[0] && (await scene.find(id)).phase };
        expect(await scene.cancel(id)).toEqual(refused);
        expect(await scene.kill(id)).toEqual(refused);
        expect(await scene.resume(id, true)).toEqual(refused);
        expect(await scene.settle(id, "completed")).toEqual(refused);
        expect(await scene.settle(id, "compensated")).toEqual(refused);
        expect(await scene.signal(id, "late")).toEqual(refused);
        expect(await scene.store.commands.settleStep({ id, row, actor: person, note: null })).toEqual(refused);
        for (const token of [lease.token, lease.token + 1]) {
          for (const direction of ["forward", "back", "any"] as const)
            expect(await scene.record({ ...lease, token }, record("late"), direction)).toEqual({ kind: "lost" });
          for (const name of ownerTransitions)
            expect(
              await scene.write({
                lease: { ...lease, token },
                direction: directionOf(name),
                seenInbox: 0,
                records: [record("late")],
                attempts: [failedAttempt("late")],
                children: [scene.execution({ parent: id })],
                transition: { ...transitionOf(name), outcome: { result: bytes(9), error: null, undoneCount: 9 } },
                progress: { fraction: 1, note: null },
              }),
            ).toEqual({ kind: "lost" });
        }
        const worker = await scene.worker();
        await scene.wakeDue();
        expect((await scene.claim(worker)).map((claimed) => claimed.id)).not.toContain(id);
        expect(await scene.rescue(worker)).toEqual({ claimed: [], parked: [] });
        expect(await scene.store.workers.adopt({ worker: worker.id, orphans: [lease] })).toEqual([]);
        expect(await look()).toEqual(before);
      });
    });
}

/** An execution that ended so, and the last lease on it. */
async function ended(scene: Scene, status: (typeof terminalStatuses)[number]): Promise<Lease> {
  const worker = await scene.worker();
  if (status === "discarded") {
    await scene.running(worker, { concurrencyKey: "till-1" });
    const { id } = await scene.start({ concurrencyKey: "till-1", blocking: "discard-new" });
    return { executionId: id, token: 0 };
  }
  const lease = await scene.running(worker);
  await scene.done(scene.record(lease, record("charge")));
  if (status === "completed")
    await scene.complete(lease, { outcome: { result: bytes(1), error: null, undoneCount: 0 } });
  if (status === "killed") await scene.kill(lease.executionId);
  if (status === "compensated") {
    await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
    await scene.done(scene.move(lease, { name: "compensated", parent: null, holdsSlot: false }));
  }
  return lease;
}
