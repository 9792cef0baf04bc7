// Answers of the server that nobody hears: what a store says of them, and what a repeat then finds.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LossyProxy, startProxy } from "./proxy.ts";
import { record, Scene } from "./scene.ts";
import type { OpenServerStore, ServerStore } from "./server.ts";

export interface LosingServer {
  readonly url: () => string;
  readonly open: OpenServerStore;
  /** The least that the store takes. */
  readonly deadlineMs: number;
  /** What is in the message that ends a flush, a transaction, a claim; and in one that writes to the audit. */
  readonly sent: { readonly flush: string; readonly commit: string; readonly claim: string; readonly audit: string };
}

export function testLostAnswers({ url, open, deadlineMs, sent }: LosingServer): void {
  let proxy: LossyProxy;
  let far: ServerStore;
  let near: ServerStore;
  beforeAll(async () => {
    near = await open(url());
    proxy = await startProxy(url());
    far = await open(proxy.url, { deadlineMs });
  });
  afterAll(async () => {
    await Promise.all([far?.close(), near?.close()]);
    await proxy?.close();
  });

  /** Runs `call` while every answer to what contains `text` is lost; the promise is expected to fail. */
  async function losing(fate: "cut" | "swallow", text: string, call: () => Promise<unknown>): Promise<unknown> {
    proxy.answer(fate, text);
    const before = proxy.lostCount;
    try {
      return await call().then(
        () => "answered",
        (error: { code: string }) => error.code,
      );
    } finally {
      expect(proxy.lostCount).toBeGreaterThan(before);
      proxy.answer("pass");
    }
  }

  describe.each(["cut", "swallow"] as const)("%s", (fate) => {
    it("a flush whose answer is lost is unknown; it landed, and repeated it is done, once", async () => {
      const scene = new Scene(far.store);
      const lease = await scene.running(await scene.worker());
      const [execution, write] = [
        scene.execution({ key: "A-1" }),
        { lease, direction: "forward", records: [record("a")] } as const,
      ];
      const commit = () => far.store.executions.commit([execution], [write]);
      expect(await losing(fate, sent.flush, commit)).toBe("STORE_OUTCOME_UNKNOWN");
      expect((await near.store.executions.load([lease.executionId])).get(lease.executionId)?.journal).toHaveLength(1);
      expect(await commit()).toMatchObject({
        starts: [{ kind: "exists", id: execution.id }],
        writes: [{ kind: "done" }],
      });
      expect((await scene.load(lease.executionId)).journal).toHaveLength(1);
      expect((await near.store.reads.countByStatus(scene.namespace)).ready).toBe(1);
    });

    it("a start without a key whose answer is lost was started, and repeated it names itself", async () => {
      const scene = new Scene(far.store);
      const execution = scene.execution();
      const commit = () => far.store.executions.commit([execution], []);
      expect(await losing(fate, sent.flush, commit)).toBe("STORE_OUTCOME_UNKNOWN");
      expect((await commit()).starts).toMatchObject([{ kind: "exists", id: execution.id }]);
    });

    it("a COMMIT whose answer is lost is unknown; a completion repeated hands its slot over once", async () => {
      const scene = new Scene(far.store);
      const worker = await scene.worker();
      const lease = await scene.running(worker, { concurrencyKey: "till" });
      const waiting = [await scene.start({ concurrencyKey: "till" }), await scene.start({ concurrencyKey: "till" })];
      const complete = () => scene.move(lease, { name: "complete", parent: null, holdsSlot: true });
      expect(await losing(fate, sent.commit, complete)).toBe("STORE_OUTCOME_UNKNOWN");
      expect(await complete()).toMatchObject({ kind: "done" });
      const statuses = await Promise.all(waiting.map(async ({ id }) => (await scene.find(id)).status));
      expect(statuses.sort()).toEqual(["ready", "waiting"]);
    });

    it("an answer lost before COMMIT is sent means that nothing happened", async () => {
      const scene = new Scene(far.store);
      const { id } = await scene.start();
      expect(await losing(fate, sent.audit, () => scene.kill(id))).toBe("STORE_UNAVAILABLE");
      await expect.poll(async () => (await near.store.reads.find(id))?.status).toBe("ready");
      expect(await scene.kill(id)).toMatchObject({ kind: "accepted" });
    });

    it("a read whose answer is lost is unavailable", async () => {
      const scene = new Scene(far.store);
      const { id } = await scene.start();
      expect(await losing(fate, "undone_count", () => scene.find(id))).toBe("STORE_UNAVAILABLE");
      expect(await scene.find(id)).toMatchObject({ status: "ready" });
    });

    it("a claim whose answer is lost is swept and adopted", async () => {
      const scene = new Scene(far.store);
      const worker = await scene.worker();
      const { id } = await scene.start();
      expect(await losing(fate, sent.claim, () => scene.claim(worker))).toBe("STORE_OUTCOME_UNKNOWN");
      const orphans = await scene.store.workers.sweep({ worker: worker.id, held: [] });
      expect(orphans).toMatchObject([{ id, token: 1 }]);
      const leases = orphans.map((orphan) => ({ executionId: orphan.id, token: orphan.token }));
      expect(await scene.store.workers.adopt({ worker: worker.id, orphans: leases })).toMatchObject([{ id, token: 2 }]);
    });
  });
}
