import { expect } from "vitest";
import type { Suite } from "./harness.ts";
import { newId, only, record } from "./scene.ts";

export function testChildren(suite: Suite): void {
  suite.test("a child is started in the commit of the record that names it", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    const [plainChild, claimed, delayed] = [{}, { claimFor: worker.id }, { delayMs: 60_000 }].map((given) =>
      scene.execution({ parent: lease.executionId, root: lease.executionId, ...given }),
    );
    const children = [plainChild, claimed, delayed].filter((child) => child !== undefined);
    const outcome = await scene.write({
      lease,
      direction: "forward",
      records: [record("ship", { kind: "child" })],
      children,
    });
    expect(outcome).toMatchObject({
      kind: "done",
      children: [
        { kind: "started", status: "ready" },
        { kind: "started", status: "running", token: 1 },
        { kind: "started", status: "waiting" },
      ],
    });
    expect(
      await scene.store.reads.list({ namespace: scene.namespace, parent: lease.executionId, limit: 10 }),
    ).toHaveLength(3);
  });

  suite.test("a write repeated with its children starts none of them again, and names them", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const children = [
      scene.execution({ parent: lease.executionId }),
      scene.execution({ parent: lease.executionId, key: "child" }),
    ];
    const write = { lease, direction: "forward", records: [record("ship", { kind: "child" })], children } as const;
    await scene.done(scene.write(write));
    expect(await scene.write(write)).toMatchObject({
      kind: "done",
      children: children.map(({ id }) => ({ kind: "exists", id, round: 0, status: "ready" })),
    });
    expect((await scene.store.reads.countByStatus(scene.namespace)).ready).toBe(2);
  });

  suite.test(
    "a child whose key is taken is answered with the one that has it; the record lands all the same",
    async (scene) => {
      const lease = await scene.running(await scene.worker());
      const taken = await scene.start({ key: "A-1" });
      const outcome = await scene.write({
        lease,
        direction: "forward",
        records: [record("ship", { kind: "child" })],
        children: [scene.execution({ key: "A-1", parent: lease.executionId })],
      });
      expect(outcome).toMatchObject({ kind: "done", children: [{ kind: "exists", id: taken.id }] });
      expect((await scene.load(lease.executionId)).journal).toHaveLength(1);
    },
  );

  suite.test("a lost write starts no child", async (scene) => {
    const lease = await scene.running(await scene.worker());
    const child = scene.execution({ parent: lease.executionId });
    expect(
      await scene.write({
        lease: { ...lease, token: 2 },
        direction: "forward",
        records: [record("ship", { kind: "child" })],
        children: [child],
      }),
    ).toEqual({ kind: "lost" });
    expect(await scene.store.reads.find(child.id)).toBeNull();
  });

  const endings = ["complete", "compensated", "kill", "settle"] as const;
  for (const ending of endings)
    suite.test(`the end of a child by ${ending} wakes its waiting parent, once`, async (scene) => {
      const worker = await scene.worker();
      const parent = await scene.running(worker);
      const child = await scene.running(worker, { parent: parent.executionId });
      await scene.suspend(parent, 3_600_000);
      const last = { parent: parent.executionId, holdsSlot: false };
      if (ending === "complete") await scene.complete(child, last);
      if (ending === "compensated") {
        await scene.done(scene.move(child, { name: "turn-back", reason: "failed" }));
        await scene.done(scene.move(child, { name: "compensated", ...last }));
      }
      if (ending === "kill") await scene.kill(child.executionId);
      if (ending === "settle") {
        await scene.park(child);
        expect((await scene.find(parent.executionId)).status).toBe("waiting");
        await scene.settle(child.executionId);
      }
      expect(await scene.find(parent.executionId)).toMatchObject({ status: "ready", token: 1 });
      expect(await scene.claimOne(worker)).toMatchObject({ id: parent.executionId, inbox: 1 });
    });

  suite.test("the end of a child is a message to a running parent: its suspend is refused", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    await scene.complete(await scene.running(worker, { parent: parent.executionId }), { parent: parent.executionId });
    expect(await scene.find(parent.executionId)).toMatchObject({ status: "running" });
    expect(await scene.move(parent, { name: "suspend", wakeInMs: null }, { seenInbox: 0 })).toMatchObject({
      kind: "refused",
      inbox: 1,
    });
  });

  suite.test("a completion repeated wakes the parent once", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    const child = await scene.running(worker, { parent: parent.executionId });
    await scene.complete(child, { parent: parent.executionId });
    await scene.complete(child, { parent: parent.executionId });
    expect((await scene.load(parent.executionId)).inbox).toBe(1);
  });

  suite.test("a parent that has ended, or is gone, is left alone", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    const [first, second] = [
      await scene.running(worker, { parent: parent.executionId }),
      await scene.running(worker, { parent: newId() }),
    ];
    await scene.complete(parent);
    const look = async () => [await scene.find(parent.executionId), await scene.load(parent.executionId)];
    const before = await look();
    await scene.complete(first, { parent: parent.executionId });
    await scene.complete(second, { parent: (await scene.find(second.executionId)).parent });
    expect(await look()).toEqual(before);
  });

  suite.test("parent and child that end in one commit both end", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    const child = await scene.running(worker, { parent: parent.executionId });
    const complete = { name: "complete", parent: null, holdsSlot: false } as const;
    const { writes } = await scene.store.executions.commit(
      [],
      [
        { lease: child, direction: "forward", transition: { ...complete, parent: parent.executionId } },
        { lease: parent, direction: "forward", transition: complete },
      ],
    );
    expect(writes.map(({ kind }) => kind)).toEqual(["done", "done"]);
  });

  suite.test("many children that end in one commit each count", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    const children = Array.from({ length: 5 }, () =>
      scene.execution({ parent: parent.executionId, claimFor: worker.id }),
    );
    await scene.store.executions.commit(children, []);
    await scene.suspend(parent);
    const { writes } = await scene.store.executions.commit(
      [],
      children.map(({ id }) => ({
        lease: { executionId: id, token: 1 },
        direction: "forward",
        transition: { name: "complete", parent: parent.executionId, holdsSlot: false },
      })),
    );
    expect(new Set(writes.map(({ kind }) => kind))).toEqual(new Set(["done"]));
    expect(only(await scene.claim(worker))).toMatchObject({ id: parent.executionId, inbox: 5 });
  });
}
