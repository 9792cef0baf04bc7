// Migrations of a store on a server: once, by however many, killed in the middle, and by code of another age.
import { describe, expect, it } from "vitest";
import type { Store } from "../../core/store.ts";
import { startProxy } from "./proxy.ts";

export interface MigratedServer {
  /** Of all migrations, in order. */
  readonly names: readonly string[];
  /** An empty database. */
  create(): Promise<{ readonly url: string; drop(): Promise<void> }>;
  make(url: string): Unopened;
  /** Texts in messages to the server, after each of which the process is killed once. */
  readonly killedAfter: readonly string[];
  /** What the kill leaves to the next one: where DDL is part of a transaction, an empty database. */
  readonly whatIsThen: string;
  /** The table with `schema_version` and `oldest_code`. */
  readonly versions: string;
}

/** A store that has not been opened. */
interface Unopened {
  readonly store: Store;
  query(sql: string): Promise<unknown>;
  close(): Promise<void>;
}

export function testMigrations(server: MigratedServer): void {
  /** An empty database for one test. */
  async function withDatabase(run: (url: string) => Promise<void>): Promise<void> {
    const database = await server.create();
    try {
      await run(database.url);
    } finally {
      await database.drop();
    }
  }
  async function withStore<T>(url: string, run: (store: Store, query: Unopened["query"]) => Promise<T>): Promise<T> {
    const { store, query, close } = server.make(url);
    try {
      return await run(store, query);
    } finally {
      await close();
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
        expect(await store.migrate()).toEqual(server.names);
        expect(await store.migrate()).toEqual([]);
        await store.open();
        expect(store.own.identity).toMatch(/^[0-9a-f-]{36}\/makegood_test_/);
      }),
    ));

  it("from eight processes at once are applied once", () =>
    withDatabase(async (url) => {
      const applied = await Promise.all(Array.from({ length: 8 }, () => withStore(url, (store) => store.migrate())));
      expect(applied.flat().sort()).toEqual(server.names);
    }));

  describe("killed in the middle", () => {
    // The connection of the process ends, as it does when that is killed.
    it.each(server.killedAfter)(`after %j was sent, ${server.whatIsThen}`, (text) =>
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
      withStore(url, async (store, query) => {
        await store.migrate();
        await query(`UPDATE ${server.versions} SET schema_version = 7, oldest_code = 1`);
        await store.open();
        await query(`UPDATE ${server.versions} SET oldest_code = 7`);
        await expect(store.open()).rejects.toMatchObject({
          code: "STORE_SCHEMA",
          message: expect.stringContaining("newer code"),
        });
        await query(`UPDATE ${server.versions} SET schema_version = 0, oldest_code = 0`);
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
}
