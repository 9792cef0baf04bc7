import { describe, expect } from "vitest";
import { statuses } from "../../core/execution.ts";
import type { Suite } from "./harness.ts";
import { bytes, idsOf, newId, person, plain, record, type Scene, until } from "./scene.ts";

const list = (scene: Scene, filter: object = {}, limit = 100) =>
  scene.store.reads.list({ namespace: scene.namespace, limit, ...filter });

export function testReads(suite: Suite): void {
  suite.test("what is not there is null, or left out", async (scene) => {
    const id = newId();
    expect(await scene.store.reads.find(id)).toBeNull();
    expect(await scene.store.reads.input(id)).toBeNull();
    expect(await scene.store.reads.startedBy(id)).toBeNull();
    expect(
      await scene.store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" }),
    ).toBeNull();
    expect(await scene.store.reads.outcomes([id])).toEqual(new Map());
    expect(await scene.store.reads.outcomes([])).toEqual(new Map());
    expect(await scene.history(id)).toEqual({ journal: [], attempts: [], signals: [], audit: [], incidents: [] });
    expect(await list(scene)).toEqual([]);
    expect(await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 5 })).toEqual([]);
  });

  suite.test("startedBy tells who started it", async (scene) => {
    const { id } = await scene.start();
    expect(await scene.store.reads.startedBy(id)).toEqual(person);
  });

  suite.test("countByStatus names every status", async (scene) => {
    const worker = await scene.worker();
    await scene.start();
    await scene.start();
    await scene.running(worker);
    const counts = await scene.store.reads.countByStatus(scene.namespace);
    expect(counts).toEqual({ ...Object.fromEntries(statuses.map((status) => [status, 0])), ready: 2, running: 1 });
  });

  suite.test("history shows the journal, attempts, signals and incidents as load does, and more", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    await scene.done(scene.record(lease, record("b", { seq: 2 })));
    await scene.done(scene.record(lease, record("a", { seq: 1 })));
    await scene.park(lease);
    const { journal, signals, incidents, audit } = await scene.history(lease.executionId);
    const loaded = await scene.load(lease.executionId);
    expect(journal).toEqual(loaded.journal);
    expect(signals).toEqual(loaded.signals);
    expect(audit).toMatchObject([{ verb: "signal" }]);
    expect({ ...incidents[0], error: plain(incidents[0]?.error) }).toEqual({
      id: expect.any(String),
      executionId: lease.executionId,
      code: "STEP_DRIFT",
      step: "charge",
      error: [4],
      openedAt: expect.any(Number),
      closedAt: null,
    });
  });

  suite.test("open incidents are the namespace's own, oldest first, up to the limit", async (scene) => {
    const worker = await scene.worker();
    const parked: string[] = [];
    for (let i = 0; i < 3; i++) {
      const lease = await scene.running(worker);
      await scene.park(lease);
      parked.push(lease.executionId);
      const opened = (await scene.history(lease.executionId)).incidents[0]?.openedAt ?? 0;
      await until("the database's clock to go on", async () =>
        (await scene.start({ job: "clock" })).createdAt > opened ? true : undefined,
      );
    }
    const open = async (limit: number) =>
      (await scene.store.reads.openIncidents({ namespace: scene.namespace, limit })).map(
        ({ executionId }) => executionId,
      );
    expect(await open(2)).toEqual(parked.slice(0, 2));
    expect(await open(9)).toEqual(parked);
    await scene.resume(parked[0] ?? "");
    expect(await open(9)).toEqual(parked.slice(1));
    expect(await scene.store.reads.openIncidents({ namespace: `${scene.namespace}-2`, limit: 5 })).toEqual([]);
  });

  describe("list", () => {
    suite.test("newest first, page by page, each once", async (scene) => {
      const started = new Set<string>();
      for (let i = 0; i < 7; i++) started.add((await scene.start()).id);
      const seen: string[] = [];
      for (let page = await list(scene, {}, 3); page.length > 0; page = await list(scene, { after: seen.at(-1) }, 3))
        seen.push(...idsOf(page));
      expect(seen).toEqual([...started].sort().reverse());
    });

    suite.test("rows are those that find shows", async (scene) => {
      const lease = await scene.running(await scene.worker(), { key: "A-1", traceContext: "t" });
      await scene.done(scene.write({ lease, direction: "any", progress: { fraction: 0.5, note: "half" } }));
      await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
      await scene.done(
        scene.move(lease, {
          name: "compensated",
          parent: null,
          holdsSlot: false,
          outcome: { result: null, error: bytes(1), undoneCount: 3 },
        }),
      );
      expect(await list(scene)).toEqual([await scene.find(lease.executionId)]);
    });

    suite.test("by job, key, status, parent and attribute, alone and together", async (scene) => {
      const worker = await scene.worker();
      const a = (await scene.start({ key: "A-1", attributes: { customer: "c-1", region: "eu" } })).id;
      const b = (
        await scene.running(worker, { key: "A-1", job: "cancel-order", attributes: { customer: "c-1", region: "us" } })
      ).executionId;
      const c = (await scene.start({ parent: a, attributes: { customer: "C-1 ", region: "eu" } })).id;
      const d = (await scene.start({ parent: a, key: "a-1", delayMs: 60_000 })).id;
      const found = async (filter: object) => new Set(idsOf(await list(scene, filter)));
      expect(await found({})).toEqual(new Set([a, b, c, d]));
      expect(await found({ job: "place-order" })).toEqual(new Set([a, c, d]));
      expect(await found({ key: "A-1" })).toEqual(new Set([a, b]));
      expect(await found({ key: "A-1", job: "cancel-order" })).toEqual(new Set([b]));
      expect(await found({ statuses: ["running", "waiting"] })).toEqual(new Set([b, d]));
      expect(await found({ statuses: ["completed"] })).toEqual(new Set());
      expect(await found({ statuses: [] })).toEqual(new Set());
      expect(await found({ parent: a })).toEqual(new Set([c, d]));
      expect(await found({ parent: a, statuses: ["ready"] })).toEqual(new Set([c]));
      expect(await found({ attribute: ["customer", "c-1"] })).toEqual(new Set([a, b]));
      expect(await found({ attribute: ["customer", "C-1 "] })).toEqual(new Set([c]));
      expect(await found({ attribute: ["region", "eu"], parent: a })).toEqual(new Set([c]));
      expect(await found({ attribute: ["region", "eu"], job: "place-order", statuses: ["ready"] })).toEqual(
        new Set([a, c]),
      );
      expect(await found({ attribute: ["region", "c-1"] })).toEqual(new Set());
      expect(idsOf(await list(scene, { attribute: ["customer", "c-1"] }))).toEqual([a, b].sort().reverse());
      expect(idsOf(await list(scene, { attribute: ["customer", "c-1"], after: [a, b].sort()[1] }))).toEqual([
        [a, b].sort()[0],
      ]);
    });

    suite.test("all rounds of a key", async (scene) => {
      const first = await scene.start({ key: "A-1" });
      await scene.kill(first.id);
      const second = await scene.start({ key: "A-1", replacesRound: 0 });
      expect(new Map((await list(scene, { key: "A-1" })).map(({ id, round }) => [id, round]))).toEqual(
        new Map([
          [first.id, 0],
          [second.id, 1],
        ]),
      );
    });

    suite.test("keeps to its namespace", async (scene) => {
      await scene.start({ namespace: `${scene.namespace}-2`, key: "A-1", attributes: { customer: "c-1" } });
      expect(await list(scene)).toEqual([]);
      expect(await list(scene, { attribute: ["customer", "c-1"] })).toEqual([]);
      expect((await scene.store.reads.countByStatus(scene.namespace)).ready).toBe(0);
    });
  });

  suite.test("reads change nothing", async (scene) => {
    const { id } = await scene.start({ key: "A-1" });
    const before = await scene.find(id);
    await scene.load(id);
    await scene.history(id);
    await scene.store.reads.outcomes([id]);
    await list(scene);
    expect(await scene.find(id)).toEqual(before);
  });
}
