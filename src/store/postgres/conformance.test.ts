import pg from "pg";
import { inject } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { createDatabase } from "../../../test/services/postgres.ts";
import { runScript } from "../../core/script.ts";
import { testStore } from "../testing/conformance.ts";
import { postgres } from "./postgres.ts";

describeWithPostgres("on a real server", () => {
  testStore("postgres", {
    async open() {
      const database = await createDatabase(inject("postgresUrl") ?? "");
      const pools: pg.Pool[] = [];
      const openPool = (): pg.Pool => {
        const pool = new pg.Pool({ connectionString: database.url, max: 20 });
        pools.push(pool);
        return pool;
      };
      const store = postgres(openPool(), { migrate: true });
      await store.open();
      const users = openPool();
      return {
        store,
        async second() {
          const other = postgres(openPool());
          await other.open();
          return other;
        },
        async begin() {
          const client = await users.connect();
          await client.query("BEGIN");
          const end = async (how: "COMMIT" | "ROLLBACK") => {
            await client.query(how);
            client.release();
          };
          return {
            run: (script) =>
              runScript(script, async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rows),
            commit: () => end("COMMIT"),
            rollback: () => end("ROLLBACK"),
          };
        },
        // Text in PostgreSQL cannot hold it (22021).
        poison: (row) => ({ ...row, step: `${row.step}\u0000` }),
        async close() {
          await store.close();
          await Promise.all(pools.map((pool) => pool.end()));
          await database.drop();
        },
      };
    },
  });
});
