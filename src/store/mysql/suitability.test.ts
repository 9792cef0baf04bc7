import { createPool as createCallbackPool } from "mysql2";
import { createPool, type PoolOptions } from "mysql2/promise";
import { describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithOwnMariadb } from "../../../test/services/describe.ts";
import { type Log, silentLog } from "../../core/ports.ts";
import { record, Scene } from "../testing/scene.ts";
import { type MysqlOptions, mysql, mysqlFromUrl } from "./mysql.ts";

async function opening(url: string, pool: PoolOptions = {}, options: MysqlOptions = {}): Promise<string> {
  const users = createPool({ uri: url, ...pool });
  const store = mysql(users, { migrate: true, ...options });
  try {
    await store.open();
    return "open";
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  } finally {
    await store.close();
    await users.end();
  }
}

describeWithMariadb("suitability", (database) => {
  it("a pool too small to share is refused", async () => {
    expect(await opening(database.url, { connectionLimit: 7 })).toMatch(
      /^STORE_UNSUITABLE: Expected a pool of at least 8 connections, found connectionLimit: 7/,
    );
    expect(await opening(database.url, { connectionLimit: 8 })).toBe("open");
  });

  it("connections without a database are refused", async () => {
    const url = Object.assign(new URL(database.url), { pathname: "/" });
    expect(await opening(url.href)).toMatch(/^STORE_UNSUITABLE: Expected connections with a database, found none/);
  });

  it("a user without rights on the tables is refused", async () => {
    await opening(database.url);
    const admin = await createPool({ uri: database.url }).getConnection();
    const name = `stranger_${process.pid}`;
    const { host, pathname } = new URL(database.url);
    await admin.query(`CREATE USER ${name}@'127.0.0.1' IDENTIFIED BY 'secret'`);
    await admin.query(`GRANT SELECT ON \`${pathname.slice(1)}\`.makegood_store TO ${name}@'127.0.0.1'`);
    const store = await mysqlFromUrl(`mysql://${name}:secret@${host}${pathname}`);
    await store.open();
    await expect(store.reads.countByStatus("n")).rejects.toMatchObject({ code: "STORE_UNSUITABLE" });
    await store.close();
    await admin.query(`DROP USER ${name}@'127.0.0.1'`);
    admin.destroy();
  });

  it.each([
    [{ migrat: true }, "Did you mean migrate"],
    [{ deadlineMs: 1 }, "from 1000"],
    [{ deadlineMs: 1_000, lockTimeoutMs: 2_000 }, "to 1000"],
  ])("options %j are refused", (options, expected) => {
    const pool = createPool({ uri: database.url });
    expect(() => mysql(pool, options as MysqlOptions)).toThrow(expected);
  });

  it.each([null, {}, "mysql://localhost"])("%j in place of a pool is refused", (pool) => {
    expect(() => mysql(pool as never)).toThrow("expected a pool of the package mysql2");
  });

  it("a store made from an address, of either name, ends its pool when it closes", async () => {
    const store = await mysqlFromUrl(database.url.replace("mysql:", "mariadb:"), { migrate: true });
    await store.open();
    expect(await store.reads.countByStatus("none")).toMatchObject({ ready: 0 });
    await store.close();
    await expect(store.reads.countByStatus("none")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    const admin = await createPool({ uri: database.url, connectionLimit: 1 }).getConnection();
    await expect
      .poll(async () => {
        const [rows] = await admin.query("SELECT 1 FROM information_schema.processlist WHERE db = DATABASE()");
        return (rows as unknown[]).length;
      })
      .toBe(1);
    admin.destroy();
  });

  it("a server that is not there is unavailable", async () => {
    const url = Object.assign(new URL(database.url), { port: "1" });
    expect(await opening(url.href)).toMatch(/^STORE_UNAVAILABLE/);
  });

  describe("whatever a pool's settings are, values come and go as they were given", () => {
    const settings: Readonly<Record<string, PoolOptions>> = {
      "numbers as texts": { supportBigNumbers: true, bigNumberStrings: true, decimalNumbers: true },
      "rows as lists": { rowsAsArray: true },
      "tables nested": { nestTables: true },
      "no casts": { typeCast: false },
      "casts of the user's own": { typeCast: (field) => field.string()?.toUpperCase() ?? null },
      "named placeholders": { namedPlaceholders: true },
      "several statements at once": { multipleStatements: true },
      "another character set, no flag of found rows": { charset: "latin1", flags: ["-FOUND_ROWS"] },
    };
    it.each(Object.entries(settings))("%s", async (_, pool) => {
      const users = createCallbackPool({ uri: database.url, ...pool });
      const store = mysql(users, { migrate: true });
      await store.open();
      const scene = new Scene(store);
      const worker = await scene.worker();
      const attributes = { "wer?": "Jürgen 'Ö' \\ 😀" };
      const { id } = await scene.start({ key: "Größe?'\\", attributes, input: new Uint8Array([0, 39, 63, 92, 255]) });
      const claimed = await scene.claimOne(worker);
      expect(claimed).toMatchObject({ id, key: "Größe?'\\" });
      expect([...(claimed.input ?? [])]).toEqual([0, 39, 63, 92, 255]);
      const lease = { executionId: id, token: claimed.token };
      const row = record("prüfen: ?'\\ 😀", { actor: "user:Zoë 😀", body: new Uint8Array(300).fill(255) });
      await scene.done(
        scene.write({ lease, direction: "forward", records: [row], progress: { fraction: 0.25, note: "½ ?" } }),
      );
      const { journal } = await scene.load(id);
      expect(journal).toMatchObject([{ ...row, body: expect.anything(), token: lease.token }]);
      expect([...(journal[0]?.body ?? [])]).toEqual([...(row.body ?? [])]);
      expect((await scene.find(id)).progress).toEqual({ fraction: 0.25, note: "½ ?" });
      const found = await store.reads.list({
        namespace: scene.namespace,
        attribute: ["wer?", attributes["wer?"]],
        limit: 2,
      });
      expect(found.map((each) => each.id)).toEqual([id]);
      await store.close();
      await new Promise((resolve) => users.end(resolve));
    });
  });

  it("payloads of the largest size that limits allow pass through a server with its default packet", async () => {
    const store = await mysqlFromUrl(database.url, { migrate: true });
    await store.open();
    const scene = new Scene(store);
    const worker = await scene.worker();
    const large = new Uint8Array(8 * 1_024 * 1_024).fill(255);
    const executions = [scene.execution({ input: large }), scene.execution({ input: large })];
    await store.executions.commit(executions, []);
    const claimed = await scene.claim(worker);
    expect(claimed.map(({ input }) => Buffer.compare(input ?? large.subarray(1), large))).toEqual([0, 0]);
    const writes = claimed.map(({ id, token }) => ({
      lease: { executionId: id, token },
      direction: "forward" as const,
      records: [record("a", { body: large })],
      transition: { name: "complete" as const, outcome: { result: large, error: null, undoneCount: 0 } },
    }));
    const { writes: outcomes } = await store.executions.commit([], writes);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["done", "done"]);
    const found = await store.reads.outcomes(claimed.map(({ id }) => id));
    for (const { result } of found.values()) expect(Buffer.compare(result ?? large.subarray(1), large)).toBe(0);
    await store.close();
  });
});

