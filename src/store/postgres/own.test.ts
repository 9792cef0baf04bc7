import pg from "pg";
import postgresJs from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { type Row, runScript, type Script } from "../../core/script.ts";
import { bytes, plain, record, Scene } from "../testing/scene.ts";
import { type OpenStore, openStore } from "./testing/store.ts";

describeWithPostgres("scripts in the user's transaction", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  /** Clients differ in how they send parameters and in what they answer. */
  const clients: Readonly<Record<string, <T>(script: Script<T>) => Promise<T>>> = {
    async pg(script) {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      await client.query("BEGIN");
      const answer = await runScript(
        script,
        async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rows,
      );
      await client.query("COMMIT");
      await client.end();
      return answer;
    },
    async "pg, with parsers of the user's own"(script) {
      const parsers: pg.CustomTypesConfig = {
        getTypeParser: (oid: number) => (text: string) =>
          oid === 20 ? BigInt(text) : oid === 23 ? Number(text) : text,
      };
      const client = new pg.Client({ connectionString: database.url, types: parsers });
      await client.connect();
      await client.query("BEGIN");
      const answer = await runScript(
        script,
        async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rows,
      );
      await client.query("COMMIT");
      await client.end();
      return answer;
    },
    async "postgres.js"(script) {
      const sql = postgresJs(database.url, { max: 1, onnotice: () => {} });
      const answer = await sql.begin((tx) =>
        runScript(
          script,
          async (statement) => [...(await tx.unsafe(statement.sql, statement.parameters as never[]))] as Row[],
        ),
      );
      await sql.end();
      return answer as never;
    },
  };

  describe.each(Object.entries(clients))("through %s", (_, run) => {
    it("a record lands as it was given", async () => {
      const scene = new Scene(open.store);
      const lease = await scene.running(await scene.worker());
      const row = record("create order:A-17 😀", {
        kind: "tx",
        body: bytes(0, 1, 255),
        actor: "user:ada",
        at: 1_700_000_000_123,
      });
      expect(await run(open.store.own.recordScript(lease, "forward", row))).toBe("done");
      expect(await run(open.store.own.recordScript(lease, "forward", record("empty", { body: null })))).toBe("done");
      const { journal } = await scene.load(lease.executionId);
      expect(journal.map((found) => ({ ...found, body: plain(found.body) }))).toMatchObject([
        { ...row, body: [0, 1, 255], token: lease.token },
        { step: "empty", body: null },
      ]);
      expect(await run(open.store.own.recordScript({ ...lease, token: 9 }, "forward", record("x")))).toBe("lost");
      expect(await run(open.store.own.recordScript(lease, "back", record("x")))).toBe("refused");
    });

    it("a start lands as it was given", async () => {
      const scene = new Scene(open.store);
      const attributes = { customer: 'c "1" \\', größe: "42" };
      const given = {
        key: "A-1",
        input: bytes(0, 255),
        priority: -3,
        group: "eu",
        traceContext: "00-aa",
        timeoutMs: 60_000,
        attributes,
      };
      const started = await run(open.store.own.startScript(scene.execution(given)));
      expect(started).toEqual({
        kind: "started",
        id: expect.any(String),
        round: 0,
        status: "ready",
        token: 0,
        createdAt: expect.any(Number),
        deadlineAt: expect.any(Number),
      });
      const found = await scene.find(started.id);
      expect(found).toMatchObject({
        key: "A-1",
        priority: -3,
        group: "eu",
        traceContext: "00-aa",
        status: "ready",
        wakeAt: found.createdAt,
      });
      expect(plain(await open.store.reads.input(started.id))).toEqual([0, 255]);
      for (const attribute of Object.entries(attributes))
        expect(await open.store.reads.list({ namespace: scene.namespace, attribute, limit: 9 })).toHaveLength(1);
      expect(await run(open.store.own.startScript(scene.execution({ key: "A-1" })))).toMatchObject({
        kind: "exists",
        id: started.id,
        round: 0,
        status: "ready",
      });
      expect(await run(open.store.own.startScript(scene.execution({ concurrencyKey: "till" })))).toMatchObject({
        status: "ready",
      });
      expect(
        await run(open.store.own.startScript(scene.execution({ concurrencyKey: "till", blocking: "replace-running" }))),
      ).toMatchObject({ status: "waiting" });
      expect(await run(open.store.own.startScript(scene.execution({ delayMs: 60_000 })))).toMatchObject({
        status: "waiting",
      });
    });

    it("the database is recognized", async () => {
      expect(await run(open.store.own.identityScript())).toBe(open.store.own.identity);
    });
  });

  it("a database without the tables, or whose tables are closed to the user, is another one, and his transaction lives on", async () => {
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const role = `visitor_${process.pid}`;
    await admin.query(`CREATE ROLE ${role}`);
    await admin.query(`SET ROLE ${role}; BEGIN`);
    const ask = () => runScript(open.store.own.identityScript(), async ({ sql }) => (await admin.query(sql)).rows);
    expect(await ask()).toBeNull();
    expect((await admin.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await admin.query(`COMMIT; RESET ROLE; DROP ROLE ${role}`);
    await admin.query("BEGIN; ALTER SCHEMA makegood RENAME TO elsewhere");
    expect(await ask()).toBeNull();
    await admin.query("ROLLBACK");
    await admin.end();
  });
});
