import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { newId, record, Scene, until } from "../testing/scene.ts";
import { claimSql, rescueSql } from "./claims.ts";
import { wakeDueSql } from "./executions.ts";
import { type OpenStore, openStore } from "./testing/store.ts";

const rowCount = 40_000;

describeWithPostgres("plans, with sequential scans allowed", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  const scans = async (table: string): Promise<number> => {
    // Each session tells its counts when it ends.
    await open.close();
    open = await openStore(database.url, {});
    await until("the other sessions to end", async () => {
      const { rows } = await open.pool.query(
        "SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
      );
      return rows[0].count === 1 ? true : undefined;
    });
    const { rows } = await open.pool.query(
      "SELECT seq_scan::integer AS count FROM pg_stat_user_tables WHERE schemaname = 'makegood' AND relname = $1",
      [table],
    );
    return rows[0].count;
  };

  it("a claim prepared on empty tables finds by index what is ready, and again by its place", async () => {
    const client = await open.pool.connect();
    await client.query("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan");
    await client.query(`PREPARE claim AS ${claimSql}`);
    const id = newId();
    const { rows } = await client.query(`EXPLAIN EXECUTE claim('n', '${id}', '{job-1,job-2}', '{1,1}', 10)`);
    client.release(true);
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan).toContain("Index Scan using execution_ready on execution");
    expect(plan).toContain("Tid Scan on execution");
  });

  it("a flush prepared on empty tables goes by primary key when they have grown, without new statistics", async () => {
    await open.pool.query(
      "ALTER TABLE makegood.execution SET (autovacuum_enabled = false); ANALYZE makegood.execution",
    );
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    const before = [await scans("execution"), await scans("journal")];
    for (let round = 0; round < 10; round++) {
      const starts = Array.from({ length: 200 }, () => scene.execution({ claimFor: worker.id }));
      await open.store.executions.commit(starts, []);
      const { writes } = await open.store.executions.commit(
        [],
        starts.map(({ id }) => ({
          lease: { executionId: id, token: 1 },
          direction: "forward",
          records: [record("a")],
          transition: { name: "complete", parent: null, holdsSlot: false },
        })),
      );
      expect(writes.every(({ kind }) => kind === "done")).toBe(true);
    }
    expect([await scans("execution"), await scans("journal")]).toEqual(before);
  });

  it("claim, wakeDue and rescue find theirs by index among many others", async () => {
    const scene = new Scene(open.store);
    const worker = await scene.worker();
    await open.pool.query(
      `INSERT INTO makegood.execution (id, namespace, job, version, status, worker, wake_at, priority, created_at, retain_ms, actor)
       SELECT gen_random_uuid(), $1, 'job-' || n % 3, 1, (ARRAY['completed', 'waiting', 'ready', 'running'])[1 + n % 4],
              CASE WHEN n % 4 = 3 THEN $2::uuid END, CASE WHEN n % 4 IN (1, 2) THEN n END, n % 10, 0, 0, 'user:test'
         FROM generate_series(1, $3::integer) n`,
      [scene.namespace, worker.id, rowCount],
    );
    await open.pool.query("ANALYZE makegood.execution");
    const plan = async (sql: string, parameters: readonly unknown[]): Promise<string> => {
      const { rows } = await open.pool.query(`EXPLAIN ${sql}`, [...parameters]);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    };
    const jobs = ["{job-1,job-2}", "{1,1}"];
    const claim = await plan(claimSql, [scene.namespace, worker.id, ...jobs, 10]);
    expect(claim).toContain("Index Scan using execution_ready on execution");
    const due = await plan(wakeDueSql, [scene.namespace, 10]);
    expect(due).toContain("Index Scan using execution_due on execution");
    const rescue = await plan(rescueSql, [scene.namespace, worker.id, ...jobs, 10, 5]);
    expect(rescue).toMatch(/Index (Only )?Scan using execution_running on execution/);
    for (const text of [claim, due, rescue]) expect(text).not.toContain("Seq Scan on execution");
  });
});
