import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { Lease, NewExecution, Write } from "../../core/store.ts";
import { newId, record, Scene, type TestWorker, type Transition } from "../testing/scene.ts";
import { flushStatement } from "./flush.ts";
import { type OpenStore, openStore } from "./testing/store.ts";

/** Each differs from a plain start in one column that mostly is alike. */
const peculiar: Readonly<Record<string, Partial<NewExecution>>> = {
  job: { job: "ship-order" },
  version: { version: 2 },
  priority: { priority: 9 },
  group: { group: "g" },
  delay: { delayMs: 60_000 },
  timeout: { timeoutMs: 5_000 },
  retention: { retainMs: 1_000 },
  parent: { parent: newId() },
  root: { root: newId() },
  trace: { traceContext: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
  actor: { actor: { kind: "system", id: "else" } },
};

describeWithPostgres("a flush", (database) => {
  let open: OpenStore;
  let scene: Scene;
  let worker: TestWorker;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  beforeEach(async () => {
    scene = new Scene(open.store);
    worker = await scene.worker();
  });
  afterAll(() => open?.close());

  /** The rows but for what no two have in common; times from the start on. */
  async function rowsOf(starts: readonly NewExecution[]): Promise<readonly unknown[]> {
    const rows = await open.query(
      `SELECT e.id::text, (to_jsonb(e) - '{id,created_at,key}'::text[])
              || jsonb_build_object('wake_at', e.wake_at - e.created_at, 'deadline_at', e.deadline_at - e.created_at) AS row
         FROM makegood.execution e WHERE e.id = ANY($1::uuid[])`,
      [starts.map(({ id }) => id)],
    );
    return starts.map(({ id }) => rows.find((row) => row.id === id)?.row);
  }

  it.each(Object.entries(peculiar))("starts that differ in %s get what each was given", async (_, difference) => {
    const alone = [scene.execution(), scene.execution(difference)];
    for (const start of alone) await open.store.executions.commit([start], []);
    const [usual, different] = await rowsOf(alone);
    expect(usual).not.toEqual(different);
    const together = [scene.execution(), scene.execution(difference), scene.execution()];
    await open.store.executions.commit(together, []);
    expect(await rowsOf(together)).toEqual([usual, different, usual]);
  });

  it("starts of different workers, and of none, get their own", async () => {
    const other = await scene.worker();
    const starts = [worker.id, other.id, null].map((claimFor) => scene.execution({ claimFor }));
    await open.store.executions.commit(starts, []);
    expect(await rowsOf(starts)).toMatchObject([
      { worker: worker.id, status: "running", token: 1 },
      { worker: other.id, status: "running", token: 1 },
      { worker: null, status: "ready", token: 0 },
    ]);
  });

  it("keys are retained as long as each was given", async () => {
    const starts = [1_000, 2_000].map((keyRetainMs) => scene.execution({ key: `k-${keyRetainMs}`, keyRetainMs }));
    await open.store.executions.commit(starts, []);
    const rows = await open.query(
      "SELECT k.retain_ms::integer AS ms FROM makegood.execution_key k WHERE k.execution_id = ANY($1::uuid[]) ORDER BY 1",
      [starts.map(({ id }) => id)],
    );
    expect(rows).toEqual([{ ms: 1_000 }, { ms: 2_000 }]);
  });

  /** Running, the second of them claimed a second time. */
  async function twoRunning(): Promise<readonly [Lease, Lease]> {
    const first = await scene.running(worker);
    const { executionId } = await scene.running(worker);
    await scene.done(scene.move({ executionId, token: 1 }, { name: "hand-back" }));
    const { id, token } = await scene.claimOne(worker);
    expect([id, token]).toEqual([executionId, 2]);
    return [first, { executionId, token }];
  }

  /** In one flush, or each in one of its own, which goes by plain values in place of arrays. */
  async function land(how: "together" | "alone", writes: readonly Write[]): Promise<readonly string[]> {
    const { executions } = open.store;
    if (how === "together") return (await executions.commit([], writes)).writes.map(({ kind }) => kind);
    const kinds: string[] = [];
    for (const write of writes) kinds.push(...(await executions.commit([], [write])).writes.map(({ kind }) => kind));
    return kinds;
  }
  const ways = ["together", "alone"] as const;

  const usualRow: Partial<JournalRow> = { role: "action", kind: "step", attempt: 1, state: "done", actor: null };
  const differences: readonly [string, Partial<JournalRow>][] = [
    ["nothing but the token", {}],
    ["role", { role: "compensation" }],
    ["kind", { kind: "sleep" }],
    ["attempt", { attempt: 3 }],
    ["state", { state: "failed" }],
    ["actor", { actor: "user:ada" }],
  ];
  it.each(ways.flatMap((how) => differences.map(([what, difference]) => [how, what, difference] as const)))(
    "records that come %s and differ in %s are kept as each was given",
    async (how, _, difference) => {
      const [first, second] = await twoRunning();
      const given = [
        { lease: first, row: record("one", usualRow) },
        { lease: second, row: record("one", { ...usualRow, ...difference }) },
      ];
      const writes = given.map(({ lease, row }): Write => ({ lease, direction: "any", records: [row] }));
      expect(await land(how, writes)).toEqual(["done", "done"]);
      for (const { lease, row } of given) {
        const [kept] = await open.query(
          "SELECT j.role, j.kind, j.attempt, j.state, j.actor, j.token FROM makegood.journal j WHERE j.execution_id = $1",
          [lease.executionId],
        );
        const { role, kind, attempt, state, actor } = row;
        expect(kept).toEqual({ role, kind, attempt, state, actor, token: lease.token });
      }
    },
  );

  it.each(ways)("each of several moves does its own when they come %s", async (how) => {
    const outcome = { result: null, error: null, undoneCount: 0 };
    const moves: readonly [Transition, object][] = [
      [
        { name: "complete", parent: null, holdsSlot: false, outcome },
        { status: "completed", wake_at: null },
      ],
      [
        { name: "turn-back", reason: "timed-out" },
        { status: "running", phase: "back", reason: "timed-out" },
      ],
      [{ name: "hand-back" }, { status: "ready", reason: null }],
      [{ name: "suspend", wakeInMs: 60_000 }, { status: "waiting" }],
      [
        { name: "complete", parent: null, holdsSlot: false, outcome },
        { status: "completed", phase: "open" },
      ],
    ];
    const starts = moves.map(() => scene.execution({ claimFor: worker.id }));
    await open.store.executions.commit(starts, []);
    const writes = moves.map(
      ([transition], i): Write => ({
        lease: { executionId: starts[i]?.id ?? "", token: 1 },
        direction: transition.name === "hand-back" || transition.name === "suspend" ? "any" : "forward",
        seenInbox: 0,
        transition,
      }),
    );
    expect(await land(how, writes)).toEqual(moves.map(() => "done"));
    expect(await rowsOf(starts)).toMatchObject(moves.map(([, row]) => row));
  });

  it.each(ways)("a record that comes with the end is there with it, or neither is, when they come %s", async (how) => {
    const [first, second] = await twoRunning();
    const outcome = { result: null, error: null, undoneCount: 0 };
    const ending = (lease: Lease): Write => ({
      lease,
      direction: "forward",
      records: [record("last"), record("last but one")],
      transition: { name: "complete", parent: null, holdsSlot: false, outcome },
    });
    const late = { ...second, token: 1 };
    expect(await land(how, [ending(first), ending(late)])).toEqual(["done", "lost"]);
    const rows = await open.query(
      `SELECT e.status, (SELECT count(*)::integer FROM makegood.journal j WHERE j.execution_id = e.id) AS count
         FROM makegood.execution e WHERE e.id = ANY($1::uuid[]) ORDER BY e.status`,
      [[first.executionId, second.executionId]],
    );
    expect(rows).toEqual([
      { status: "completed", count: 2 },
      { status: "running", count: 0 },
    ]);
  });

  it("has a name that PostgreSQL keeps whole, and another one for rows that differ", async () => {
    const start = scene.execution({
      key: "k",
      claimFor: worker.id,
      attributes: { a: "b" },
      scheduled: { schedule: newId(), at: 1 },
    });
    const write: Write = {
      lease: { executionId: newId(), token: 1 },
      direction: "forward",
      seenInbox: 1,
      records: [record("one")],
      transition: { name: "turn-back", reason: "failed" },
    };
    const alike = flushStatement([start, start], [write, write], ["note"]);
    const others = { ...write, lease: { ...write.lease, token: 2 } };
    const various = flushStatement([start, { ...start, job: "else" }], [write, others], ["note"]);
    expect(alike.name.length).toBeLessThanOrEqual(63);
    expect(various.name).not.toBe(alike.name);
    expect(various.sql).not.toBe(alike.sql);
  });
});
