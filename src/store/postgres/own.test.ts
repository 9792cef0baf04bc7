import pg from "pg";
import postgresJs from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { type Row, runScript, type Statement } from "../../core/script.ts";
import { type RunInside, testOwnScripts } from "../testing/own-scripts.ts";
import { type OpenStore, openStore, rowsFrom } from "./testing/store.ts";

describeWithPostgres("scripts in the user's transaction", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  const through =
    (settings: pg.ClientConfig): RunInside =>
    async (script) => {
      const client = new pg.Client({ connectionString: database.url, ...settings });
      await client.connect();
      await client.query("BEGIN");
      const answer = await runScript(script, rowsFrom(client));
      await client.query("COMMIT");
      await client.end();
      return answer;
    };
  const parsers: pg.CustomTypesConfig = {
    getTypeParser: (oid: number) => (text: string) => (oid === 20 ? BigInt(text) : oid === 23 ? Number(text) : text),
  };
  testOwnScripts(() => open.store, {
    pg: through({}),
    "pg, with parsers of the user's own": through({ types: parsers }),
    async "postgres.js"(script) {
      const sql = postgresJs(database.url, { max: 1, onnotice: () => {} });
      let answer: unknown;
      const begun = sql.begin(async (tx) => {
        const query = (statement: Statement) => tx.unsafe(statement.sql, statement.parameters as never[]);
        answer = await runScript(script, async (statement) => [...(await query(statement))] as Row[]);
      });
      // It rejects for a statement that failed, also if its error was caught.
      await begun.catch((error) => expect(answer ?? error).toMatch(/^(lost|refused)$/));
      await sql.end();
      return answer as never;
    },
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
