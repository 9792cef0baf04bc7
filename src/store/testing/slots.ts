// One unfinished execution at a time per concurrency key: (namespace, job, concurrencyKey) is a slot.
import { describe, expect } from "vitest";
import { terminalStatuses } from "../../core/execution.ts";
import type { Lease, NewExecution } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { leaseOf, persistently, person, type Scene, type TestWorker, until } from "./scene.ts";

const till: Partial<NewExecution> = { concurrencyKey: "till-1", blocking: "serial" };

export function testSlots(suite: Suite): void {
  suite.test("the first execution of a concurrency key is ready, and says so when claimed", async (scene) => {
    const worker = await scene.worker();
    expect(await scene.start(till)).toMatchObject({ status: "ready" });
    expect(await scene.claimOne(worker)).toMatchObject({ holdsSlot: true });
  });

  suite.test("serial: the others wait without a time, and are claimed by nobody", async (scene) => {
    const worker = await scene.worker();
    await scene.running(worker, till);
    const second = await scene.start(till);
    expect(second).toMatchObject({ status: "waiting", token: 0 });
    expect(await scene.find(second.id)).toMatchObject({ status: "waiting", wakeAt: null });
    expect(await scene.wakeDue()).toEqual({ wokenCount: 0, nextInMs: null });
    expect(await scene.claim(worker)).toEqual([]);
  });

  suite.test("a slot belongs to namespace, job and key, told apart by every byte (D9)", async (scene) => {
    await scene.start(till);
    const others = [
      { concurrencyKey: "Till-1" },
      { concurrencyKey: "till-1 " },
      { job: "cancel-order" },
      { namespace: `${scene.namespace}-2` },
    ];
    for (const other of others) expect(await scene.start({ ...till, ...other })).toMatchObject({ status: "ready" });
    expect(await scene.start()).toMatchObject({ status: "ready" });
  });

  suite.test("of 20 starts at once one is ready and the others wait", async (scene) => {
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => (await persistently(() => scene.start(till))).status),
    );
    expect(statuses.filter((status) => status === "ready")).toHaveLength(1);
    expect(statuses.filter((status) => status === "waiting")).toHaveLength(19);
  });

  suite.test("a signal to one that waits for the slot does not let it in", async (scene) => {
    await scene.running(await scene.worker(), till);
    const second = await scene.start(till);
    expect(await scene.signal(second.id, "s-1")).toEqual({ kind: "accepted", status: "waiting", phase: "open" });
    expect(await scene.find(second.id)).toMatchObject({ status: "waiting", wakeAt: null });
  });

  describe("the slot is handed over in the commit that ends its holder", () => {
    const endings: Readonly<Record<string, (scene: Scene, lease: Lease) => Promise<unknown>>> = {
      complete: (scene, lease) => scene.complete(lease, { holdsSlot: true }),
      compensated: async (scene, lease) => {
        await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
        await scene.done(scene.move(lease, { name: "compensated", parent: null, holdsSlot: true }));
      },
      kill: (scene, lease) => scene.kill(lease.executionId),
      settle: async (scene, lease) => {
        await scene.park(lease);
        await scene.settle(lease.executionId, "compensated");
      },
    };
    for (const [name, end] of Object.entries(endings))
      suite.test(`by ${name}`, async (scene) => {
        const worker = await scene.worker();
        const first = await scene.running(worker, till);
        const second = await scene.start(till);
        await end(scene, first);
        expect((await scene.find(second.id)).status).toBe("ready");
        expect(await scene.claimOne(worker)).toMatchObject({ id: second.id, token: 1, holdsSlot: true });
      });

    suite.test("by priority, then by age", async (scene) => {
      const worker = await scene.worker();
      let holder = await scene.running(worker, till);
      const order: string[] = [];
      for (const [place, priority] of [
        [2, 5],
        [0, 1],
        [3, 5],
        [1, 1],
      ] as const)
        order[place] = (await startLater(scene, { ...till, priority })).id;
      for (const id of order) {
        await scene.complete(holder, { holdsSlot: true });
        holder = leaseOf(await scene.claimOne(worker));
        expect(holder.executionId).toBe(id);
      }
      await scene.complete(holder, { holdsSlot: true });
      expect(await scene.start(till)).toMatchObject({ status: "ready" });
    });

    suite.test("an end repeated hands over once", async (scene) => {
      const worker = await scene.worker();
      const first = await scene.running(worker, till);
      const [second, third] = [await scene.start(till), await startLater(scene, till)];
      await scene.complete(first, { holdsSlot: true });
      await scene.complete(first, { holdsSlot: true });
      expect((await scene.find(second.id)).status).toBe("ready");
      expect((await scene.find(third.id)).status).toBe("waiting");
    });
  });

  suite.test(
    "the slot is kept while its holder sleeps, is parked, turns back, crashes or is handed back",
    async (scene) => {
      let worker = await scene.worker();
      let holder = await scene.running(worker, till);
      const second = await scene.start(till);
      const reclaim = async () => leaseOf(await scene.claimOne(worker));
      await scene.suspend(holder, 0);
      await scene.wakeDue();
      holder = await reclaim();
      await scene.park(holder);
      await scene.resume(holder.executionId);
      holder = await reclaim();
      await scene.done(scene.move(holder, { name: "hand-back" }));
      holder = await reclaim();
      worker = await scene.crash(worker);
      const { claimed } = await scene.rescue(worker);
      expect(claimed).toMatchObject([{ holdsSlot: true }]);
      holder = { ...holder, token: holder.token + 1 };
      await scene.done(scene.move(holder, { name: "turn-back", reason: "failed" }));
      expect((await scene.find(second.id)).status).toBe("waiting");
      await scene.done(scene.move(holder, { name: "compensated", parent: null, holdsSlot: true }));
      expect((await scene.find(second.id)).status).toBe("ready");
    },
  );

  suite.test("discard-new: a start that finds the slot taken ends at once, and its key answers", async (scene) => {
    await scene.start(till);
    const outcome = await scene.start({ ...till, blocking: "discard-new", key: "A-1" });
    expect(outcome).toMatchObject({ kind: "started", status: "discarded", token: 0 });
    const found = await scene.find(outcome.id);
    expect(found.endedAt).toBe(found.createdAt);
    expect(
      await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" }),
    ).toMatchObject({ id: outcome.id, status: "discarded" });
    expect(await scene.startAny({ ...till, blocking: "discard-new", key: "A-1" })).toMatchObject({
      kind: "exists",
      id: outcome.id,
      status: "discarded",
    });
  });

  suite.test("discard-new takes a slot that is free", async (scene) => {
    expect(await scene.start({ ...till, blocking: "discard-new" })).toMatchObject({ status: "ready" });
  });

  suite.test(
    "replace-running: the holder is canceled, those who waited are discarded, and the new one is next",
    async (scene) => {
      const worker = await scene.worker();
      const holder = await scene.running(worker, till);
      const waiting = [await scene.start(till), await scene.start(till)];
      const delayed = await scene.start({ ...till, delayMs: 3_600_000 });
      const newest = await scene.start({ ...till, blocking: "replace-running" });
      expect(newest.status).toBe("waiting");
      expect(await scene.find(holder.executionId)).toMatchObject({ status: "running", cancel: "replaced", token: 1 });
      expect((await scene.load(holder.executionId)).inbox).toBe(1);
      for (const { id } of waiting)
        expect(await scene.find(id)).toMatchObject({ status: "discarded", endedAt: expect.any(Number) });
      expect((await scene.find(delayed.id)).status).toBe("waiting");
      expect(await scene.move(holder, { name: "complete", parent: null, holdsSlot: true })).toMatchObject({
        kind: "refused",
        cancel: "replaced",
      });
      await scene.done(scene.move(holder, { name: "turn-back", reason: "replaced" }));
      await scene.done(scene.move(holder, { name: "compensated", parent: null, holdsSlot: true }));
      expect(await scene.claimOne(worker)).toMatchObject({ id: newest.id, holdsSlot: true, cancel: null });
    },
  );

  suite.test(
    "replace-running wakes a holder that sleeps or is parked, and a replaced waiter's parent",
    async (scene) => {
      const worker = await scene.worker();
      for (const [key, rest] of [
        ["a", (lease: Lease) => scene.suspend(lease)],
        ["b", (lease: Lease) => scene.park(lease)],
      ] as const) {
        const slot = { ...till, concurrencyKey: key };
        const parent = await scene.running(worker);
        const holder = await scene.running(worker, slot);
        await rest(holder);
        await scene.start({ ...slot, parent: parent.executionId });
        await scene.suspend(parent);
        await scene.start({ ...slot, blocking: "replace-running" });
        expect(await scene.find(holder.executionId)).toMatchObject({ status: "ready", cancel: "replaced" });
        expect((await scene.find(parent.executionId)).status).toBe("ready");
        expect(await scene.claim(worker)).toHaveLength(2);
      }
      expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 9 })).toEqual([]);
    },
  );

  suite.test("replace-running waits for a holder that is past its pivot, or already turned back", async (scene) => {
    const worker = await scene.worker();
    for (const name of ["pivot", "turn-back"] as const) {
      const holder = await scene.running(worker, { ...till, concurrencyKey: name });
      await scene.done(scene.move(holder, { name, reason: "failed" }));
      const before = await scene.find(holder.executionId);
      const next = await scene.start({ ...till, concurrencyKey: name, blocking: "replace-running" });
      expect(next.status).toBe("waiting");
      expect(await scene.find(holder.executionId)).toEqual(before);
      const last = { parent: null, holdsSlot: true } as const;
      await scene.done(scene.move(holder, { name: name === "pivot" ? "complete" : "compensated", ...last }));
      expect((await scene.find(next.id)).status).toBe("ready");
    }
  });

  describe("canceled", () => {
    suite.test(
      "one that waits for the slot becomes ready without it, ends as canceled, and lets nobody in",
      async (scene) => {
        const worker = await scene.worker();
        const holder = await scene.running(worker, till);
        const [second, third] = [await scene.start(till), await startLater(scene, till)];
        expect(await scene.cancel(second.id)).toEqual({ kind: "accepted", status: "ready", phase: "open" });
        const claimed = await scene.claimOne(worker);
        expect(claimed).toMatchObject({ id: second.id, cancel: "canceled", holdsSlot: false });
        await scene.done(scene.move(leaseOf(claimed), { name: "turn-back", reason: "canceled" }));
        await scene.done(scene.move(leaseOf(claimed), { name: "compensated", parent: null, holdsSlot: false }));
        expect((await scene.find(third.id)).status).toBe("waiting");
        await scene.complete(holder, { holdsSlot: true });
        expect((await scene.find(third.id)).status).toBe("ready");
      },
    );

    suite.test("one that gave up its wish takes no part any more, though it sleeps on its way back", async (scene) => {
      const worker = await scene.worker();
      const holder = await scene.running(worker, till);
      const { id } = await scene.start(till);
      await scene.cancel(id);
      const canceled = leaseOf(await scene.claimOne(worker));
      await scene.done(scene.move(canceled, { name: "turn-back", reason: "canceled" }));
      await scene.suspend(canceled, null, 1);
      await scene.start({ ...till, blocking: "replace-running" });
      await scene.kill(holder.executionId);
      expect(await scene.find(id)).toMatchObject({ status: "waiting", phase: "back" });
    });

    suite.test("one that waits for the slot can be killed, and lets nobody in", async (scene) => {
      const worker = await scene.worker();
      await scene.running(worker, till);
      const [second, third] = [await scene.start(till), await startLater(scene, till)];
      expect(await scene.kill(second.id)).toMatchObject({ kind: "accepted", status: "killed" });
      expect((await scene.find(third.id)).status).toBe("waiting");
    });

    suite.test("a holder keeps the slot until it has turned back", async (scene) => {
      const worker = await scene.worker();
      const { id } = await scene.start(till);
      const second = await scene.start(till);
      await scene.store.commands.cancel({ id, reason: "timed-out", actor: person, note: null });
      expect(await scene.claimOne(worker)).toMatchObject({ id, cancel: "timed-out", holdsSlot: true });
      expect((await scene.find(second.id)).status).toBe("waiting");
    });
  });

  suite.test("whatever order they end in, one runs at a time and all come to their turn", async (scene) => {
    const worker = await scene.worker();
    for (let i = 0; i < 12; i++) await scene.start(till);
    for (let ended = 0; ended < 12; ended++) {
      const claimed = await scene.claim(worker);
      expect(claimed).toHaveLength(1);
      await endSomehow(scene, worker, leaseOf(claimed[0] as never), ended);
    }
    const counts = await scene.store.reads.countByStatus(scene.namespace);
    expect(terminalStatuses.reduce((sum, status) => sum + counts[status], 0)).toBe(12);
  });
}

async function endSomehow(scene: Scene, worker: TestWorker, lease: Lease, turn: number): Promise<void> {
  if (turn % 3 === 0) await scene.complete(lease, { holdsSlot: true });
  if (turn % 3 === 1) await scene.kill(lease.executionId);
  if (turn % 3 === 2) {
    await scene.park(lease);
    expect(await scene.claim(worker)).toEqual([]);
    await scene.settle(lease.executionId);
  }
}

/** Its id is greater than all before: ids of the same millisecond are in no order. */
async function startLater(scene: Scene, given: Partial<NewExecution>) {
  const before = Date.now();
  await until("the next millisecond", async () => (Date.now() > before ? true : undefined));
  return scene.start(given);
}
