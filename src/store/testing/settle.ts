import { expect } from "vitest";
import { phases } from "../../core/execution.ts";
import type { Suite } from "./harness.ts";
import { bytes, person, plain, record, type Scene } from "./scene.ts";
import { runningIn } from "./transitions.ts";

const outcomeOf = async (scene: Scene, id: string) => (await scene.store.reads.outcomes([id])).get(id);

export function testSettling(suite: Suite): void {
  const settled = {
    step: "charge",
    role: "action",
    kind: "step",
    started: null,
    attempt: 1,
    state: "done",
    body: bytes(6),
  } as const;

  suite.test("a step is stated by a person, after all others, under the token that parked", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    await scene.done(scene.record(lease, record("a", { seq: 4, started: 2 })));
    expect(
      await scene.store.commands.settleStep({ id: lease.executionId, row: settled, actor: person, note: null }),
    ).toEqual({ kind: "refused", status: "running", phase: "open" });
    await scene.park(lease);
    expect(
      await scene.store.commands.settleStep({
        id: lease.executionId,
        row: { ...settled, started: 9 },
        actor: person,
        note: "asked the bank",
      }),
    ).toEqual({ kind: "accepted", status: "parked", phase: "open" });
    const { journal } = await scene.load(lease.executionId);
    expect({ ...journal[1], body: plain(journal[1]?.body) }).toEqual({
      ...settled,
      body: [6],
      seq: 5,
      started: 9,
      token: 1,
      actor: "user:ada",
      at: expect.any(Number),
    });
    expect((await scene.find(lease.executionId)).status).toBe("parked");
    expect((await scene.history(lease.executionId)).audit).toMatchObject([
      { verb: "settle-step", note: "asked the bank" },
    ]);
  });

  suite.test("a step that is settled already is not settled otherwise", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(scene.record(lease, record("charge")));
    await scene.park(lease);
    expect(
      await scene.store.commands.settleStep({
        id: lease.executionId,
        row: { ...settled, state: "refused" },
        actor: person,
        note: null,
      }),
    ).toMatchObject({ kind: "refused", status: "parked" });
    expect((await scene.load(lease.executionId)).journal).toMatchObject([{ state: "done", actor: null }]);
  });

  suite.test("a step that never started comes after those that did", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(scene.record(lease, record("a", { seq: 1, started: 1 })));
    await scene.park(lease);
    await scene.store.commands.settleStep({ id: lease.executionId, row: settled, actor: person, note: null });
    expect((await scene.load(lease.executionId)).journal[1]).toMatchObject({ seq: 2, started: 2 });
  });

  for (const as of ["completed", "compensated"] as const)
    suite.test(`an execution ends as ${as} by a person's word, from any phase`, async (scene) => {
      const worker = await scene.worker();
      for (const phase of phases) {
        const lease = await runningIn(scene, worker, phase, false);
        expect(await scene.settle(lease.executionId, as)).toEqual({ kind: "refused", status: "running", phase });
        await scene.park(lease);
        expect(await scene.settle(lease.executionId, as)).toEqual({ kind: "accepted", status: as, phase });
        expect(await scene.find(lease.executionId)).toMatchObject({
          status: as,
          phase,
          reason: "settled",
          worker: null,
          endedAt: expect.any(Number),
        });
        expect(plain((await outcomeOf(scene, lease.executionId))?.result)).toEqual([5]);
        expect((await scene.history(lease.executionId)).incidents).toMatchObject([{ closedAt: expect.any(Number) }]);
      }
      expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 9 })).toEqual([]);
    });

  suite.test("a person's word replaces the outcome that the decision had written", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(
      scene.move(lease, { name: "confirm", outcome: { result: bytes(1), error: null, undoneCount: 0 } }),
    );
    await scene.park(lease);
    await scene.store.commands.settle({
      id: lease.executionId,
      as: "compensated",
      result: null,
      error: bytes(2),
      actor: person,
      note: null,
    });
    const outcome = await outcomeOf(scene, lease.executionId);
    expect([plain(outcome?.result), plain(outcome?.error)]).toEqual([null, [2]]);
  });
}
