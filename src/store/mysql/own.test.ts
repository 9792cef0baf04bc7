import { type ConnectionOptions, createConnection } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { type Row, runScript, type Script } from "../../core/script.ts";
import { bytes, plain, record, Scene } from "../testing/scene.ts";
import { type OpenStore, openStore, rowsFrom } from "./testing/store.ts";

describeWithMariadb("scripts in the user's transaction", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  /** Clients differ in how they send parameters, pools in what they answer. */
  const through =
    (settings: ConnectionOptions, verb: "query" | "execute") =>
    async <T>(script: Script<T>): Promise<T> => {
      const connection = await createConnection({ uri: database.url, ...settings });
      await connection.beginTransaction();
      const answer = await runScript(script, async ({ sql, parameters }) => {
        const values = parameters as string[];
        const [rows] = await (verb === "query" ? connection.query(sql, values) : connection.execute(sql, values));
        return Array.isArray(rows) ? (rows as Row[]) : [];
      });
      await connection.commit();
      await connection.end();
      return answer;
    };
  const clients: Readonly<Record<string, <T>(script: Script<T>) => Promise<T>>> = {
    "mysql2, query": through({}, "query"),
    "mysql2, execute": through({}, "execute"),
    "mysql2, of numbers as texts and with a character set of its own": through(
      { charset: "latin1", supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, flags: ["-FOUND_ROWS"] },
      "query",
    ),
    "mysql2, of everything as bytes": through({ typeCast: false }, "query"),
    "mysql2, of everything as text": through({ typeCast: (field) => field.string() }, "query"),
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

  it("a database without the tables is another one, and the user's transaction lives on", async () => {
    const other = await createMariadbDatabase(inject("mariadbUrl") ?? "");
    const connection = await createConnection({ uri: other.url });
    await connection.beginTransaction();
    expect(await runScript(open.store.own.identityScript(), rowsFrom(connection))).toBeNull();
    expect((await connection.query("SELECT 1 AS one"))[0]).toEqual([{ one: 1 }]);
    await connection.end();
    await other.drop();
  });
});
