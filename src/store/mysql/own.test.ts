import { type ConnectionOptions, createConnection } from "mysql2/promise";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { type Row, runScript } from "../../core/script.ts";
import { type RunInside, testOwnScripts } from "../testing/own-scripts.ts";
import { type OpenStore, openStore, rowsFrom } from "./testing/store.ts";

describeWithMariadb("scripts in the user's transaction", (database) => {
  let open: OpenStore;
  beforeAll(async () => {
    open = await openStore(database.url);
  });
  afterAll(() => open?.close());

  /** Clients differ in how they send parameters, pools in what they answer. */
  const through =
    (settings: ConnectionOptions, verb: "query" | "execute"): RunInside =>
    async (script) => {
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
  testOwnScripts(() => open.store, {
    "mysql2, query": through({}, "query"),
    "mysql2, execute": through({}, "execute"),
    "mysql2, of numbers as texts and with a character set of its own": through(
      { charset: "latin1", supportBigNumbers: true, bigNumberStrings: true, dateStrings: true, flags: ["-FOUND_ROWS"] },
      "query",
    ),
    "mysql2, of everything as bytes": through({ typeCast: false }, "query"),
    "mysql2, of everything as text": through({ typeCast: (field) => field.string() }, "query"),
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
