// A server that is restarted, and away, while a store is at work on it.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { NewExecution, StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { newId, record, Scene, until } from "./scene.ts";
import type { OpenServerStore, ServerStore } from "./server.ts";

export interface RestartedServer {
  readonly url: () => string;
  readonly open: OpenServerStore;
  /** Each way to restart it, by its name. */
  readonly restarts: Readonly<Record<string, () => Promise<void>>>;
  /** Waits for nobody. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** `count` of the namespace's completed executions that have not three rows in the journal. */
  readonly countBroken: string;
  /** Whether listeners are told by the server, and lose their connection too. */
  readonly pushes: boolean;
}

export function testRestarts(server: RestartedServer): void {
  let open: ServerStore;
  beforeAll(async () => {
    open = await server.open(server.url());
  });
  afterAll(() => open?.close());

  const passing = ["STORE_CONFLICT", "STORE_UNAVAILABLE", "STORE_OUTCOME_UNKNOWN"];
  /** As the port asks: the same call again, until it is answered. */
  async function insist(starts: readonly NewExecution[], writes: readonly Write[], seen: Set<string>) {
    for (;;) {
      try {
        return await open.store.executions.commit(starts, writes);
      } catch (error) {
        const { code } = error as { readonly code: string };
        if (!passing.includes(code)) throw error;
        seen.add(code);
        await delay(20);
      }
    }
  }

  it.each(Object.entries(server.restarts))(
    "%s: this process lives on, and nothing acknowledged is lost",
    async (_mode, restart) => {
      const scene = new Scene(open.store);
      const worker = await scene.worker();
      const acknowledged: { readonly id: string; recordCount: number; isCompleted: boolean }[] = [];
      const seen = new Set<string>();
      let isOver = false;
      const run = async (): Promise<void> => {
        while (!isOver) {
          const execution = scene.execution({ claimFor: worker.id, key: newId() });
          const { starts } = await insist([execution], [], seen);
          const [start] = starts as readonly [StartOutcome];
          // After an unknown outcome it names itself; the lease was live, so it was born running.
          expect(start.id).toBe(execution.id);
          const one = { id: execution.id, recordCount: 0, isCompleted: false };
          acknowledged.push(one);
          const lease = { executionId: execution.id, token: 1 };
          for (const step of ["a", "b", "c"]) {
            const transition =
              step === "c" ? { transition: { name: "complete", parent: null, holdsSlot: false } as const } : {};
            const write: Write = { lease, direction: "forward", records: [record(step)], ...transition };
            const { writes } = await insist([], [write], seen);
            expect((writes as readonly [WriteOutcome])[0]).toEqual({ kind: "done", children: [] });
            one.recordCount++;
            one.isCompleted = step === "c";
          }
        }
      };
      const runs = Array.from({ length: 16 }, run);
      await until("some executions", async () => (acknowledged.length > 100 ? true : undefined));
      await restart();
      const after = acknowledged.length + 100;
      await until("some executions after the restart", async () => (acknowledged.length > after ? true : undefined));
      isOver = true;
      await Promise.all(runs);
      expect(seen.size).toBeGreaterThan(0);
      const loaded = await open.store.executions.load(acknowledged.map(({ id }) => id));
      for (const { id, recordCount } of acknowledged) expect(loaded.get(id)?.journal).toHaveLength(recordCount);
      const outcomes = await open.store.reads.outcomes(acknowledged.map(({ id }) => id));
      for (const { id, isCompleted } of acknowledged)
        expect(outcomes.get(id)?.status).toBe(isCompleted ? "completed" : "running");
      const [row] = await open.query(server.countBroken, [scene.namespace]);
      expect(Number(row?.["count"])).toBe(0);
    },
  );

  it("while the server is away every call says so, at once or within its deadline; then all goes on", async () => {
    const scene = new Scene(open.store);
    const { id } = await scene.start();
    const heard: (string | null)[] = [];
    const stop = open.store.listen(scene.namespace, (execution) => heard.push(execution));
    if (server.pushes) await until("the listener", async () => (heard.length > 0 ? true : undefined));
    await server.stop();
    const calls = [
      () => scene.find(id),
      () => scene.start(),
      () => scene.cancel(id),
      () => scene.claim({ id: newId(), name: "w" }),
      () => scene.wakeDue(),
      () => open.store.open(),
    ];
    // A connection that broke just now may be met once by each.
    for (const call of calls) {
      const code = await until("the server to be known as away", async () => {
        const failure = await call().then(
          () => "answered",
          (error: { readonly code: string }) => error.code,
        );
        return failure === "STORE_OUTCOME_UNKNOWN" ? undefined : failure;
      });
      expect(code).toBe("STORE_UNAVAILABLE");
    }
    await server.start();
    await until("an answer", async () => (await scene.find(id).catch(() => undefined)) ?? undefined);
    if (server.pushes) await until("the listener to listen again", async () => (heard.length > 1 ? true : undefined));
    stop();
  });
}
