import { createPool, type Pool } from "mysql2/promise";
import { describe, expect, inject, it } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { startProxy } from "../testing/proxy.ts";
import { mysql } from "./mysql.ts";

describeWithMariadb("migrations", () => {
  /** An empty database for one test. */
  async function withDatabase(run: (url: string) => Promise<void>): Promise<void> {
    const database = await createMariadbDatabase(inject("mariadbUrl") ?? "");
    try {
      await run(database.url);
    } finally {
      await database.drop();
    }
  }
  async function withStore<T>(
    url: string,
    run: (store: ReturnType<typeof mysql>, pool: Pool) => Promise<T>,
  ): Promise<T> {
    const pool = createPool({ uri: url });
    const store = mysql(pool);
    try {
      return await run(store, pool);
    } finally {
      await store.close();
      await pool.end();
    }
  }

  it("an empty database is refused, and names what to run", () =>
    withDatabase((url) =>
      withStore(url, async (store) => {
        await expect(store.open()).rejects.toMatchObject({
          code: "STORE_SCHEMA",
          message: expect.stringContaining("makegood migrate"),
        });
      }),
    ));

  it("are applied once, and answered with their names", () =>
    withDatabase((url) =>
      withStore(url, async (store) => {
        expect(await store.migrate()).toEqual(["0001-initial", "0002-schedules", "0003-executors", "0004-follows"]);
        expect(await store.migrate()).toEqual([]);
        await store.open();
        expect(store.own.identity).toMatch(/^[0-9a-f-]{36}\/makegood_test_/);
      }),
    ));

  it("from eight processes at once are applied once", () =>
    withDatabase(async (url) => {
      const applied = await Promise.all(Array.from({ length: 8 }, () => withStore(url, (store) => store.migrate())));
      expect(applied.flat()).toEqual(["0001-initial", "0002-schedules", "0003-executors", "0004-follows"]);
    }));

  describe("killed in the middle", () => {
    // The connection of the process ends, as it does when that is killed.
    it.each([
      "GET_LOCK",
      "EXISTS makegood_store",
      "EXISTS makegood_execution ",
      "EXISTS makegood_signal",
      "INSERT INTO makegood_migration",
    ])("after %j was sent, are finished by the next one", (text) =>
      withDatabase(async (url) => {
        const proxy = await startProxy(url);
        proxy.answer("cut", text);
        await withStore(proxy.url, async (store) => {
          await expect(store.migrate()).rejects.toMatchObject({
            code: expect.stringMatching(/^STORE_(UNAVAILABLE|OUTCOME_UNKNOWN)$/),
          });
        });
        await proxy.close();
        await withStore(url, async (store) => {
          await store.migrate();
          expect(await store.migrate()).toEqual([]);
          await store.open();
        });
      }),
    );
  });

  it("code that is older than the tables allow is refused, and so is code that is newer", () =>
    withDatabase((url) =>
      withStore(url, async (store, pool) => {
        await store.migrate();
        await pool.query("UPDATE makegood_store SET schema_version = 7, oldest_code = 1");
        await store.open();
        await pool.query("UPDATE makegood_store SET oldest_code = 7");
        await expect(store.open()).rejects.toMatchObject({
          code: "STORE_SCHEMA",
          message: expect.stringContaining("newer code"),
        });
        await pool.query("UPDATE makegood_store SET schema_version = 0, oldest_code = 0");
        await expect(store.open()).rejects.toMatchObject({ code: "STORE_SCHEMA" });
      }),
    ));

  it("the identity is another in another database", () =>
    withDatabase((one) =>
      withDatabase(async (two) => {
        const identityIn = (url: string) =>
          withStore(url, async (store) => {
            await store.migrate();
            await store.open();
            return store.own.identity;
          });
        expect(await identityIn(one)).not.toBe(await identityIn(two));
        expect(await identityIn(one)).toBe(await identityIn(one));
      }),
    ));
});
