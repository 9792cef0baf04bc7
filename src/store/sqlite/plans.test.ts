import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { job, leaseOf, person, record, Scene } from "../testing/scene.ts";
import { sqlite } from "./sqlite.ts";

// Every statement that a busy store prepares is asked for its plan: none may read a whole table.
describe("statements", () => {
  const texts = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  const store = sqlite(":memory:");
  let database: DatabaseSync | undefined;

  beforeAll(async () => {
    DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
      texts.add(sql);
      database = this;
      return prepare.call(this, sql);
    };
    await store.open();
    await callEverything(new Scene(store));
  });
  afterAll(async () => {
    DatabaseSync.prototype.prepare = prepare;
    await store.close();
  });

  /** Reads whole tables, and says so. */
  const isForDemonstrations = (sql: string): boolean => sql.includes("GROUP BY status");
  /** The store's own row, a row per migration, or lists that were handed in. */
  const isSmall = (step: string): boolean => /makegood_migration|SCAN s\b|VIRTUAL TABLE/.test(step);

  test("are served by an index, each of them", () => {
    const scans = [...texts]
      .filter((sql) => !isForDemonstrations(sql))
      .flatMap((sql) =>
        stepsOf(sql)
          .filter((step) => /^SCAN (makegood_|[a-z]\b)/.test(step) && !isSmall(step))
          .map((step) => `${step}: ${sql}`),
      );
    expect(scans).toEqual([]);
    expect(texts.size).toBeGreaterThan(50);
  });

  test("sort nothing but what one execution, or one page, can hold", () => {
    const sorts = [...texts]
      .filter((sql) => stepsOf(sql).some((step) => step.includes("TEMP B-TREE FOR ORDER BY")))
      .map((sql) => /FROM (\w+)/.exec(sql)?.[1]);
    // By execution: its journal, attempts and signals. By depth: a tree of canceled children. By age: the children of one parent.
    const small = new Set(["makegood_journal", "makegood_attempt", "makegood_signal", "makegood_execution", "tree"]);
    expect(sorts.filter((table) => table === undefined || !small.has(table))).toEqual([]);
    expect(
      stepsOf([...texts].find((sql) => sql.includes("AND status = 'ready'\n ORDER BY priority")) ?? "").join(),
    ).toContain("makegood_execution_ready");
    expect(
      stepsOf([...texts].find((sql) => sql.includes("AND status = 'ready'\n ORDER BY priority")) ?? "").join(),
    ).not.toContain("TEMP B-TREE");
  });

  function stepsOf(sql: string): readonly string[] {
    if (database === undefined || /^\s*(BEGIN|COMMIT|ROLLBACK|PRAGMA|CREATE)/.test(sql)) return [];
    return prepare
      .call(database, `EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row["detail"]));
  }
});

async function callEverything(scene: Scene): Promise<void> {
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
  await scene.load(lease.executionId);
  await scene.find(lease.executionId);
  await scene.history(lease.executionId);
  await store.reads.openIncidents({ namespace: scene.namespace, limit: 1 });
  await store.reads.countByStatus(scene.namespace);
  const { namespace } = scene;
  for (const filter of [{}, { parent: lease.executionId }, { attribute: ["customer", "c-1"] as const }])
    await store.reads.list({ namespace, limit: 5, job: "a", key: "b", statuses: ["ready"], ...filter });
}
