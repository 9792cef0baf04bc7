// What runs inside a transaction of the user's, on the user's connection to the engine's database.
import { describe, expect } from "vitest";
import type { Suite } from "./harness.ts";
import { idsOf, leaseOf, newId, only, persistently, plain, record, type Scene, until } from "./scene.ts";

const stepsOf = async (scene: Scene, id: string) => (await scene.load(id)).journal.map((row) => row.step);

export function testOwnTransactions(suite: Suite): void {
  const own = (name: string, run: (scene: Scene) => Promise<void>) => suite.test(name, run, "begin");

  suite.test("the store knows which dialect it speaks", async (scene) => {
    expect(scene.store.own.dialect).toBe(scene.store.kind);
    expect(scene.store.own.identity).not.toBe("");
  });

  own("the database is recognized from within the user's transaction", async (scene) => {
    const held = await suite.begin();
    expect(await held.run(scene.store.own.identityScript())).toBe(scene.store.own.identity);
    await held.rollback();
  });

  describe("record", () => {
    own("lands with the user's commit, under the lease's token", async (scene) => {
      const lease = await scene.running(await scene.worker());
      const row = record("create order", { kind: "tx" });
      const held = await suite.begin();
      expect(await held.run(scene.store.own.recordScript(lease, "forward", row))).toBe("done");
      await held.commit();
      const { journal } = await scene.load(lease.executionId);
      expect(journal.map((found) => ({ ...found, body: plain(found.body) }))).toEqual([
        { ...row, body: plain(row.body), token: lease.token },
      ]);
    });

    own("is gone with the user's rollback", async (scene) => {
      const lease = await scene.running(await scene.worker());
      const held = await suite.begin();
      await held.run(scene.store.own.recordScript(lease, "forward", record("a")));
      await held.rollback();
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
      expect(await scene.store.executions.readBack(lease, "a", "action")).toBe("absent");
    });

    own(
      "is not done under another token, in the wrong direction, or when the row is there: the caller must roll back",
      async (scene) => {
        const worker = await scene.worker();
        const lease = await scene.running(worker);
        const ask = async (given: typeof lease, direction: "forward" | "back", step: string) => {
          const held = await suite.begin();
          const kind = await held.run(scene.store.own.recordScript(given, direction, record(step)));
          await held.rollback();
          return kind;
        };
        await scene.done(scene.record(lease, record("there")));
        expect(await ask({ ...lease, token: 2 }, "forward", "a")).toBe("lost");
        expect(await ask({ executionId: newId(), token: 1 }, "forward", "a")).toBe("lost");
        expect(await ask(lease, "back", "a")).toBe("refused");
        expect(await ask(lease, "forward", "there")).not.toBe("done");
        await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
        expect(await ask(lease, "forward", "a")).toBe("refused");
        await scene.done(scene.move(lease, { name: "hand-back" }));
        expect(await ask(lease, "back", "a")).toBe("lost");
        await scene.claimOne(worker);
        expect(await ask(lease, "back", "a")).toBe("lost");
        expect(await stepsOf(scene, lease.executionId)).toEqual(["there"]);
      },
    );
  });

  describe("held open across a take-over", () => {
    own(
      "a record that passed the fence is seen by whoever takes over, or the take-over waits for it",
      async (scene) => {
        const worker = await scene.worker();
        const lease = await scene.running(worker);
        const successor = await scene.crash(worker);
        const held = await suite.begin();
        expect(await held.run(scene.store.own.recordScript(lease, "forward", record("a")))).toBe("done");
        let early = 0;
        const takeOver = persistently(() => scene.rescue(successor)).then(({ claimed }) => {
          early = claimed.length;
          return claimed;
        });
        // It may wait, or pass the locked row by. It must not take the execution while the record can still land.
        await Promise.race([takeOver, turns(20)]);
        expect(early).toBe(0);
        await held.commit();
        const claimed = (await takeOver).length > 0 ? await takeOver : (await scene.rescue(successor)).claimed;
        expect(claimed.map(leaseOf)).toEqual([{ ...lease, token: 2 }]);
        expect(await stepsOf(scene, lease.executionId)).toEqual(["a"]);
      },
    );

    own("a record that comes after the take-over is refused", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      await scene.rescue(await scene.crash(worker));
      const held = await suite.begin();
      expect(await held.run(scene.store.own.recordScript(lease, "forward", record("late")))).toBe("lost");
      await held.rollback();
      expect(await stepsOf(scene, lease.executionId)).toEqual([]);
    });

    own("a turn waits for a record that passed the fence, or is told that the row is busy", async (scene) => {
      const lease = await scene.running(await scene.worker());
      const held = await suite.begin();
      expect(await held.run(scene.store.own.recordScript(lease, "forward", record("a")))).toBe("done");
      const turn = () => persistently(() => scene.move(lease, { name: "turn-back", reason: "failed" }));
      let early = "nothing";
      const first = turn().then((outcome) => {
        early = outcome.kind;
        return outcome;
      });
      await Promise.race([first, turns(20)]);
      expect(["nothing", "busy"]).toContain(early);
      await held.commit();
      expect((await first).kind === "busy" ? await turn() : await first).toMatchObject({ kind: "done" });
      expect(await stepsOf(scene, lease.executionId)).toEqual(["a"]);
      expect((await scene.find(lease.executionId)).phase).toBe("back");
    });

    own("a write for another execution, in a commit with one that is held, comes through in the end", async (scene) => {
      const worker = await scene.worker();
      const [stuck, free] = [await scene.running(worker), await scene.running(worker)];
      const held = await suite.begin();
      await held.run(scene.store.own.recordScript(stuck, "forward", record("a")));
      const writes = [stuck, free].map((lease) => ({ lease, direction: "forward" as const, records: [record("b")] }));
      const flush = persistently(() => scene.store.executions.commit([], writes));
      await Promise.race([flush, turns(20)]);
      await held.commit();
      const outcomes = (await flush).writes.map(({ kind }) => kind);
      expect(outcomes[1]).toBe("done");
      if (outcomes[0] === "busy") await scene.done(scene.write(writes[0] as (typeof writes)[number]));
      expect(await stepsOf(scene, stuck.executionId)).toHaveLength(2);
    });
  });

  describe("read back", () => {
    suite.test("done only if the row is there under the lease's token", async (scene) => {
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      await scene.done(scene.record(lease, record("a")));
      expect(await scene.store.executions.readBack(lease, "a", "action")).toBe("done");
      expect(await scene.store.executions.readBack(lease, "a", "compensation")).toBe("absent");
      expect(await scene.store.executions.readBack(lease, "A", "action")).toBe("absent");
      const { claimed } = await scene.rescue(await scene.crash(worker));
      expect(await scene.store.executions.readBack(lease, "a", "action")).toBe("lost");
      expect(await scene.store.executions.readBack(lease, "b", "action")).toBe("lost");
      const taken = leaseOf(only(claimed));
      expect(await scene.store.executions.readBack(taken, "b", "action")).toBe("absent");
      // The new owner loaded that row with the journal: to ask for it as its own is a mistake of the engine's.
      await expect(scene.store.executions.readBack(taken, "a", "action")).rejects.toMatchObject({ code: "INVARIANT" });
      expect(await scene.store.executions.readBack({ executionId: newId(), token: 1 }, "a", "action")).toBe("lost");
    });

    suite.test("a row that is absent once its execution was given away is lost", async (scene) => {
      const lease = await scene.running(await scene.worker());
      await scene.done(scene.move(lease, { name: "hand-back" }));
      expect(await scene.store.executions.readBack(lease, "a", "action")).toBe("lost");
    });

    own("waits for a commit that is still in flight", async (scene) => {
      const lease = await scene.running(await scene.worker());
      const held = await suite.begin();
      await held.run(scene.store.own.recordScript(lease, "forward", record("a")));
      let early: string = "nothing";
      const answer = persistently(() => scene.store.executions.readBack(lease, "a", "action")).then((found) => {
        early = found;
        return found;
      });
      await Promise.race([answer, turns(20)]);
      expect(early).toBe("nothing");
      await held.commit();
      expect(await answer).toBe("done");
    });
  });

  describe("start", () => {
    own("is there with the user's commit, ready, never claimed", async (scene) => {
      const worker = await scene.worker();
      const execution = scene.execution({ key: "A-1", claimFor: worker.id, attributes: { customer: "c-1" } });
      const held = await suite.begin();
      expect(await held.run(scene.store.own.startScript(execution))).toMatchObject({
        kind: "started",
        id: execution.id,
        round: 0,
        status: "ready",
        token: 0,
      });
      await held.commit();
      expect(await scene.claimOne(worker)).toMatchObject({ id: execution.id, key: "A-1", token: 1 });
      expect(
        idsOf(await scene.store.reads.list({ namespace: scene.namespace, attribute: ["customer", "c-1"], limit: 9 })),
      ).toEqual([execution.id]);
    });

    own("is gone with the user's rollback, and its key is free", async (scene) => {
      const execution = scene.execution({ key: "A-1" });
      const held = await suite.begin();
      await held.run(scene.store.own.startScript(execution));
      await held.rollback();
      expect(await scene.store.reads.find(execution.id)).toBeNull();
      await scene.start({ key: "A-1" });
    });

    own("answers for a key that is taken, restarts a round, and takes its place in a slot", async (scene) => {
      const taken = await scene.start({ key: "A-1" });
      const run = async (given: Parameters<Scene["execution"]>[0]) => {
        const held = await suite.begin();
        const outcome = await held.run(scene.store.own.startScript(scene.execution(given)));
        await held.commit();
        return outcome;
      };
      expect(await run({ key: "A-1" })).toMatchObject({ kind: "exists", id: taken.id });
      await scene.kill(taken.id);
      expect(await run({ key: "A-1", replacesRound: 0 })).toMatchObject({ kind: "started", round: 1 });
      expect(await run({ concurrencyKey: "till-1" })).toMatchObject({ kind: "started", status: "ready" });
      expect(await run({ concurrencyKey: "till-1" })).toMatchObject({ kind: "started", status: "waiting" });
      expect(await run({ concurrencyKey: "till-1", blocking: "discard-new" })).toMatchObject({
        kind: "started",
        status: "discarded",
      });
      expect(await run({ delayMs: 60_000 })).toMatchObject({ kind: "started", status: "waiting" });
    });

    own("of one key in two places at once, one is started", async (scene) => {
      const execution = scene.execution({ key: "A-1" });
      const held = await suite.begin();
      await held.run(scene.store.own.startScript(execution));
      const other = persistently(() => scene.startAny({ key: "A-1" }));
      await Promise.race([other, turns(20)]);
      await held.commit();
      expect(await other).toMatchObject({ kind: "exists", id: execution.id });
    });
  });
}

/** Some turns of the event loop: time for a call that need not wait to come back. */
async function turns(count: number): Promise<void> {
  let left = count;
  await until("some turns", async () => (left-- > 0 ? undefined : true));
}
