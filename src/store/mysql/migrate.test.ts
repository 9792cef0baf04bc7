import { createPool } from "mysql2/promise";
import { inject } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { testMigrations } from "../testing/migrations.ts";
import { mysql } from "./mysql.ts";

describeWithMariadb("migrations", () => {
  testMigrations({
    names: ["0001-initial", "0002-schedules", "0003-executors", "0004-schedule-lookups"],
    create: () => createMariadbDatabase(inject("mariadbUrl") ?? ""),
    make(url) {
      const pool = createPool({ uri: url });
      const store = mysql(pool);
      return {
        store,
        query: (sql) => pool.query(sql),
        async close() {
          await store.close();
          await pool.end();
        },
      };
    },
    killedAfter: [
      "GET_LOCK",
      "EXISTS makegood_store",
      "EXISTS makegood_execution ",
      "EXISTS makegood_signal",
      "INSERT INTO makegood_migration",
    ],
    whatIsThen: "are finished by the next one",
    versions: "makegood_store",
  });
});