describeWithOwnMariadb("settings of a server", (server) => {
  const withSetting = async (sql: string, then: () => Promise<void>, back: string) => {
    const admin = createPool({ uri: server().url, connectionLimit: 1 });
    await admin.query(sql);
    await then();
    await admin.query(back);
    await admin.end();
  };

  it("that endanger acknowledged data are warned of", async () => {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => void warnings.push(message) };
    expect(await opening(server().url, {}, { log })).toBe("open");
    expect(warnings).toEqual([]);
    await withSetting(
      "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
      async () => {
        expect(await opening(server().url, {}, { log })).toBe("open");
      },
      "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
    );
    expect(warnings).toEqual([expect.stringContaining("innodb_flush_log_at_trx_commit is not 1")]);
  });

  it("that forbid to write are refused", async () => {
    await withSetting(
      "SET GLOBAL read_only = 1",
      async () => {
        expect(await opening(server().url)).toMatch(/^STORE_UNSUITABLE: Expected a server that can be written to/);
      },
      "SET GLOBAL read_only = 0",
    );
  });

  it("that are too small for a payload are refused", async () => {
    await withSetting(
      "SET GLOBAL max_allowed_packet = 4194304",
      async () => {
        expect(await opening(server().url)).toMatch(
          /^STORE_UNSUITABLE: Expected max_allowed_packet of at least 16 MiB, found 4194304/,
        );
      },
      "SET GLOBAL max_allowed_packet = 16777216",
    );
  });
});
