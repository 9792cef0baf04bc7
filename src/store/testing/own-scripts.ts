// The scripts that the store runs in a transaction of the user's, on the clients that a user may have.
import { describe, expect, it } from "vitest";
import type { Script } from "../../core/script.ts";
import type { Store } from "../../core/store.ts";
import { bytes, plain, record, Scene } from "./scene.ts";

/** Runs a script in a transaction of one client's, and commits. */
export type RunInside = <T>(script: Script<T>) => Promise<T>;

/** Clients differ in how they send parameters and in what they answer. */
export function testOwnScripts(store: () => Store, clients: Readonly<Record<string, RunInside>>): void {
  describe.each(Object.entries(clients))("through %s", (_, run) => {
    it("a record lands as it was given", async () => {
      const scene = new Scene(store());
      const lease = await scene.running(await scene.worker());
      const row = record("create order:A-17 😀", {
        kind: "tx",
        body: bytes(0, 1, 255),
        actor: "user:ada",
        at: 1_700_000_000_123,
      });
      expect(await run(store().own.recordScript(lease, "forward", row))).toBe("done");
      expect(await run(store().own.recordScript(lease, "forward", record("empty", { body: null })))).toBe("done");
      const { journal } = await scene.load(lease.executionId);
      expect(journal.map((found) => ({ ...found, body: plain(found.body) }))).toMatchObject([
        { ...row, body: [0, 1, 255], token: lease.token },
        { step: "empty", body: null },
      ]);
      expect(await run(store().own.recordScript({ ...lease, token: 9 }, "forward", record("x")))).toBe("lost");
      expect(await run(store().own.recordScript(lease, "back", record("x")))).toBe("refused");
    });

    it("a start lands as it was given", async () => {
      const scene = new Scene(store());
      const attributes = { customer: 'c "1" \\', größe: "42" };
      const given = {
        key: "A-1",
        input: bytes(0, 255),
        priority: -3,
        group: "eu",
        traceContext: "00-aa",
        timeoutMs: 60_000,
        attributes,
      };
      const started = await run(store().own.startScript(scene.execution(given)));
      expect(started).toEqual({
        kind: "started",
        id: expect.any(String),
        round: 0,
        status: "ready",
        token: 0,
        createdAt: expect.any(Number),
        deadlineAt: expect.any(Number),
      });
      const found = await scene.find(started.id);
      expect(found).toMatchObject({
        key: "A-1",
        priority: -3,
        group: "eu",
        traceContext: "00-aa",
        status: "ready",
        wakeAt: found.createdAt,
      });
      expect(plain(await store().reads.input(started.id))).toEqual([0, 255]);
      for (const attribute of Object.entries(attributes))
        expect(await store().reads.list({ namespace: scene.namespace, attribute, limit: 9 })).toHaveLength(1);
      expect(await run(store().own.startScript(scene.execution({ key: "A-1" })))).toMatchObject({
        kind: "exists",
        id: started.id,
        round: 0,
        status: "ready",
      });
      expect(await run(store().own.startScript(scene.execution({ concurrencyKey: "till" })))).toMatchObject({
        status: "ready",
      });
      expect(
        await run(store().own.startScript(scene.execution({ concurrencyKey: "till", blocking: "replace-running" }))),
      ).toMatchObject({ status: "waiting" });
      expect(await run(store().own.startScript(scene.execution({ delayMs: 60_000 })))).toMatchObject({
        status: "waiting",
      });
    });

    it("the database is recognized", async () => {
      expect(await run(store().own.identityScript())).toBe(store().own.identity);
    });
  });
}
