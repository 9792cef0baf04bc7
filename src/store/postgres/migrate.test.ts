import pg from "pg";
import { inject } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { createDatabase } from "../../../test/services/postgres.ts";
import { testMigrations } from "../testing/migrations.ts";
import { postgres } from "./postgres.ts";

describeWithPostgres("migrations", () => {
  testMigrations({
    names: ["0001-initial", "0002-schedules", "0003-executors", "0004-schedule-lookups", "0005-seal-own"],
    create: () => createDatabase(inject("postgresUrl") ?? ""),
    make(url) {
      const pool = new pg.Pool({ connectionString: url });
      const store = postgres(pool);
      return {
        store,
        query: (sql) => pool.query(sql),
        async close() {
          await store.close();
          await pool.end();
        },
      };
    },
    killedAfter: ["CREATE SCHEMA", "CREATE TABLE makegood.execution", "INSERT INTO makegood.migration", "COMMIT\u0000"],
    whatIsThen: "leave nothing half-done",
    versions: "makegood.meta",
  });
});
