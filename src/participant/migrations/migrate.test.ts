import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import mysql from "mysql2/promise";
import pg from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { createDatabase } from "../../../test/services/postgres.ts";
import type { Mode, TxAdapter } from "../../core/participant.ts";
import type { Dialect } from "../../core/store.ts";
import { mysql2 } from "../adapters/mysql2.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { nodePostgres } from "../adapters/pg.ts";
import { participant } from "../participant.ts";

const program = fileURLToPath(new URL("../../../test/participant/migrate-process.ts", import.meta.url));

/** Another process migrates; with `dieAfter` it dies by SIGKILL after so many statements. Returns how it ended. */
function migrateElsewhere(dialect: Dialect, address: string, dieAfter = 0): Promise<"done" | "killed"> {
  const args = ["--disable-warning=ExperimentalWarning", program, dialect, address, String(dieAfter)];
  return new Promise((settle, reject) => {
    execFile(process.execPath, args, (error, _stdout, stderr) => {
      if (error === null) settle("done");
      else if (error.signal === "SIGKILL") settle("killed");
      else reject(new Error(stderr, { cause: error }));
    });
  });
}

const mark = { gid: "0195f2a0-0000-7000-8000-000000000000", branch: "b", round: 0 };
const act = async <Tx, M extends Mode>(adapter: TxAdapter<Tx, M>): Promise<string> =>
  (await participant("orders", adapter).port.act(mark, "action", () => null)).kind;

describe("migrating on SQLite", () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-migrate-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("works from six processes at once", async () => {
    const path = join(folder, "at-once.db");
    expect(await Promise.all(Array.from({ length: 6 }, () => migrateElsewhere("sqlite", path)))).toEqual(
      Array(6).fill("done"),
    );
    expect(await act(nodeSqlite(new DatabaseSync(path)))).toBe("ran");
  });

  it("leaves nothing half done when the process is killed after any of its statements", async () => {
    const path = join(folder, "killed.db");
    let dieAfter = 1;
    while ((await migrateElsewhere("sqlite", path, dieAfter)) === "killed") {
      expect(await act(nodeSqlite(new DatabaseSync(path)))).toBe("threw");
      dieAfter++;
    }
    expect(dieAfter).toBeGreaterThan(4);
    expect(await act(nodeSqlite(new DatabaseSync(path)))).toBe("ran");
  }, 120_000);
});

describeWithPostgres("migrating on PostgreSQL", (database) => {
  const withFresh = async (check: (url: string, pool: pg.Pool) => Promise<void>): Promise<void> => {
    const fresh = await createDatabase(database.url);
    const pool = new pg.Pool({ connectionString: fresh.url });
    try {
      await check(fresh.url, pool);
    } finally {
      await pool.end();
      await fresh.drop();
    }
  };

  it("works from six processes at once", () =>
    withFresh(async (url, pool) => {
      expect(await Promise.all(Array.from({ length: 6 }, () => migrateElsewhere("postgres", url)))).toEqual(
        Array(6).fill("done"),
      );
      expect(await act(nodePostgres(pool))).toBe("ran");
    }));

  it(
    "leaves nothing half done when the process is killed after any of its statements",
    () =>
      withFresh(async (url, pool) => {
        let dieAfter = 1;
        while ((await migrateElsewhere("postgres", url, dieAfter)) === "killed") {
          expect(await act(nodePostgres(pool))).toBe("threw");
          dieAfter++;
        }
        expect(dieAfter).toBeGreaterThan(6);
        expect(await act(nodePostgres(pool))).toBe("ran");
      }),
    120_000,
  );

  it("waits out another migration that creates the same schema, as the engine's own does", () =>
    withFresh(async (_url, pool) => {
      const other = await pool.connect();
      await other.query("BEGIN");
      await other.query("CREATE SCHEMA makegood");
      const migrating = participant("orders", nodePostgres(pool)).migrate();
      const isWaiting =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
      while ((await pool.query(isWaiting)).rows.length === 0);
      await other.query("COMMIT");
      other.release();
      await migrating;
      expect(await act(nodePostgres(pool))).toBe("ran");
    }));

  it("asks for no right to create anything where all is there already", () =>
    withFresh(async (url, pool) => {
      await participant("orders", nodePostgres(pool)).migrate();
      const role = `app_${new URL(url).pathname.slice(1)}`;
      await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app'`);
      await pool.query(
        `GRANT USAGE ON SCHEMA makegood TO ${role}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA makegood TO ${role}`,
      );
      const appUrl = new URL(url);
      appUrl.username = role;
      appUrl.password = "app";
      const app = new pg.Pool({ connectionString: appUrl.href });
      await participant("orders", nodePostgres(app)).migrate();
      expect(await act(nodePostgres(app))).toBe("ran");
      await app.end();
      await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }));
});

describeWithMariadb("migrating on MariaDB", (database) => {
  const withFresh = async (check: (url: string, pool: mysql.Pool) => Promise<void>): Promise<void> => {
    const fresh = await createMariadbDatabase(database.url);
    const pool = mysql.createPool({ uri: fresh.url });
    try {
      await check(fresh.url, pool);
    } finally {
      await pool.end();
      await fresh.drop();
    }
  };

  it("works from six processes at once", () =>
    withFresh(async (url, pool) => {
      expect(await Promise.all(Array.from({ length: 6 }, () => migrateElsewhere("mysql", url)))).toEqual(
        Array(6).fill("done"),
      );
      expect(await act(mysql2(pool))).toBe("ran");
    }));

  it("goes on where a process that was killed after any of its statements has left off", async () => {
    for (let dieAfter = 1, isKilled = true; isKilled; dieAfter++) {
      await withFresh(async (url, pool) => {
        isKilled = (await migrateElsewhere("mysql", url, dieAfter)) === "killed";
        await participant("orders", mysql2(pool)).migrate();
        expect(await act(mysql2(pool))).toBe("ran");
      });
      if (!isKilled) expect(dieAfter).toBeGreaterThan(6);
    }
  });

  it("lets go of its lock when a statement is refused, so that the next one need not wait for the connection's end", () =>
    withFresh(async (_url, pool) => {
      await pool.query("CREATE TABLE makegood_participant_migration (another_column INT)");
      await expect(participant("orders", mysql2(pool)).migrate()).rejects.toThrow("Unknown column");
      await pool.query("DROP TABLE makegood_participant_migration");
      await participant("orders", mysql2(pool)).migrate();
      expect(await act(mysql2(pool))).toBe("ran");
    }));

  it("asks for no right to create anything where all is there already", () =>
    withFresh(async (url, pool) => {
      await participant("orders", mysql2(pool)).migrate();
      const name = new URL(url).pathname.slice(1);
      const user = `'app_${name.slice(-8)}'@'%'`;
      await pool.query(`CREATE USER ${user} IDENTIFIED BY 'app'`);
      await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}.* TO ${user}`);
      const appUrl = new URL(url);
      appUrl.username = `app_${name.slice(-8)}`;
      appUrl.password = "app";
      const app = mysql.createPool({ uri: appUrl.href });
      await participant("orders", mysql2(app)).migrate();
      expect(await act(mysql2(app))).toBe("ran");
      await app.end();
      await pool.query(`DROP USER ${user}`);
    }));
});
