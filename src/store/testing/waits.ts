import { expect } from "vitest";
import type { Suite } from "./harness.ts";
import { leaseOf, persistently, record, until } from "./scene.ts";

export function testWaits(suite: Suite): void {
  suite.test("a suspended execution belongs to nobody and sleeps until a message comes", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    await scene.suspend(lease);
    expect(await scene.find(lease.executionId)).toMatchObject({
      status: "waiting",
      worker: null,
      wakeAt: null,
      token: 1,
    });
    expect(await scene.wakeDue()).toEqual({ wokenCount: 0, nextInMs: null });
    expect(await scene.claim(worker)).toEqual([]);
    expect((await scene.rescue(await scene.crash(worker))).claimed).toEqual([]);
  });

  suite.test("a suspend that has not read the newest message is refused: no wake-up is lost", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    expect(await scene.move(lease, { name: "suspend", wakeInMs: null }, { seenInbox: 0 })).toEqual({
      kind: "refused",
      phase: "open",
      cancel: null,
      inbox: 1,
    });
    expect(await scene.load(lease.executionId)).toMatchObject({ inbox: 1, signals: [{ signalId: "s-1" }] });
    await scene.suspend(lease, null, 1);
  });

  suite.test("a suspend that has not seen the cancel is refused", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.cancel(lease.executionId);
    expect(await scene.move(lease, { name: "suspend", wakeInMs: null }, { seenInbox: 0 })).toEqual({
      kind: "refused",
      phase: "open",
      cancel: "canceled",
      inbox: 1,
    });
    expect(await scene.load(lease.executionId)).toMatchObject({ inbox: 1, cancel: "canceled" });
  });

  suite.test("a timeout is recorded only by one who has read every message", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    const write = { lease, direction: "forward", records: [record("await payment", { kind: "wait" })] } as const;
    expect(await scene.write({ ...write, seenInbox: 0 })).toEqual({
      kind: "refused",
      phase: "open",
      cancel: null,
      inbox: 1,
    });
    await scene.done(scene.write({ ...write, seenInbox: 1 }));
    await scene.done(scene.write({ ...write, seenInbox: 0 }));
    expect((await scene.load(lease.executionId)).journal).toHaveLength(1);
  });

  suite.test(
    "a suspend without a time of its own to wake at is kept apart from one that is due at once",
    async (scene) => {
      const worker = await scene.worker();
      const [due, asleep, later] = [
        await scene.running(worker),
        await scene.running(worker),
        await scene.running(worker),
      ];
      await scene.suspend(due, 0);
      await scene.suspend(asleep, null);
      await scene.suspend(later, 3_600_000);
      const { wokenCount, nextInMs } = await scene.wakeDue();
      expect(wokenCount).toBe(1);
      expect(nextInMs).toBeGreaterThan(3_500_000);
      expect(nextInMs).toBeLessThanOrEqual(3_600_000);
      expect((await scene.claim(worker)).map(leaseOf)).toEqual([{ ...due, token: 2 }]);
    },
  );

  suite.test("due waits wake up to the limit, the rest with the next call", async (scene) => {
    const worker = await scene.worker();
    for (let i = 0; i < 5; i++) await scene.suspend(await scene.running(worker), 0);
    const first = await scene.wakeDue(3);
    expect(first.wokenCount).toBe(3);
    expect(first.nextInMs).toBeLessThanOrEqual(0);
    expect(await scene.wakeDue(3)).toEqual({ wokenCount: 2, nextInMs: null });
    expect(await scene.claim(worker)).toHaveLength(5);
  });

  suite.test("wakes at the same time wake each execution once", async (scene) => {
    const worker = await scene.worker();
    for (let i = 0; i < 20; i++) await scene.suspend(await scene.running(worker), 0);
    const wakes = await Promise.all(Array.from({ length: 4 }, () => persistently(() => scene.wakeDue())));
    expect(wakes.reduce((sum, { wokenCount }) => sum + wokenCount, 0)).toBe(20);
  });

  suite.test("wakeDue keeps to its namespace", async (scene) => {
    await scene.suspend(await scene.running(await scene.worker()), 0);
    expect(await scene.store.executions.wakeDue({ namespace: `${scene.namespace}-2`, limit: 10 })).toEqual({
      wokenCount: 0,
      nextInMs: null,
    });
  });

  suite.test("a wait that is due in a moment wakes by the database's clock", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.suspend(lease, 2);
    await until("the wait to be due", async () => ((await scene.wakeDue()).wokenCount === 1 ? true : undefined));
  });
}
