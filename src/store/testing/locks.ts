// Who waits for whom: what a store on a server does while others hold locks, and what it makes others wait for.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Row } from "../../core/script.ts";
import type { NewExecution, Write } from "../../core/store.ts";
import { record, Scene, until } from "./scene.ts";
import type { ServerStore, ServerStoreOptions, UserTransaction } from "./server.ts";

export interface LockingServer {
  open(options?: ServerStoreOptions): Promise<ServerStore>;
  begin(): Promise<UserTransaction>;
  /** Locks the guard row of the execution with this id. */
  lockGuard(user: UserTransaction, id: string): Promise<unknown>;
  /** Of job place-order; its parameters are the namespace and the key. */
  readonly insertKey: string;
  /** `count` of the slots that are taken in a namespace. */
  readonly countSlots: string;
  /** `count` of the sessions that wait for a lock. */
  readonly countWaiting: string;
  /** So often the server counts them anew. */
  readonly countsEveryMs: number;
  readonly leastLockTimeoutMs: number;
}

const countOf = ([row]: readonly Row[]): number => Number(row?.["count"]);

export function testLocks(server: LockingServer): void {
  let open: ServerStore;
  let other: ServerStore;
  const users: UserTransaction[] = [];
  beforeAll(async () => {
    open = await server.open();
    other = await server.open();
  });
  afterEach(async () => {
    for (const user of users.splice(0)) await user.end();
  });
  afterAll(() => Promise.all([open?.close(), other?.close()]));

  async function begin(): Promise<UserTransaction> {
    const user = await server.begin();
    users.push(user);
    return user;
  }
  const holdGuard = (user: UserTransaction, id: string): Promise<unknown> => server.lockGuard(user, id);
  const someoneWaits = () =>
    until("a session to wait for a lock", async () => {
      await delay(server.countsEveryMs);
      return countOf(await open.query(server.countWaiting)) > 0 ? true : undefined;
    });

  it("a write whose guard row is held by another is busy, and its neighbors are done without waiting", async () => {
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    const leases = [await scene.running(worker), await scene.running(worker), await scene.running(worker)];
    const user = await begin();
    await holdGuard(user, leases[1]?.executionId ?? "");
    const commit = () =>
      open.store.executions.commit(
        [],
        leases.map((lease) => ({ lease, direction: "forward", records: [record("a")] })),
      );
    expect((await commit()).writes.map(({ kind }) => kind)).toEqual(["done", "busy", "done"]);
    await user.commit();
    expect((await commit()).writes.map(({ kind }) => kind)).toEqual(["done", "done", "done"]);
  });

  it("a claim passes over what others hold, however much that is, and takes what comes after it", async () => {
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    const ids: string[] = [];
    for (let n = 0; n < 9; n++) ids.push((await scene.start({ priority: n })).id);
    const user = await begin();
    const claimed = async (limit: number) => (await scene.claim(worker, limit)).map(({ id }) => ids.indexOf(id));
    for (const n of [0, 2]) await holdGuard(user, ids[n] ?? "");
    expect(await claimed(2)).toEqual([1, 3]);
    for (const n of [4, 5, 6, 7]) await holdGuard(user, ids[n] ?? "");
    // Twice as many as are asked for are held, and the one behind them is found.
    expect(await claimed(2)).toEqual([8]);
    expect(await claimed(2)).toEqual([]);
    await user.commit();
    expect(await claimed(9)).toEqual([0, 2, 4, 5, 6, 7]);
  });

  it("a child's end is busy while its parent's guard row is held, and wakes it afterwards", async () => {
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    const child = await scene.running(worker, { parent: parent.executionId });
    const user = await begin();
    await holdGuard(user, parent.executionId);
    const end = () => scene.move(child, { name: "complete", parent: parent.executionId, holdsSlot: false });
    expect(await end()).toEqual({ kind: "busy" });
    expect(await scene.find(child.executionId)).toMatchObject({ status: "running" });
    await user.commit();
    expect(await end()).toMatchObject({ kind: "done" });
    expect((await scene.load(parent.executionId)).inbox).toBe(1);
  });

  it("the end of a holder is busy while the next one's guard row is held, and never passes him over", async () => {
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    const holder = await scene.running(worker, { concurrencyKey: "till" });
    const [next, last] = [
      await scene.start({ concurrencyKey: "till", priority: 1 }),
      await scene.start({ concurrencyKey: "till", priority: 2 }),
    ];
    const user = await begin();
    await holdGuard(user, next.id);
    const end = () => scene.move(holder, { name: "complete", parent: null, holdsSlot: true });
    expect(await end()).toEqual({ kind: "busy" });
    await user.commit();
    expect(await end()).toMatchObject({ kind: "done" });
    expect((await scene.find(next.id)).status).toBe("ready");
    expect((await scene.find(last.id)).status).toBe("waiting");
  });

  describe("the fence is compared with the newest version of the guard row, not with the snapshot's", () => {
    /** A flush that has taken its snapshot and waits for a key, with `write` in it; meanwhile `change` commits. */
    async function flushAcross(scene: Scene, write: Write, change: () => Promise<unknown>) {
      const user = await begin();
      const key = "held";
      await user.query(server.insertKey, [scene.namespace, key]);
      const flush = open.store.executions.commit([scene.execution({ key })], [write]);
      await someoneWaits();
      await change();
      await user.rollback();
      return (await flush).writes[0];
    }

    it("a cancel accepted meanwhile refuses the completion", async () => {
      const scene = new Scene(open.store);
      const lease = await scene.running(await scene.worker());
      const write = {
        lease,
        direction: "forward",
        transition: { name: "complete", parent: null, holdsSlot: false },
      } as const;
      const outcome = await flushAcross(scene, write, () => new Scene(other.store).cancel(lease.executionId));
      expect(outcome).toEqual({ kind: "refused", phase: "open", cancel: "canceled", inbox: 1 });
    });

    it("a message that came meanwhile refuses the suspend", async () => {
      const scene = new Scene(open.store);
      const lease = await scene.running(await scene.worker());
      const write = { lease, direction: "any", seenInbox: 0, transition: { name: "suspend", wakeInMs: null } } as const;
      const outcome = await flushAcross(scene, write, () => new Scene(other.store).signal(lease.executionId, "s-1"));
      expect(outcome).toEqual({ kind: "refused", phase: "open", cancel: null, inbox: 1 });
    });

    it("a take-over meanwhile makes the record lost", async () => {
      const scene = new Scene(open.store);
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      const there = scene.through(other.store);
      const outcome = await flushAcross(scene, { lease, direction: "forward", records: [record("late")] }, async () => {
        await there.rescue(await there.crash(worker));
      });
      expect(outcome).toEqual({ kind: "lost" });
      expect((await scene.load(lease.executionId)).journal).toEqual([]);
    });

    it("an update meanwhile that leaves the fence open lets the write pass, on top of it", async () => {
      const scene = new Scene(open.store);
      const lease = await scene.running(await scene.worker());
      const write = {
        lease,
        direction: "forward",
        transition: { name: "pivot" },
        records: [record(":pivot", { kind: "pivot" })],
      } as const;
      const outcome = await flushAcross(scene, write, () => new Scene(other.store).signal(lease.executionId, "s-1"));
      expect(outcome).toEqual({ kind: "done", children: [] });
      expect(await scene.find(lease.executionId)).toMatchObject({ phase: "pivoted" });
      expect((await scene.load(lease.executionId)).inbox).toBe(1);
    });
  });

  describe("a transaction of the user's that is still open", () => {
    it("with a record in it: no take-over passes it, and a turn of its owner's finds the row busy", async () => {
      const scene = new Scene(open.store);
      const worker = await scene.worker();
      const lease = await scene.running(worker);
      const successor = await scene.crash(worker);
      const user = await begin();
      expect(await user.run(scene.store.own.recordScript(lease, "forward", record("a")))).toBe("done");
      expect(await scene.rescue(successor)).toEqual({ claimed: [], parked: [] });
      expect(await scene.move(lease, { name: "turn-back", reason: "failed" })).toEqual({ kind: "busy" });
      await user.commit();
      expect((await scene.rescue(successor)).claimed).toMatchObject([{ id: lease.executionId, token: 2 }]);
      expect((await scene.load(lease.executionId)).journal).toMatchObject([{ step: "a", token: 1 }]);
    });

    it("with a start that found the slot taken: the holder's end is busy until then, and wakes it afterwards", async () => {
      const scene = new Scene(open.store);
      const worker = await scene.worker();
      const holder = await scene.running(worker, { concurrencyKey: "till" });
      const waiter = scene.execution({ concurrencyKey: "till" });
      const user = await begin();
      expect(await user.run(scene.store.own.startScript(waiter))).toMatchObject({ status: "waiting" });
      const end = () => scene.move(holder, { name: "complete", parent: null, holdsSlot: true });
      expect(await end()).toEqual({ kind: "busy" });
      await user.commit();
      expect(await end()).toMatchObject({ kind: "done" });
      expect(await end()).toMatchObject({ kind: "done" });
      expect((await scene.find(waiter.id)).status).toBe("ready");
    });

    it("with a start that found the slot taken: a kill of the holder waits for it, and wakes it", async () => {
      const scene = new Scene(open.store);
      const { id } = await scene.start({ concurrencyKey: "till" });
      const waiter = scene.execution({ concurrencyKey: "till" });
      const user = await begin();
      expect(await user.run(scene.store.own.startScript(waiter))).toMatchObject({ status: "waiting" });
      const killed = scene.kill(id);
      await someoneWaits();
      await user.commit();
      await killed;
      expect((await scene.find(waiter.id)).status).toBe("ready");
    });

    it("with a start that took the slot: another start waits for it, and takes the slot if it rolls back", async () => {
      const scene = new Scene(open.store);
      const user = await begin();
      expect(await user.run(scene.store.own.startScript(scene.execution({ concurrencyKey: "till" })))).toMatchObject({
        status: "ready",
      });
      const other = scene.start({ concurrencyKey: "till" });
      await someoneWaits();
      await user.rollback();
      expect(await other).toMatchObject({ status: "ready" });
    });

    it("with a start whose key is taken: the slot it had just taken is free again", async () => {
      const scene = new Scene(open.store);
      await scene.start({ key: "A-1" });
      const user = await begin();
      expect(
        await user.run(scene.store.own.startScript(scene.execution({ key: "A-1", concurrencyKey: "till" }))),
      ).toMatchObject({ kind: "exists" });
      await user.commit();
      expect(await scene.start({ concurrencyKey: "till" })).toMatchObject({ status: "ready" });
    });

    it("a commit that waits for its key too long is a conflict, and nothing of it happened", async () => {
      const scene = new Scene(open.store);
      const lease = await scene.running(await scene.worker());
      const hasty = await server.open({ lockTimeoutMs: server.leastLockTimeoutMs });
      const user = await begin();
      await user.run(scene.store.own.startScript(scene.execution({ key: "A-1" })));
      const commit = hasty.store.executions.commit(
        [scene.execution({ key: "A-1" })],
        [{ lease, direction: "forward", records: [record("a")] }],
      );
      await expect(commit).rejects.toMatchObject({ code: "STORE_CONFLICT" });
      expect((await scene.load(lease.executionId)).journal).toEqual([]);
      await hasty.close();
    });
  });

  it("flushes that start the same keys in opposite order, from two processes, never deadlock", async () => {
    const scene = new Scene(open.store);
    for (let round = 0; round < 40; round++) {
      const start = (i: number): NewExecution => scene.execution({ key: `${round}-${i}` });
      const ways = [
        Array.from({ length: 20 }, (_, i) => start(i)),
        Array.from({ length: 20 }, (_, i) => start(19 - i)),
      ];
      const [here, there] = await Promise.all([
        open.store.executions.commit(ways[0] ?? [], []),
        other.store.executions.commit(ways[1] ?? [], []),
      ]);
      const kinds = [...(here?.starts ?? []), ...(there?.starts ?? [])].map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === "started")).toHaveLength(20);
    }
  });

  it("starts and ends in a few slots, from two processes at once, all come to their turn", async () => {
    const scene = new Scene(open.store);
    const there = scene.through(other.store);
    const worker = await scene.worker();
    const slots = ["a", "b", "c"];
    const startSome = async (at: Scene) => {
      for (let i = 0; i < 10; i++)
        await at.store.executions.commit(
          slots.map((slot) => at.execution({ concurrencyKey: slot })),
          [],
        );
    };
    const work = async (at: Scene) => {
      await until("all to end", async () => {
        for (const { id, token } of await at.claim(worker, 2)) {
          const end = () => at.move({ executionId: id, token }, { name: "complete", parent: null, holdsSlot: true });
          await until("the end", async () => ((await end()).kind === "done" ? true : undefined));
        }
        return (await at.store.reads.countByStatus(at.namespace)).completed === 60 ? true : undefined;
      });
    };
    await Promise.all([startSome(scene), startSome(there), work(scene), work(there)]);
    expect(countOf(await open.query(server.countSlots, [scene.namespace]))).toBe(0);
  });
}
