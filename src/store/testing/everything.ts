import { job, leaseOf, person, record, type Scene } from "./scene.ts";

/** Every statement that a busy store sends, or nearly so, to be asked for their plans. */
export async function callEverything(scene: Scene): Promise<void> {
  const { store } = scene;
  const worker = await scene.worker();
  const lease = await scene.running(worker, { key: "A-1", attributes: { customer: "c-1" } });
  await scene.startAny({ key: "A-1" });
  await scene.signal(lease.executionId, "s-1");
  const child = scene.execution({ parent: lease.executionId, root: lease.executionId });
  await scene.write({
    lease,
    direction: "forward",
    records: [record("a")],
    attempts: [{ ...record("b"), nextAt: 0, isUnknown: true, error: null }],
    takes: [{ signalId: "s-1", step: "a" }],
    children: [child],
    progress: { fraction: 0, note: null },
  });
  await scene.write({ lease: { ...lease, token: 9 }, direction: "forward", records: [record("a")] });
  await scene.record(lease, record("c"), "back");
  await scene.move(lease, { name: "confirm", outcome: { result: null, error: null, undoneCount: 0 } });
  await scene.park(lease);
  await store.commands.settleStep({
    id: lease.executionId,
    row: { ...record("d"), started: null },
    actor: person,
    note: null,
  });
  await scene.resume(lease.executionId, true);
  for (const claimed of await scene.claim(worker)) await scene.suspend(leaseOf(claimed), 0, claimed.inbox);
  await scene.wakeDue();
  await scene.cancel(child.id);
  await scene.kill(child.id);
  const till = { concurrencyKey: "till-1", retainMs: -1_000, keyRetainMs: -2_000 } as const;
  const holder = await scene.running(worker, { ...till, key: "B-1" });
  await scene.start(till);
  await scene.start({ ...till, blocking: "replace-running" });
  await scene.start({ ...till, delayMs: 1 });
  await scene.move(holder, { name: "turn-back", reason: "replaced" });
  await scene.move(holder, { name: "compensated" });
  await scene.startAny({ key: "B-1", replacesRound: 0 });
  const next = (await scene.claim(worker)).map(leaseOf);
  for (const each of next) await scene.park(each);
  for (const each of next) await scene.settle(each.executionId);
  const orphan = await scene.running(worker);
  await store.workers.sweep({ worker: worker.id, held: [] });
  await store.workers.adopt({ worker: worker.id, orphans: [orphan] });
  await store.workers.lostAmong([orphan]);
  await store.workers.unserved({ namespace: scene.namespace, olderThanMs: -1 });
  await scene.rescue(await scene.crash(worker), { maxCrashes: 0 });
  await store.executions.readBack(lease, "a", "action");
  await store.workers.renew({ id: worker.id, leaseMs: 1, jobs: [job] });
  await store.workers.end(worker.id);
  await scene.prune();
  await store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" });
  await store.reads.outcomes([lease.executionId]);
  await store.reads.input(lease.executionId);
  await store.reads.startedBy(lease.executionId);
  await scene.load(lease.executionId);
  await scene.find(lease.executionId);
  await scene.history(lease.executionId);
  await store.reads.openIncidents({ namespace: scene.namespace, limit: 1 });
  await store.reads.countByStatus(scene.namespace);
  const { namespace } = scene;
  for (const filter of [{}, { parent: lease.executionId }, { attribute: ["customer", "c-1"] as const }])
    await store.reads.list({ namespace, limit: 5, job: "a", key: "b", statuses: ["ready"], ...filter });
}
