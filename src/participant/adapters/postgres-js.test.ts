import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { openPostgresJs } from "../../../test/participant/postgres-clients.ts";
import { testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { postgresJs } from "./postgres-js.ts";

// What a user may have set the client to; makegood's own statements must not notice.
const allSettings = {
  "postgres.js": { fetch_types: true },
  "postgres.js that renames columns": { transform: postgres.camel },
  "postgres.js that prepares nothing": { prepare: false },
};

describeWithPostgres("postgresJs", (database) => {
  for (const [name, settings] of Object.entries(allSettings)) {
    testPostgresParticipant(name, database, (url) => openPostgresJs(url, settings));
  }
});

describeWithPostgres("postgresJs", (database) => {
  it("ends a transaction whose body met an error that only looks like a lost connection", async () => {
    const { adapter, close } = openPostgresJs(database.url);
    const failing = adapter.transaction(async (tx) => {
      const query = tx`SELECT 1`;
      const reject = Reflect.get(query, "reject") as (error: unknown) => void;
      reject(Object.assign(new Error("not of this connection"), { code: "ECONNREFUSED" }));
      await query;
    });
    await expect(failing).rejects.toThrow("not of this connection");
    expect(await adapter.transaction((tx) => tx`SELECT 1 AS one`)).toMatchObject([{ one: 1 }]);
    await close();
  });
});

describeWithPostgres("postgresJs", (database) => {
  it("leaves the body its savepoints", async () => {
    const { adapter, run, close } = openPostgresJs(database.url);
    const answer = await adapter.transaction(async (tx) => {
      await run(tx, "CREATE TEMP TABLE kept (n integer)");
      await tx.savepoint(async (inner) => run(inner, "INSERT INTO kept VALUES (1)"));
      await expect(tx.savepoint((inner) => run(inner, "INSERT INTO kept VALUES (2 / 0)"))).rejects.toThrow("division");
      return tx`SELECT n FROM kept`;
    });
    expect(answer).toMatchObject([{ n: 1 }]);
    await close();
  });
});

describe("postgresJs", () => {
  it("refuses a client that rewrites whole rows", async () => {
    const sql = postgres({ transform: { row: { from: (row: unknown) => row } } as never });
    expect(() => postgresJs(sql)).toThrow("transform.row");
    await sql.end();
  });
});
