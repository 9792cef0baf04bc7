import { expect } from "vitest";
import type { WriteOutcome } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, directionOf, failedAttempt, newId, plain, record, type Scene } from "./scene.ts";

const kindsOf = (outcomes: readonly WriteOutcome[]): readonly string[] => outcomes.map((outcome) => outcome.kind);
const stepsOf = async (scene: Scene, id: string): Promise<readonly string[]> =>
  (await scene.load(id)).journal.map((row) => row.step);

export function testWrites(suite: Suite): void {
  suite.test("a record is loaded as it was written, under the token that wrote it", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const rows = [
      record("create order", { kind: "tx", body: bytes(0, 255), attempt: 3 }),
      record("take stock:A-17 😀", { role: "try", kind: "tcc", state: "refused", body: null }),
      record("call", { kind: "attempt", state: "failed", actor: "user:ada", at: 1_700_000_000_123 }),
    ];
    for (const row of rows) await scene.done(scene.record(lease, row));
    const { journal, inbox } = await scene.load(lease.executionId);
    expect(journal.map((row) => ({ ...row, body: plain(row.body) }))).toEqual(
      rows.map((row) => ({ ...row, body: plain(row.body), token: lease.token })),
    );
    expect(inbox).toBe(0);
  });

  suite.test("the journal is loaded by seq, whatever the order of writing", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(
      scene.write({ lease, direction: "forward", records: [record("c", { seq: 3 }), record("a", { seq: 1 })] }),
    );
    await scene.done(scene.record(lease, record("b", { seq: 2 })));
    expect(await stepsOf(scene, lease.executionId)).toEqual(["a", "b", "c"]);
  });

  suite.test("steps are told apart by every byte (D9)", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const steps = ["pay", "Pay", "pay ", "pay:1", "pay:01", "páy", "pa\u0301y"];
    for (const step of steps) await scene.done(scene.record(lease, record(step)));
    expect(await stepsOf(scene, lease.executionId)).toEqual(steps);
  });

  suite.test("one step has one row a role", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(scene.record(lease, record("reserve", { role: "try", kind: "tcc" })));
    await scene.done(scene.record(lease, record("reserve", { role: "confirm", kind: "tcc" })));
    expect((await scene.load(lease.executionId)).journal.map((row) => row.role)).toEqual(["try", "confirm"]);
  });

  suite.test("load answers for many executions, and leaves out those that are gone", async (scene) => {
    const worker = await scene.worker();
    const [first, second] = [await scene.running(worker), await scene.running(worker)];
    await scene.done(scene.record(first, record("a")));
    const loaded = await scene.store.executions.load([first.executionId, second.executionId, newId()]);
    expect([...loaded.keys()].sort()).toEqual([first.executionId, second.executionId].sort());
    expect(loaded.get(second.executionId)).toEqual({ journal: [], attempts: [], signals: [], inbox: 0, cancel: null });
    expect(await scene.store.executions.load([])).toEqual(new Map());
  });

  suite.test("failed attempts are loaded, and a repeat of one is one", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const attempts = [
      failedAttempt("pay"),
      failedAttempt("pay", { attempt: 2, isUnknown: false, error: null }),
      failedAttempt("pay", { role: "compensation" }),
    ];
    const write = { lease, direction: "any", attempts } as const;
    await scene.done(scene.write(write));
    await scene.done(scene.write(write));
    const loaded = (await scene.load(lease.executionId)).attempts;
    expect(loaded.map((row) => ({ ...row, error: plain(row.error) })).sort(byAttempt)).toEqual(
      attempts.map((row) => ({ ...row, error: plain(row.error) })).sort(byAttempt),
    );
  });

  suite.test("progress is the last one written", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(scene.write({ lease, direction: "any", progress: { fraction: 0.25, note: "reading" } }));
    await scene.done(scene.write({ lease, direction: "any", progress: { fraction: 0.5, note: null } }));
    expect((await scene.find(lease.executionId)).progress).toEqual({ fraction: 0.5, note: null });
  });

  // ── Repeats ──────────────────────────────────────────────────────────────────────────────────────────────────────

  suite.test("a record repeated by its owner is done, and there once", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const row = record("a");
    await scene.done(scene.record(lease, row));
    await scene.done(scene.record(lease, row));
    expect(await stepsOf(scene, lease.executionId)).toEqual(["a"]);
  });

  suite.test("a record repeated after its owner turned back is done: it landed before", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const row = record("a");
    await scene.done(scene.record(lease, row));
    await scene.done(
      scene.move(lease, { name: "turn-back", reason: "failed" }, { records: [record(":turn", { kind: "turn" })] }),
    );
    await scene.done(scene.record(lease, row));
  });

  suite.test("a transition repeated with its record is done, whatever it was", async (scene) => {
    const worker = await scene.worker();
    for (const name of ["pivot", "confirm", "turn-back", "complete", "suspend", "park", "hand-back"] as const) {
      const lease = await scene.running(worker);
      const write = {
        lease,
        direction: directionOf(name),
        seenInbox: 0,
        records: [record(`:${name}`)],
        transition: {
          name,
          reason: "failed",
          wakeInMs: null,
          parent: null,
          holdsSlot: false,
          incident: { code: "STEP_DRIFT", step: null, error: null },
        },
      } as const;
      await scene.done(scene.write(write));
      const before = await scene.find(lease.executionId);
      await scene.done(scene.write(write));
      expect(await scene.find(lease.executionId)).toEqual(before);
      expect((await scene.history(lease.executionId)).incidents).toHaveLength(name === "park" ? 1 : 0);
    }
  });

  suite.test("a completion repeated without any record is done", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.complete(lease);
    await scene.complete(lease);
  });

  suite.test("a write whose rows are not there is never done once its owner has left running", async (scene) => {
    const worker = await scene.worker();
    for (const leave of ["suspend", "hand-back", "complete"] as const) {
      const lease = await scene.running(worker);
      await scene.done(
        scene.move(lease, { name: leave, wakeInMs: null, parent: null, holdsSlot: false }, { seenInbox: 0 }),
      );
      expect(await scene.record(lease, record("late"))).toEqual({ kind: "lost" });
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
    }
  });

  // ── Batches ──────────────────────────────────────────────────────────────────────────────────────────────────────

  suite.test("in one commit winners and losers get their own outcome, in order", async (scene) => {
    const worker = await scene.worker();
    const [won, lost, refused] = [
      await scene.running(worker),
      await scene.running(worker),
      await scene.running(worker),
    ];
    await scene.cancel(refused.executionId);
    const { writes } = await scene.store.executions.commit(
      [],
      [
        { lease: { ...lost, token: 9 }, direction: "forward", records: [record("a")] },
        { lease: won, direction: "forward", records: [record("a"), record("b")] },
        {
          lease: refused,
          direction: "forward",
          records: [record(":pivot", { kind: "pivot" })],
          transition: { name: "pivot" },
        },
      ],
    );
    expect(kindsOf(writes)).toEqual(["lost", "done", "refused"]);
    expect(await stepsOf(scene, won.executionId)).toEqual(["a", "b"]);
    expect(await stepsOf(scene, lost.executionId)).toEqual([]);
    expect(await stepsOf(scene, refused.executionId)).toEqual([]);
  });

  suite.test("a commit of 300 executions with three records each lands whole", async (scene) => {
    const worker = await scene.worker();
    const starts = Array.from({ length: 300 }, () => scene.execution({ claimFor: worker.id }));
    await scene.store.executions.commit(starts, []);
    const { writes } = await scene.store.executions.commit(
      [],
      starts.map(({ id }) => ({
        lease: { executionId: id, token: 1 },
        direction: "forward",
        records: [record("a"), record("b"), record("c")],
        transition: { name: "complete", parent: null, holdsSlot: false },
      })),
    );
    expect(new Set(kindsOf(writes))).toEqual(new Set(["done"]));
    expect((await scene.store.reads.countByStatus(scene.namespace)).completed).toBe(300);
  });

  suite.test(
    "a value that the database refuses fails the whole commit and nothing of it landed",
    async (scene) => {
      const worker = await scene.worker();
      const [good, bad] = [await scene.running(worker), await scene.running(worker)];
      const start = scene.execution();
      const writes = [
        { lease: good, direction: "forward", records: [record("a")] },
        { lease: bad, direction: "forward", records: [suite.poison(record("b"))] },
      ] as const;
      await expect(scene.store.executions.commit([start], writes)).rejects.toMatchObject({
        code: "STORE_POISON",
        retryable: false,
      });
      expect(await stepsOf(scene, good.executionId)).toEqual([]);
      expect(await scene.store.reads.find(start.id)).toBeNull();
      await scene.done(scene.record(good, record("a")));
      await scene.done(scene.record(bad, record("b")));
    },
    "poison",
  );

  suite.test("a body of eight MiB, the largest that limits allow, comes back whole", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const body = new Uint8Array(8 * 1_024 * 1_024).fill(65);
    await scene.done(scene.record(lease, record("large", { body })));
    const [row] = (await scene.load(lease.executionId)).journal;
    expect(Buffer.compare(row?.body ?? bytes(), body)).toBe(0);
  });
}

function byAttempt(
  a: { readonly role: string; readonly attempt: number },
  b: { readonly role: string; readonly attempt: number },
): number {
  return a.role < b.role ? -1 : a.role > b.role ? 1 : a.attempt - b.attempt;
}
