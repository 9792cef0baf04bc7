import mysql2, { type Pool } from "mysql2/promise";
import { inject } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { type Row, runScript } from "../../core/script.ts";
import { testStore } from "../testing/conformance.ts";
import { mysql } from "./mysql.ts";

/** What a user's transaction runs at: MySQL's default, and what the documents advise. */
for (const isolation of ["REPEATABLE READ", "READ COMMITTED"])
  describeWithMariadb(`on a real server, users at ${isolation}`, () => {
    testStore(`mariadb, users at ${isolation}`, {
      async open() {
        const database = await createMariadbDatabase(inject("mariadbUrl") ?? "");
        const pools: Pool[] = [];
        const openPool = (): Pool => {
          const pool = mysql2.createPool({ uri: database.url, connectionLimit: 20 });
          pools.push(pool);
          return pool;
        };
        const store = mysql(openPool(), { migrate: true });
        await store.open();
        const users = openPool();
        return {
          store,
          async second() {
            const other = mysql(openPool());
            await other.open();
            return other;
          },
          async begin() {
            const connection = await users.getConnection();
            await connection.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
            await connection.query("START TRANSACTION");
            const end = async (how: "COMMIT" | "ROLLBACK") => {
              await connection.query(how);
              connection.release();
            };
            return {
              run: (script) =>
                runScript(script, async ({ sql, parameters }) => {
                  const [rows] = await connection.execute(sql, parameters as string[]);
                  return Array.isArray(rows) ? (rows as Row[]) : [];
                }),
              commit: () => end("COMMIT"),
              rollback: () => end("ROLLBACK"),
            };
          },
          // Longer than the column (1406).
          poison: (row) => ({ ...row, step: row.step.repeat(600) }),
          async close() {
            await store.close();
            await Promise.all(pools.map((pool) => pool.end()));
            await database.drop();
          },
        };
      },
      skip: { push: "MySQL and MariaDB tell other processes nothing; they poll" },
    });
  });
