import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { newId, person, Scene } from "../testing/scene.ts";
import { dueSql } from "./fire.ts";
import { followersSql, listSql, unservedSql } from "./schedules.ts";
import { type OpenStore, openStore } from "./testing/store.ts";

const rowCount = 40_000;

describeWithPostgres("schedules on PostgreSQL", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  it("a row that another transaction holds is lost at once: nobody waits", async () => {
    const { namespace } = new Scene(open.store);
    const { schedules } = open.store;
    const ids = [newId(), newId()] as const;
    for (const id of ids)
      await schedules.put(
        {
          ...{ id, namespace, name: null, source: "person", job: "a", group: null, definition: "{}", input: null },
          ...{
            needsCode: false,
            follows: false,
            paused: null,
            enabledAt: 0,
            nextAt: 1,
            awaits: null,
            lastEndedAt: null,
          },
        },
        person,
      );
    const client = await open.pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("SELECT FROM makegood.schedule WHERE id = $1 FOR UPDATE", [ids[0]]);
      const moves = ids.map((id) => ({
        ...{
          id,
          version: 1,
          seenAt: 1,
          seenAwaits: null,
          nextAt: null,
          awaits: null,
          lastEndedAt: null,
          firedAt: 1,
          starts: [],
        },
      }));
      expect(await schedules.fire(moves)).toEqual([{ kind: "lost" }, { kind: "fired" }]);
    } finally {
      await client.query("ROLLBACK");
      client.release();
    }
  });

  it("those from code, and those that follow others, are found by their indexes among many that are neither", async () => {
    const { namespace } = new Scene(open.store);
    await open.pool.query(
      `INSERT INTO makegood.schedule (id, created_at, updated_at, version, enabled_at, needs_code, namespace, source, job, definition)
       SELECT gen_random_uuid(), 0, 0, 1, 0, false, $1, 'person', 'a', '{}' FROM generate_series(1, $2::integer) n`,
      [namespace, rowCount],
    );
    await open.pool.query("ANALYZE makegood.schedule");
    const planOf = async (sql: string, ...values: readonly unknown[]): Promise<string> =>
      (await open.pool.query({ text: `EXPLAIN ${sql}`, values: [...values] })).rows
        .map((row) => row["QUERY PLAN"])
        .join("\n");
    const fromCode = await planOf(listSql, namespace, "code", null, null, null, 500);
    expect(fromCode).toMatch(/using schedule_code on schedule/);
    expect(await planOf(unservedSql, namespace)).toMatch(/(using|on) schedule_code/);
    expect(await planOf(followersSql, namespace)).toMatch(/(using|on) schedule_follows/);
  });

  it("what is due is found by its index among many others, also by a plan made when there were none", async () => {
    const { namespace } = new Scene(open.store);
    const client = await open.pool.connect();
    await client.query("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan");
    await client.query(`PREPARE due AS ${dueSql}`);
    await open.pool.query(
      `INSERT INTO makegood.schedule (id, created_at, updated_at, version, enabled_at, next_at, needs_code, namespace, source, job, definition)
       SELECT gen_random_uuid(), 0, 0, 1, 0, n, false, $1, 'person', 'a', '{}' FROM generate_series(1, $2::integer) n`,
      [namespace, rowCount],
    );
    const { rows } = await client.query(`EXPLAIN ANALYZE EXECUTE due('${namespace}', '{}', 10)`);
    client.release(true);
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan.match(/Index Scan using schedule_due on schedule/g)).toHaveLength(2);
    expect(plan).not.toMatch(/Sort|Seq Scan/);
    expect(await open.store.schedules.due({ namespace, names: [], limit: 10 })).toMatchObject({ nextInMs: 0 });
  });
});
