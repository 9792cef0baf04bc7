import { describe, expect } from "vitest";
import { type Phase, phases } from "../../core/execution.ts";
import type { Actor } from "../../core/ports.ts";
import type { Suite } from "./harness.ts";
import { failedAttempt, leaseOf, newId, person, record } from "./scene.ts";
import { runningIn } from "./transitions.ts";

export function testCommands(suite: Suite): void {
  suite.test("a command to an execution that is not there is told so", async (scene) => {
    const id = newId();
    const unknown = { kind: "unknown-execution" };
    const row = {
      step: "a",
      role: "action",
      kind: "step",
      started: null,
      attempt: 1,
      state: "done",
      body: null,
    } as const;
    expect(await scene.cancel(id)).toEqual(unknown);
    expect(await scene.kill(id)).toEqual(unknown);
    expect(await scene.resume(id)).toEqual(unknown);
    expect(await scene.settle(id)).toEqual(unknown);
    expect(await scene.store.commands.settleStep({ id, row, actor: person, note: null })).toEqual(unknown);
  });

  suite.test("each command is audited with its actor and note, a refused one is not", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    const id = lease.executionId;
    const actor: Actor = { kind: "token", id: "ci 😀" };
    await scene.store.commands.signal({ id, signalId: "s-1", name: "paid", payload: null, actor });
    await scene.store.commands.resume({ id, resetAttempts: false, actor, note: "refused" });
    await scene.park(lease);
    await scene.store.commands.resume({ id, resetAttempts: true, actor, note: "again" });
    await scene.park(leaseOf(await scene.claimOne(worker)));
    await scene.store.commands.settle({ id, as: "completed", result: null, error: null, actor, note: "by hand" });
    await scene.store.commands.kill({ id, actor, note: "refused" });
    const { audit } = await scene.history(id);
    expect(audit).toHaveLength(3);
    expect(audit).toEqual(
      expect.arrayContaining([
        { executionId: id, verb: "signal", actor, note: null, at: expect.any(Number) },
        { executionId: id, verb: "retry", actor, note: "again", at: expect.any(Number) },
        { executionId: id, verb: "settle", actor, note: "by hand", at: expect.any(Number) },
      ]),
    );
  });

  describe("cancel", () => {
    for (const phase of phases)
      suite.test(`is ${phase === "open" ? "accepted" : "refused"} in phase ${phase}`, async (scene) => {
        const lease = await runningIn(scene, await scene.worker(), phase, false);
        const before = await scene.find(lease.executionId);
        const outcome = await scene.cancel(lease.executionId);
        expect(outcome).toEqual({ kind: phase === "open" ? "accepted" : "refused", status: "running", phase });
        const found = await scene.find(lease.executionId);
        if (phase === "open") expect(found).toEqual({ ...before, cancel: "canceled" });
        else expect(found).toEqual(before);
      });

    suite.test(
      "wakes an execution that waits, delayed ones too, and makes a parked one ready, its incident closed",
      async (scene) => {
        const worker = await scene.worker();
        const [waiting, parked] = [await scene.running(worker), await scene.running(worker)];
        await scene.suspend(waiting, 3_600_000);
        await scene.park(parked);
        const delayed = await scene.start({ delayMs: 3_600_000 });
        for (const id of [waiting.executionId, parked.executionId, delayed.id]) {
          expect(await scene.cancel(id)).toEqual({ kind: "accepted", status: "ready", phase: "open" });
          expect(await scene.find(id)).toMatchObject({ status: "ready", cancel: "canceled", phase: "open" });
        }
        expect((await scene.history(parked.executionId)).incidents).toMatchObject([
          { code: "STEP_DRIFT", closedAt: expect.any(Number) },
        ]);
        expect(await scene.claim(worker)).toHaveLength(3);
      },
    );

    suite.test("repeated, keeps the first reason and raises no second alarm", async (scene) => {
      const { id } = await scene.start();
      await scene.store.commands.cancel({ id, reason: "timed-out", actor: person, note: null });
      expect(await scene.cancel(id)).toEqual({ kind: "accepted", status: "ready", phase: "open" });
      expect((await scene.find(id)).cancel).toBe("timed-out");
      expect((await scene.load(id)).inbox).toBe(1);
      expect((await scene.history(id)).audit).toHaveLength(1);
    });

    suite.test("accepted before the pivot means never completed", async (scene) => {
      const lease = await scene.running(await scene.worker());
      await scene.cancel(lease.executionId);
      for (const name of ["pivot", "confirm", "complete"] as const)
        expect(await scene.move(lease, { name, parent: null, holdsSlot: false })).toEqual({
          kind: "refused",
          phase: "open",
          cancel: "canceled",
          inbox: 1,
        });
      await scene.done(scene.move(lease, { name: "turn-back", reason: "canceled" }));
    });

    suite.test(
      "takes the children with it, and theirs, but none that is past its pivot, turned back or ended",
      async (scene) => {
        const worker = await scene.worker();
        const top = await scene.running(worker);
        const under = async (parent: string, phase: Phase = "open") => {
          const lease = await scene.running(worker, { parent, root: top.executionId });
          if (phase === "pivoted") await scene.done(scene.move(lease, { name: "pivot" }));
          if (phase === "back") await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
          return lease;
        };
        const child = await under(top.executionId);
        const grandchild = await under(child.executionId);
        const asleep = await scene.start({ parent: child.executionId, delayMs: 3_600_000 });
        const pivoted = await under(top.executionId, "pivoted");
        const underPivoted = await under(pivoted.executionId);
        const back = await under(top.executionId, "back");
        const ended = await under(top.executionId);
        await scene.complete(ended, { parent: null });
        const stranger = await scene.running(worker);
        await scene.cancel(top.executionId);
        for (const id of [top.executionId, child.executionId, grandchild.executionId, asleep.id])
          expect(await scene.find(id)).toMatchObject({ cancel: "canceled" });
        for (const { executionId } of [pivoted, underPivoted, back, ended, stranger])
          expect(await scene.find(executionId)).toMatchObject({ cancel: null });
        expect((await scene.find(asleep.id)).status).toBe("ready");
        expect((await scene.history(grandchild.executionId)).audit).toMatchObject([{ verb: "cancel", actor: person }]);
      },
    );
  });

  describe("kill", () => {
    suite.test("ends it at once in any phase, without undo, and fences its owner off", async (scene) => {
      const worker = await scene.worker();
      for (const phase of phases) {
        const lease = await runningIn(scene, worker, phase, false);
        expect(await scene.kill(lease.executionId)).toEqual({ kind: "accepted", status: "killed", phase });
        expect(await scene.find(lease.executionId)).toMatchObject({
          status: "killed",
          phase,
          token: 2,
          worker: null,
          endedAt: expect.any(Number),
        });
        expect(await scene.record(lease, record("late"), "any")).toEqual({ kind: "lost" });
        expect(await scene.move(lease, { name: "complete", parent: null, holdsSlot: false })).toEqual({ kind: "lost" });
      }
    });

    suite.test("opens an incident, and the audit names who did it", async (scene) => {
      const { id } = await scene.start();
      await scene.kill(id);
      expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 9 })).toMatchObject([
        { executionId: id, code: "KILLED", closedAt: null },
      ]);
      expect((await scene.history(id)).audit).toMatchObject([{ verb: "kill", actor: person, note: "by hand" }]);
    });

    suite.test("works on ready, waiting and parked executions too", async (scene) => {
      const worker = await scene.worker();
      const [waiting, parked] = [await scene.running(worker), await scene.running(worker)];
      await scene.suspend(waiting, 0);
      await scene.park(parked);
      const { id } = await scene.start();
      for (const each of [waiting.executionId, parked.executionId, id])
        expect(await scene.kill(each)).toMatchObject({ kind: "accepted", status: "killed" });
      expect(await scene.claim(worker)).toEqual([]);
      expect((await scene.wakeDue()).wokenCount).toBe(0);
    });
  });

  describe("resume", () => {
    suite.test("is for parked executions: ready again in their phase, the incident closed", async (scene) => {
      const worker = await scene.worker();
      for (const phase of phases) {
        const lease = await runningIn(scene, worker, phase, false);
        expect(await scene.resume(lease.executionId)).toEqual({ kind: "refused", status: "running", phase });
        await scene.park(lease);
        expect(await scene.resume(lease.executionId)).toEqual({ kind: "accepted", status: "ready", phase });
        expect((await scene.history(lease.executionId)).incidents).toMatchObject([{ closedAt: expect.any(Number) }]);
        expect(await scene.claimOne(worker)).toMatchObject({ id: lease.executionId, phase, token: 2 });
      }
      expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 9 })).toEqual([]);
    });

    suite.test(
      "keeps the attempts counted; a retry starts the budget of unsettled steps anew, and history keeps all",
      async (scene) => {
        const worker = await scene.worker();
        let lease = await scene.running(worker);
        const fail = (attempt: number) =>
          scene.done(scene.write({ lease, direction: "any", attempts: [failedAttempt("charge", { attempt })] }));
        const again = async (resetAttempts: boolean) => {
          await scene.park(lease);
          await scene.resume(lease.executionId, resetAttempts);
          lease = leaseOf(await scene.claimOne(worker));
          return (await scene.load(lease.executionId)).attempts.map(({ attempt }) => attempt);
        };
        await fail(1);
        await fail(2);
        expect(await again(false)).toEqual([1, 2]);
        expect(await again(true)).toEqual([]);
        await fail(1);
        expect(await again(false)).toEqual([1]);
        expect((await scene.history(lease.executionId)).attempts).toHaveLength(3);
      },
    );

    suite.test("a canceled execution that is parked again can be canceled again", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      await scene.cancel(lease.executionId);
      await scene.park(lease);
      await scene.store.commands.cancel({ id: lease.executionId, reason: "timed-out", actor: person, note: null });
      expect(await scene.find(lease.executionId)).toMatchObject({ status: "ready", phase: "open", cancel: "canceled" });
    });
  });

  suite.test(
    "of commands at the same time each is accepted or refused, and the row shows what was accepted",
    async (scene) => {
      const { id } = await scene.start();
      const [canceled, killed, told] = await Promise.all([scene.cancel(id), scene.kill(id), scene.signal(id, "s-1")]);
      expect(killed).toMatchObject({ kind: "accepted" });
      expect((await scene.find(id)).cancel).toBe(canceled.kind === "accepted" ? "canceled" : null);
      expect((await scene.load(id)).signals).toHaveLength(told.kind === "accepted" ? 1 : 0);
    },
  );
}
