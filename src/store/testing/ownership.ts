import { describe, expect } from "vitest";
import type { Suite } from "./harness.ts";
import {
  failedAttempt,
  job,
  leaseOf,
  newId,
  only,
  persistently,
  record,
  Scene,
  type TestWorker,
  until,
} from "./scene.ts";

export function testOwnership(suite: Suite): void {
  describe("rescue", () => {
    suite.test("executions of a live worker are left alone", async (scene) => {
      await scene.running(await scene.worker());
      expect(await scene.rescue(await scene.worker())).toEqual({ claimed: [], parked: [] });
    });

    suite.test(
      "a successor of the same name takes over at once, under the next token, with the journal",
      async (scene) => {
        const worker = await scene.worker();
        const lease = await scene.running(worker, { key: "A-1" });
        await scene.done(scene.record(lease, record("a")));
        const successor = await scene.crash(worker);
        const { claimed, parked } = await scene.rescue(successor);
        expect(parked).toEqual([]);
        expect(only(claimed)).toMatchObject({ id: lease.executionId, key: "A-1", token: 2, phase: "open" });
        expect(await scene.find(lease.executionId)).toMatchObject({
          status: "running",
          token: 2,
          worker: successor.id,
        });
        expect((await scene.load(lease.executionId)).journal).toMatchObject([{ step: "a", token: 1 }]);
      },
    );

    suite.test("a lease that ran out on the database's clock is rescued by anybody", async (scene) => {
      const lease = await scene.running(await scene.worker());
      // A tiny lease is renewed over the long one: it ends by the clock.
      const owner = (await scene.find(lease.executionId)).worker ?? "";
      await scene.store.workers.renew({ id: owner, leaseMs: 1, jobs: [job] });
      const rescuer = await scene.worker();
      const claimed = await until("the lease to run out", async () => nonEmpty((await scene.rescue(rescuer)).claimed));
      expect(claimed.map(leaseOf)).toEqual([{ ...lease, token: 2 }]);
    });

    suite.test("a worker that ended gracefully leaves its executions to anybody", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      await scene.store.workers.end(worker.id);
      expect((await scene.rescue(await scene.worker())).claimed.map(leaseOf)).toEqual([{ ...lease, token: 2 }]);
    });

    suite.test("only jobs and versions that the rescuer has, in its namespace, up to the limit", async (scene) => {
      const worker = await scene.worker();
      for (const given of [{}, {}, {}, { version: 2 }, { job: "cancel-order" }]) await scene.running(worker, given);
      const successor = await scene.crash(worker);
      const elsewhere = new Scene(scene.store, `${scene.namespace}-2`);
      expect(await elsewhere.rescue(await elsewhere.worker())).toEqual({ claimed: [], parked: [] });
      expect((await scene.rescue(successor, { limit: 2 })).claimed).toHaveLength(2);
      expect((await scene.rescue(successor, { limit: 2 })).claimed).toHaveLength(1);
      expect((await scene.rescue(successor, { jobs: [{ job: "place-order", version: 2 }] })).claimed).toHaveLength(1);
      expect((await scene.rescue(successor)).claimed).toHaveLength(0);
    });

    suite.test("a rescuer without a live lease rescues nothing", async (scene) => {
      const worker = await scene.worker();
      await scene.running(worker);
      await scene.store.workers.end(worker.id);
      expect((await scene.rescue(worker)).claimed).toEqual([]);
    });

    suite.test("of rescues at the same time one gets the execution", async (scene) => {
      const worker = await scene.worker();
      await scene.running(worker);
      const successor = await scene.crash(worker);
      const rescues = await Promise.all(Array.from({ length: 5 }, () => persistently(() => scene.rescue(successor))));
      expect(rescues.flatMap(({ claimed }) => claimed)).toHaveLength(1);
    });

    suite.test(
      "an execution that crashes its owner again and again without a new record is parked, with an incident",
      async (scene) => {
        let worker = await scene.worker();
        const lease = await scene.running(worker);
        await scene.done(scene.record(lease, record("a")));
        for (let crashes = 1; crashes <= 3; crashes++) {
          worker = await scene.crash(worker);
          expect((await scene.rescue(worker, { maxCrashes: 3 })).claimed.map(leaseOf)).toEqual([
            { ...lease, token: 1 + crashes },
          ]);
        }
        worker = await scene.crash(worker);
        expect(await scene.rescue(worker, { maxCrashes: 3 })).toEqual({ claimed: [], parked: [lease.executionId] });
        expect(await scene.find(lease.executionId)).toMatchObject({
          status: "parked",
          worker: null,
          token: 5,
          endedAt: null,
        });
        expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 5 })).toMatchObject([
          { executionId: lease.executionId, code: "NO_PROGRESS", closedAt: null },
        ]);
        expect(await scene.record({ ...lease, token: 4 }, record("late"))).toEqual({ kind: "lost" });
      },
    );

    suite.test("a new record starts the count of crashes anew; a failed attempt does not", async (scene) => {
      let worker = await scene.worker();
      const lease = await scene.running(worker);
      let token = 1;
      const crash = async (): Promise<"claimed" | "parked"> => {
        worker = await scene.crash(worker);
        const { claimed } = await scene.rescue(worker, { maxCrashes: 2 });
        token = claimed[0]?.token ?? token;
        return claimed.length === 1 ? "claimed" : "parked";
      };
      expect([await crash(), await crash()]).toEqual(["claimed", "claimed"]);
      await scene.done(scene.record({ ...lease, token }, record("a")));
      expect([await crash(), await crash()]).toEqual(["claimed", "claimed"]);
      await scene.done(scene.write({ lease: { ...lease, token }, direction: "any", attempts: [failedAttempt("b")] }));
      expect(await crash()).toBe("parked");
    });

    suite.test("sleeps and hand-backs are no crashes", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      for (let token = 1; token <= 6; token++) {
        await scene.done(scene.move({ ...lease, token }, { name: "hand-back" }));
        await scene.claimOne(worker);
      }
      expect((await scene.rescue(await scene.crash(worker), { maxCrashes: 1 })).claimed).toHaveLength(1);
    });

    suite.test("a resume forgets the crashes", async (scene) => {
      let worker = await scene.worker();
      const lease = await scene.running(worker);
      worker = await scene.crash(worker);
      expect((await scene.rescue(worker, { maxCrashes: 0 })).parked).toEqual([lease.executionId]);
      await scene.resume(lease.executionId);
      await scene.claimOne(worker);
      worker = await scene.crash(worker);
      expect((await scene.rescue(worker, { maxCrashes: 1 })).claimed).toHaveLength(1);
    });
  });

  describe("sweep and adopt", () => {
    suite.test("a claim whose answer was lost is found, and adopted under the next token", async (scene) => {
      const worker = await scene.worker();
      const held = await scene.running(worker);
      const orphan = await scene.running(worker, { key: "A-1" });
      const found = await sweep(scene, worker, [held.executionId]);
      expect(found).toEqual([{ id: orphan.executionId, token: 1, cancel: null, inbox: 0 }]);
      const adopted = await scene.store.workers.adopt({ worker: worker.id, orphans: found.map(leaseOf) });
      expect(only(adopted)).toMatchObject({ id: orphan.executionId, key: "A-1", token: 2 });
      expect(await scene.record(orphan, record("late"))).toEqual({ kind: "lost" });
      await scene.done(scene.record(leaseOf(only(adopted)), record("a")));
    });

    suite.test("an orphan is adopted once, and only under the token that was swept", async (scene) => {
      const worker = await scene.worker();
      const orphan = await scene.running(worker);
      expect(await scene.store.workers.adopt({ worker: worker.id, orphans: [{ ...orphan, token: 5 }] })).toEqual([]);
      expect(await scene.store.workers.adopt({ worker: worker.id, orphans: [orphan] })).toHaveLength(1);
      expect(await scene.store.workers.adopt({ worker: worker.id, orphans: [orphan] })).toEqual([]);
      expect(
        await scene.store.workers.adopt({ worker: (await scene.worker()).id, orphans: [{ ...orphan, token: 2 }] }),
      ).toEqual([]);
    });

    suite.test("what a worker holds is swept only if it was canceled or has a message", async (scene) => {
      const worker = await scene.worker();
      const [quiet, canceled, told] = [
        await scene.running(worker),
        await scene.running(worker),
        await scene.running(worker),
      ];
      await scene.cancel(canceled.executionId);
      await scene.signal(told.executionId, "s-1");
      const found = await sweep(
        scene,
        worker,
        [quiet, canceled, told].map((lease) => lease.executionId),
      );
      expect([...found].sort((a, b) => (a.cancel ?? "").localeCompare(b.cancel ?? ""))).toEqual([
        { id: told.executionId, token: 1, cancel: null, inbox: 1 },
        { id: canceled.executionId, token: 1, cancel: "canceled", inbox: 1 },
      ]);
    });

    suite.test("executions that ended, sleep, or belong to others are not swept", async (scene) => {
      const worker = await scene.worker();
      await scene.complete(await scene.running(worker));
      await scene.suspend(await scene.running(worker));
      await scene.running(await scene.worker());
      await scene.start();
      expect(await sweep(scene, worker, [])).toEqual([]);
    });
  });

  describe("workers", () => {
    suite.test("register, repeated by its id, is one worker", async (scene) => {
      const worker = { id: newId(), name: "w", namespace: scene.namespace, leaseMs: 60_000, jobs: [job] };
      await scene.store.workers.register(worker);
      await scene.store.workers.register(worker);
      expect(await scene.start({ claimFor: worker.id })).toMatchObject({ status: "running" });
    });

    suite.test("register ends only leases of its own name and namespace", async (scene) => {
      const [same, other] = [await scene.worker({ name: "w" }), await scene.worker({ name: "W" })];
      const elsewhere = new Scene(scene.store, `${scene.namespace}-2`);
      const far = await elsewhere.worker({ name: "w" });
      await scene.worker({ name: "w" });
      expect(await scene.start({ claimFor: same.id })).toMatchObject({ status: "ready" });
      expect(await scene.start({ claimFor: other.id })).toMatchObject({ status: "running" });
      expect(await elsewhere.start({ claimFor: far.id })).toMatchObject({ status: "running" });
    });

    suite.test("a lease may be renewed late; a worker that is unknown is told so", async (scene) => {
      const worker = await scene.worker();
      await scene.crash(worker);
      expect(await scene.store.workers.renew({ id: worker.id, leaseMs: 60_000, jobs: [job] })).toBe(true);
      expect(await scene.start({ claimFor: worker.id })).toMatchObject({ status: "running" });
      expect(await scene.store.workers.renew({ id: newId(), leaseMs: 60_000, jobs: [job] })).toBe(false);
    });

    suite.test("the end of an unknown worker changes nothing", async (scene) => {
      await scene.store.workers.end(newId());
    });

    suite.test("lostAmong names the leases that are no longer running under their token", async (scene) => {
      const worker = await scene.worker();
      const [kept, taken, ended] = [
        await scene.running(worker),
        await scene.running(worker),
        await scene.running(worker),
      ];
      await scene.complete(ended);
      await scene.store.workers.adopt({ worker: worker.id, orphans: [taken] });
      const gone = { executionId: newId(), token: 1 };
      const lost = await scene.store.workers.lostAmong([kept, taken, ended, gone]);
      expect([...lost].sort()).toEqual([taken, ended, gone].map((lease) => lease.executionId).sort());
      expect(await scene.store.workers.lostAmong([])).toEqual([]);
    });

    suite.test("work that no live worker can run is reported, by job and version", async (scene) => {
      const worker = await scene.worker({ jobs: [job, { job: "b", version: 1 }] });
      for (const given of [
        {},
        { version: 2 },
        { version: 2 },
        { job: "b" },
        { job: "c" },
        { version: 3, delayMs: 3_600_000 },
      ])
        await scene.start(given);
      const unserved = async () =>
        new Set(await scene.store.workers.unserved({ namespace: scene.namespace, olderThanMs: -1_000 }));
      expect(await unserved()).toEqual(
        new Set([
          { job: "place-order", version: 2, count: 2 },
          { job: "c", version: 1, count: 1 },
        ]),
      );
      await scene.store.workers.renew({
        id: worker.id,
        leaseMs: 60_000,
        jobs: [job, { job: "place-order", version: 2 }],
      });
      expect(await unserved()).toEqual(
        new Set([
          { job: "b", version: 1, count: 1 },
          { job: "c", version: 1, count: 1 },
        ]),
      );
      await scene.store.workers.end(worker.id);
      expect((await unserved()).size).toBe(4);
      expect(await scene.store.workers.unserved({ namespace: scene.namespace, olderThanMs: 3_600_000 })).toEqual([]);
    });
  });
}

function sweep(scene: Scene, worker: TestWorker, held: readonly string[]) {
  return scene.store.workers.sweep({ worker: worker.id, held });
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
