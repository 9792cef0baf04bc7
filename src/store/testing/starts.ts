import { describe, expect } from "vitest";
import type { StartOutcome } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, idsOf, leaseOf, newId, persistently, plain, until } from "./scene.ts";

const kindsOf = (outcomes: readonly StartOutcome[]): readonly string[] =>
  outcomes.map((outcome) => outcome.kind).sort();

export function testStarts(suite: Suite): void {
  suite.test("a start is ready, and found with everything it was given", async (scene) => {
    const parent = await scene.start();
    const started = await scene.start({
      key: "A-1",
      priority: 3,
      group: "eu",
      traceContext: "00-aa-bb-01",
      parent: parent.id,
      root: parent.id,
      timeoutMs: 60_000,
      input: bytes(1, 2),
    });
    expect(started).toMatchObject({ round: 0, status: "ready", token: 0 });
    expect(started.deadlineAt).toBe(started.createdAt + 60_000);
    expect(await scene.find(started.id)).toEqual({
      id: started.id,
      namespace: scene.namespace,
      job: "place-order",
      version: 1,
      key: "A-1",
      round: 0,
      status: "ready",
      phase: "open",
      reason: null,
      cancel: null,
      token: 0,
      worker: null,
      priority: 3,
      group: "eu",
      concurrencyKey: null,
      wakeAt: started.createdAt,
      createdAt: started.createdAt,
      endedAt: null,
      deadlineAt: started.deadlineAt,
      parent: parent.id,
      root: parent.id,
      traceContext: "00-aa-bb-01",
      schedule: null,
      scheduledAt: null,
      undoneCount: 0,
      progress: null,
    });
    expect(plain(await scene.store.reads.input(started.id))).toEqual([1, 2]);
  });

  suite.test("an input may be null", async (scene) => {
    const { id } = await scene.start({ input: null });
    expect(await scene.store.reads.input(id)).toBeNull();
  });

  suite.test("a start that names a live worker is running under token 1, and its own", async (scene) => {
    const worker = await scene.worker();
    const started = await scene.start({ claimFor: worker.id });
    expect(started).toMatchObject({ status: "running", token: 1 });
    expect(await scene.find(started.id)).toMatchObject({ status: "running", token: 1, worker: worker.id });
    expect(await scene.claim(worker)).toEqual([]);
  });

  suite.test("a start that names a worker whose lease is over, or none that exists, is ready", async (scene) => {
    const worker = await scene.worker();
    await scene.store.workers.end(worker.id);
    expect(await scene.start({ claimFor: worker.id })).toMatchObject({ status: "ready", token: 0 });
    expect(await scene.start({ claimFor: newId() })).toMatchObject({ status: "ready", token: 0 });
  });

  suite.test("a start repeated by its id starts nothing and names itself", async (scene) => {
    for (const key of [null, "A-1"]) {
      const execution = scene.execution({ key });
      await scene.store.executions.commit([execution], []);
      const { starts } = await scene.store.executions.commit([execution], []);
      expect(starts).toEqual([
        { kind: "exists", id: execution.id, round: 0, status: "ready", fingerprint: execution.fingerprint },
      ]);
    }
    expect((await scene.store.reads.countByStatus(scene.namespace)).ready).toBe(2);
  });

  suite.test("a key that is taken answers with the execution that has it, and with its fingerprint", async (scene) => {
    const first = await scene.start({ key: "A-1", fingerprint: "one" });
    expect(await scene.startAny({ key: "A-1", fingerprint: "two" })).toEqual({
      kind: "exists",
      id: first.id,
      round: 0,
      status: "ready",
      fingerprint: "one",
    });
    expect(await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" })).toEqual({
      id: first.id,
      round: 0,
      status: "ready",
      fingerprint: "one",
    });
  });

  suite.test("two starts of one key in one commit: one is started", async (scene) => {
    const { starts } = await scene.store.executions.commit(
      [scene.execution({ key: "A-1" }), scene.execution({ key: "A-1" })],
      [],
    );
    expect(kindsOf(starts)).toEqual(["exists", "started"]);
  });

  suite.test("a key belongs to its namespace and job", async (scene) => {
    await scene.start({ key: "A-1" });
    await scene.start({ key: "A-1", job: "cancel-order" });
    await scene.start({ key: "A-1", namespace: `${scene.namespace}-2` });
  });

  suite.test("keys are told apart by every byte: case, trailing spaces, accents, emoji (D9)", async (scene) => {
    const keys = [
      "Key1",
      "key1",
      "key1 ",
      "key1  ",
      "ké1",
      "ke\u03011",
      "k\u{1f600}",
      "k\u{1f601}",
      "0",
      "00",
      "ß",
      "ss",
      "İ",
      "i",
    ];
    for (const key of keys) await scene.start({ key, fingerprint: key });
    for (const key of keys)
      expect(await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key })).toMatchObject({
        fingerprint: key,
      });
    expect(
      await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "KEY1" }),
    ).toBeNull();
  });

  suite.test("of 100 starts of one key at once, one is started and all others name it", async (scene) => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => persistently(() => scene.startAny({ key: "A-1" }))),
    );
    expect(outcomes.filter((outcome) => outcome.kind === "started")).toHaveLength(1);
    expect(new Set(idsOf(outcomes)).size).toBe(1);
  });

  suite.test(
    "of 100 starts of one key from two processes, one is started",
    async (scene) => {
      const there = scene.through(suite.second);
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          persistently(() => (i % 2 === 0 ? scene : there).startAny({ key: "A-1" })),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.kind === "started")).toHaveLength(1);
      expect(new Set(idsOf(outcomes)).size).toBe(1);
    },
    "second",
  );

  suite.test("a delayed start waits for its time, and its timeout counts from then", async (scene) => {
    const worker = await scene.worker();
    const started = await scene.start({ delayMs: 3_600_000, timeoutMs: 1_000 });
    expect(started).toMatchObject({ status: "waiting", deadlineAt: started.createdAt + 3_601_000 });
    expect(await scene.find(started.id)).toMatchObject({ status: "waiting", wakeAt: started.createdAt + 3_600_000 });
    const { wokenCount, nextInMs } = await scene.wakeDue();
    expect(wokenCount).toBe(0);
    expect(nextInMs).toBeGreaterThan(3_500_000);
    expect(await scene.claim(worker)).toEqual([]);
  });

  suite.test("a delayed start becomes ready when its time has come", async (scene) => {
    const worker = await scene.worker();
    const { id } = await scene.start({ delayMs: 1 });
    await until("the delay to pass", async () => ((await scene.wakeDue()).wokenCount > 0 ? true : undefined));
    expect(await scene.claimOne(worker)).toMatchObject({ id, token: 1, phase: "open" });
    expect(await scene.wakeDue()).toEqual({ wokenCount: 0, nextInMs: null });
  });

  describe("restart", () => {
    /** Ends the newest round as the table allows it. */
    const endings = ["compensated", "killed", "settled as compensated", "discarded"] as const;
    for (const ending of endings)
      suite.test(`a round that ended ${ending} is replaced by the next`, async (scene) => {
        const worker = await scene.worker();
        const first = await startEnded(scene, worker, ending);
        const second = await scene.start({ key: "A-1", fingerprint: "print-2", replacesRound: 0 });
        expect(second.round).toBe(1);
        expect(await scene.find(second.id)).toMatchObject({ round: 1, status: "ready", phase: "open" });
        expect((await scene.find(first)).status).toBe(ending === "settled as compensated" ? "compensated" : ending);
        expect(
          await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" }),
        ).toEqual({ id: second.id, round: 1, status: "ready", fingerprint: "print-2" });
      });

    suite.test("an unfinished or completed round is not replaced", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker, { key: "A-1" });
      expect(await scene.startAny({ key: "A-1", replacesRound: 0 })).toMatchObject({
        kind: "exists",
        id: lease.executionId,
        status: "running",
      });
      await scene.complete(lease);
      expect(await scene.startAny({ key: "A-1", replacesRound: 0 })).toMatchObject({
        kind: "exists",
        id: lease.executionId,
        status: "completed",
      });
    });

    suite.test(
      "of concurrent restarts of one round, one wins; a late one is answered with the newest round",
      async (scene) => {
        const worker = await scene.worker();
        await startEnded(scene, worker, "killed");
        const restarts = [1, 2, 3, 4, 5].map(() => scene.execution({ key: "A-1", replacesRound: 0 }));
        const outcomes = await Promise.all(
          restarts.map((execution) =>
            persistently(async () => (await scene.store.executions.commit([execution], [])).starts[0] as StartOutcome),
          ),
        );
        expect(kindsOf(outcomes)).toEqual(["exists", "exists", "exists", "exists", "started"]);
        expect(new Set(idsOf(outcomes)).size).toBe(1);
        expect(outcomes.map((outcome) => outcome.round)).toEqual([1, 1, 1, 1, 1]);
      },
    );

    suite.test(
      "a restart of an older round than the newest starts nothing, even if the newest failed too",
      async (scene) => {
        const worker = await scene.worker();
        await startEnded(scene, worker, "killed");
        const { id } = await scene.start({ key: "A-1", replacesRound: 0 });
        await scene.kill(id);
        for (const replacesRound of [0, 2])
          expect(await scene.startAny({ key: "A-1", replacesRound })).toMatchObject({
            kind: "exists",
            id,
            round: 1,
            status: "killed",
          });
      },
    );

    suite.test("a restart repeated by its id names itself", async (scene) => {
      const worker = await scene.worker();
      await startEnded(scene, worker, "killed");
      const execution = scene.execution({ key: "A-1", replacesRound: 0 });
      await scene.store.executions.commit([execution], []);
      expect((await scene.store.executions.commit([execution], [])).starts).toMatchObject([
        { kind: "exists", id: execution.id, round: 1 },
      ]);
    });

    suite.test("a restart of a key that nobody has is a first start", async (scene) => {
      expect(await scene.start({ key: "A-1", replacesRound: 0 })).toMatchObject({ round: 0 });
    });
  });

  suite.test("starts and writes of many executions go in one commit, with an outcome each, in order", async (scene) => {
    const worker = await scene.worker();
    const [mine, lost] = [await scene.running(worker), await scene.running(worker)];
    await scene.start({ key: "taken" });
    const { starts, writes } = await scene.store.executions.commit(
      [scene.execution({ key: "free" }), scene.execution({ key: "taken" }), scene.execution()],
      [
        {
          lease: { ...lost, token: 7 },
          direction: "forward",
          transition: { name: "complete", parent: null, holdsSlot: false },
        },
        { lease: mine, direction: "forward", transition: { name: "complete", parent: null, holdsSlot: false } },
      ],
    );
    expect(starts.map((outcome) => outcome.kind)).toEqual(["started", "exists", "started"]);
    expect(writes.map((outcome) => outcome.kind)).toEqual(["lost", "done"]);
  });

  suite.test("an empty commit is one", async (scene) => {
    expect(await scene.store.executions.commit([], [])).toEqual({ starts: [], writes: [] });
  });
}

async function startEnded(
  scene: import("./scene.ts").Scene,
  worker: import("./scene.ts").TestWorker,
  ending: "compensated" | "killed" | "settled as compensated" | "discarded",
): Promise<string> {
  if (ending === "discarded") {
    await scene.running(worker, { concurrencyKey: "till-1" });
    const { id } = await scene.start({ key: "A-1", concurrencyKey: "till-1", blocking: "discard-new" });
    return id;
  }
  const { id } = await scene.start({ key: "A-1" });
  const lease = leaseOf(await scene.claimOne(worker));
  if (ending === "killed") await scene.kill(id);
  if (ending === "compensated") {
    await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
    await scene.done(scene.move(lease, { name: "compensated", parent: null, holdsSlot: false }));
  }
  if (ending === "settled as compensated") {
    await scene.park(lease);
    await scene.settle(id, "compensated");
  }
  return id;
}
