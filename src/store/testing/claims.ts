import { expect } from "vitest";
import type { ClaimedExecution } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, idsOf, job, leaseOf, newId, only, persistently, plain, record, until } from "./scene.ts";

export function testClaims(suite: Suite): void {
  suite.test("a claim brings all that the owner needs to run", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.start();
    const started = await scene.start({
      key: "A-1",
      priority: 2,
      group: "eu",
      traceContext: "00-aa-bb-01",
      parent: parent.id,
      root: parent.id,
      timeoutMs: 60_000,
      input: bytes(1, 2),
    });
    const claimed = (await scene.claim(worker)).find(({ id }) => id === started.id);
    expect({ ...claimed, input: plain(claimed?.input) }).toEqual({
      id: started.id,
      job: "place-order",
      version: 1,
      key: "A-1",
      round: 0,
      token: 1,
      phase: "open",
      reason: null,
      cancel: null,
      inbox: 0,
      priority: 2,
      group: "eu",
      parent: parent.id,
      root: parent.id,
      holdsSlot: false,
      traceContext: "00-aa-bb-01",
      input: [1, 2],
      createdAt: started.createdAt,
      deadlineAt: started.deadlineAt,
      deadlineInMs: expect.any(Number),
      scheduledAt: null,
    });
    expect(claimed?.deadlineInMs).toBeGreaterThan(30_000);
    expect(claimed?.deadlineInMs).toBeLessThanOrEqual(60_000);
  });

  suite.test("a claim without timeout or input says so", async (scene) => {
    const worker = await scene.worker();
    await scene.start({ input: null });
    expect(await scene.claimOne(worker)).toMatchObject({
      input: null,
      deadlineAt: null,
      deadlineInMs: null,
      parent: null,
      traceContext: null,
    });
  });

  suite.test("a claimed execution is running, names its worker, and is not claimed again", async (scene) => {
    const worker = await scene.worker();
    const { id } = await scene.start();
    await scene.claimOne(worker);
    expect(await scene.find(id)).toMatchObject({ status: "running", token: 1, worker: worker.id });
    expect(await scene.claim(worker)).toEqual([]);
  });

  suite.test(
    "each claim of an execution raises its token, and brings phase, reason, cancel and inbox",
    async (scene) => {
      const worker = await scene.worker();
      const { id } = await scene.start();
      const lease = leaseOf(await scene.claimOne(worker));
      await scene.cancel(id);
      await scene.done(scene.move(lease, { name: "turn-back", reason: "canceled" }));
      await scene.done(scene.move(lease, { name: "hand-back" }));
      expect(await scene.claimOne(worker)).toMatchObject({
        id,
        token: 2,
        phase: "back",
        reason: "canceled",
        cancel: "canceled",
        inbox: 1,
      });
    },
  );

  suite.test("claims go by priority, the lower number first, then by age", async (scene) => {
    const worker = await scene.worker();
    for (const priority of [5, 0, 9, 5, -3, 0, 9, 5, -3, 0]) {
      const { createdAt } = await scene.start({ priority });
      // The next one is younger by the database's clock.
      await until("the database's clock to go on", async () =>
        (await scene.start({ job: "clock", priority })).createdAt > createdAt ? true : undefined,
      );
    }
    const claimed: ClaimedExecution[] = [];
    for (let i = 0; i < 10; i++) claimed.push(await scene.claimOne(worker));
    expect(claimed).toEqual([...claimed].sort((a, b) => a.priority - b.priority || a.createdAt - b.createdAt));
  });

  suite.test("priority and age count across jobs, not job by job", async (scene) => {
    const jobs = [
      { job: "a", version: 1 },
      { job: "b", version: 1 },
      { job: "b", version: 2 },
    ];
    const worker = await scene.worker({ jobs });
    const wanted: string[] = [];
    for (const [index, priority] of [
      [0, 3],
      [1, 1],
      [2, 2],
      [0, 0],
    ] as const) {
      const { id } = await scene.start({ ...jobs[index], priority });
      wanted[priority] = id;
    }
    const claimed: string[] = [];
    for (let i = 0; i < 4; i++) claimed.push((await scene.claimOne(worker, jobs)).id);
    expect(claimed).toEqual(wanted);
  });

  suite.test("a claim takes no more than its limit", async (scene) => {
    const worker = await scene.worker();
    for (let i = 0; i < 7; i++) await scene.start();
    expect(await scene.claim(worker, 3)).toHaveLength(3);
    expect(await scene.claim(worker, 3)).toHaveLength(3);
    expect(await scene.claim(worker, 3)).toHaveLength(1);
    expect(await scene.claim(worker, 3)).toHaveLength(0);
  });

  suite.test("a worker claims only jobs and versions that it has, in its namespace", async (scene) => {
    const worker = await scene.worker();
    await scene.start({ version: 2 });
    await scene.start({ job: "cancel-order" });
    await scene.start({ job: "Place-order" });
    await scene.start({ namespace: `${scene.namespace}-2` });
    expect(await scene.claim(worker)).toEqual([]);
    expect(await scene.claim(worker, 100, [])).toEqual([]);
    const mine = await scene.start();
    expect(idsOf(await scene.claim(worker))).toEqual([mine.id]);
    expect(
      await scene.claim(worker, 100, [
        { job: "place-order", version: 2 },
        { job: "cancel-order", version: 1 },
      ]),
    ).toHaveLength(2);
  });

  suite.test("a worker whose lease is over, or that was never registered, claims nothing", async (scene) => {
    const worker = await scene.worker();
    await scene.start();
    await scene.store.workers.end(worker.id);
    expect(await scene.claim(worker)).toEqual([]);
    expect(await scene.claim({ id: newId(), name: "nobody" })).toEqual([]);
    expect(await scene.store.workers.renew({ id: worker.id, leaseMs: 60_000, jobs: [job] })).toBe(true);
    expect(await scene.claim(worker)).toHaveLength(1);
  });

  suite.test("claims at the same time never take the same execution", async (scene) => {
    const worker = await scene.worker();
    await scene.store.executions.commit(
      Array.from({ length: 60 }, () => scene.execution()),
      [],
    );
    const claimed: ClaimedExecution[] = [];
    for (let found = -1; found !== 0; ) {
      const batches = await Promise.all(Array.from({ length: 6 }, () => persistently(() => scene.claim(worker, 4))));
      found = batches.flat().length;
      claimed.push(...batches.flat());
    }
    expectEachOnce(claimed, 60);
  });

  suite.test(
    "two processes that claim at the same time never take the same execution, and leave none",
    async (scene) => {
      const there = scene.through(suite.second);
      const [here, far] = [await scene.worker(), await there.worker()];
      await scene.store.executions.commit(
        Array.from({ length: 100 }, () => scene.execution()),
        [],
      );
      const claimed: ClaimedExecution[] = [];
      for (let found = -1; found !== 0; ) {
        const batches = await Promise.all([
          persistently(() => scene.claim(here, 7)),
          persistently(() => there.claim(far, 5)),
          persistently(() => scene.claim(here, 3)),
        ]);
        found = batches.flat().length;
        claimed.push(...batches.flat());
      }
      expectEachOnce(claimed, 100);
    },
    "second",
  );

  suite.test(
    "what one process committed, the other loads after its claim",
    async (scene) => {
      const there = scene.through(suite.second);
      const lease = await scene.running(await scene.worker());
      const far = await there.worker();
      for (let i = 1; i <= 20; i++) {
        const current = { ...lease, token: 2 * i - 1 };
        await scene.done(scene.record(current, record(`step ${i}`)));
        await scene.done(scene.move(current, { name: "hand-back" }));
        const theirs = leaseOf(only(await there.claim(far)));
        expect((await there.load(theirs.executionId)).journal).toHaveLength(i);
        await there.done(there.move(theirs, { name: "hand-back" }));
        await scene.claimOne(await scene.worker());
      }
    },
    "second",
  );
}

function expectEachOnce(claimed: readonly ClaimedExecution[], count: number): void {
  expect(claimed).toHaveLength(count);
  expect(new Set(idsOf(claimed)).size).toBe(count);
  expect(new Set(claimed.map(({ token }) => token))).toEqual(new Set([1]));
}
