import { expect } from "vitest";
import type { Suite } from "./harness.ts";
import { newId, persistently, person, plain, record, until } from "./scene.ts";

export function testSignals(suite: Suite): void {
  suite.test("a signal wakes a waiting execution and is there for it", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    await scene.suspend(lease, 3_600_000);
    expect(await scene.signal(lease.executionId, "s-1")).toEqual({
      kind: "accepted",
      status: "ready",
      phase: "open",
    });
    expect((await scene.find(lease.executionId)).wakeAt).toBeLessThan(Date.now() + 1_800_000);
    expect(await scene.claimOne(worker)).toMatchObject({ id: lease.executionId, token: 2, inbox: 1 });
    const { signals, inbox } = await scene.load(lease.executionId);
    expect(inbox).toBe(1);
    expect(signals.map((signal) => ({ ...signal, payload: plain(signal.payload) }))).toEqual([
      { signalId: "s-1", name: "paid", payload: [8], at: expect.any(Number), takenBy: null },
    ]);
  });

  suite.test("an execution that a message woke is as old, among the ready ones, as its wake", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    await scene.suspend(lease);
    const { id, createdAt } = await scene.start();
    await until("the database's clock to go on", async () =>
      (await scene.start({ job: "clock" })).createdAt > createdAt ? true : undefined,
    );
    await scene.signal(lease.executionId, "s-1");
    expect([(await scene.claimOne(worker)).id, (await scene.claimOne(worker)).id]).toEqual([id, lease.executionId]);
  });

  suite.test("a signal to a ready, running or parked execution is kept and changes no status", async (scene) => {
    const worker = await scene.worker();
    const running = await scene.running(worker);
    expect(await scene.signal(running.executionId, "s-1")).toEqual({
      kind: "accepted",
      status: "running",
      phase: "open",
    });
    const parked = await scene.running(worker);
    await scene.park(parked);
    expect(await scene.signal(parked.executionId, "s-1")).toEqual({
      kind: "accepted",
      status: "parked",
      phase: "open",
    });
    const ready = await scene.start();
    expect(await scene.signal(ready.id, "s-1")).toEqual({ kind: "accepted", status: "ready", phase: "open" });
    for (const id of [running.executionId, parked.executionId, ready.id])
      expect(await scene.load(id)).toMatchObject({ inbox: 1, signals: [{ signalId: "s-1" }] });
  });

  suite.test("a signal does not start a delayed execution before its time", async (scene) => {
    const { id } = await scene.start({ delayMs: 3_600_000 });
    const before = await scene.find(id);
    expect(await scene.signal(id, "s-1")).toEqual({ kind: "accepted", status: "waiting", phase: "open" });
    expect(await scene.find(id)).toEqual(before);
    expect(await scene.load(id)).toMatchObject({ inbox: 1, signals: [{ signalId: "s-1" }] });
  });

  suite.test("a signal sent twice is delivered once, also when the execution has ended meanwhile", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    expect(await scene.signal(lease.executionId, "s-1", "other")).toEqual({ kind: "duplicate" });
    const { signals, inbox } = await scene.load(lease.executionId);
    expect([signals.length, signals[0]?.name, inbox]).toEqual([1, "paid", 1]);
    await scene.complete(lease);
    expect(await scene.signal(lease.executionId, "s-1")).toEqual({ kind: "duplicate" });
    expect(await scene.signal(lease.executionId, "s-2")).toEqual({
      kind: "refused",
      status: "completed",
      phase: "open",
    });
    expect(await scene.signal(newId(), "s-1")).toEqual({ kind: "unknown-execution" });
  });

  suite.test("one id sent by many at once is delivered once", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const kinds = await Promise.all(
      Array.from({ length: 10 }, async () => (await persistently(() => scene.signal(lease.executionId, "s-1"))).kind),
    );
    expect(kinds.sort()).toEqual(["accepted", ...Array(9).fill("duplicate")]);
    expect((await scene.load(lease.executionId)).signals).toHaveLength(1);
  });

  suite.test("signals are loaded in the order in which they were accepted", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const ids = ["m", "z", "a", "k", "b", "y", "c", "x"];
    for (const id of ids) await scene.signal(lease.executionId, id);
    expect((await scene.load(lease.executionId)).signals.map(({ signalId }) => signalId)).toEqual(ids);
  });

  suite.test("signal ids are told apart by every byte (D9)", async (scene) => {
    const lease = await scene.running(await scene.worker());
    for (const id of ["s", "S", "s ", "s\u0301", "ś"])
      expect(await scene.signal(lease.executionId, id)).toMatchObject({ kind: "accepted" });
  });

  suite.test("a signal is taken together with the step's record, and stays taken", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    await scene.signal(lease.executionId, "s-2");
    const write = {
      lease,
      direction: "forward",
      records: [record("await payment", { kind: "wait" })],
      takes: [{ signalId: "s-1", step: "await payment" }],
    } as const;
    await scene.done(scene.write(write));
    await scene.done(scene.write(write));
    expect((await scene.load(lease.executionId)).signals).toMatchObject([
      { signalId: "s-1", takenBy: "await payment" },
      { signalId: "s-2", takenBy: null },
    ]);
  });

  suite.test("a refused write takes no signal", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.signal(lease.executionId, "s-1");
    await scene.done(scene.move(lease, { name: "turn-back", reason: "failed" }));
    expect(
      await scene.write({
        lease,
        direction: "forward",
        records: [record("w", { kind: "wait" })],
        takes: [{ signalId: "s-1", step: "w" }],
      }),
    ).toMatchObject({ kind: "refused" });
    expect((await scene.load(lease.executionId)).signals).toMatchObject([{ takenBy: null }]);
  });

  suite.test("payloads of signals may be null", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.store.commands.signal({
      id: lease.executionId,
      signalId: "s-1",
      name: "paid",
      payload: null,
      actor: person,
    });
    expect((await scene.load(lease.executionId)).signals).toMatchObject([{ payload: null }]);
  });
}
