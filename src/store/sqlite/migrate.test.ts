import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { Scene } from "../testing/scene.ts";
import { sqlite } from "./sqlite.ts";
import { startProcess, withFile } from "./testing/spawn.ts";

const appliedIn = (path: string): readonly unknown[] =>
  read(path, "SELECT number, name, oldest_code FROM makegood_migration");

describe("migrations", () => {
  test("are applied by open, once", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      await store.open();
      const { identity } = store.own;
      expect(appliedIn(path)).toEqual([
        { number: 1, name: "0001-initial", oldest_code: 1 },
        { number: 2, name: "0002-schedules", oldest_code: 1 },
        { number: 3, name: "0003-executors", oldest_code: 1 },
        { number: 4, name: "0004-schedule-lookups", oldest_code: 1 },
      ]);
      expect(await store.migrate()).toEqual([]);
      await store.close();
      await store.open();
      expect(store.own.identity).toBe(identity);
      expect(appliedIn(path)).toHaveLength(4);
      await store.close();
    }));

  test("are applied by migrate alone, which names them", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      expect(await store.migrate()).toEqual([
        "0001-initial",
        "0002-schedules",
        "0003-executors",
        "0004-schedule-lookups",
      ]);
      expect(await store.migrate()).toEqual([]);
      await store.close();
    }));

  test("of four processes at once are applied by one, and all of them go on", () =>
    withFile(async (path) => {
      const processes = Array.from({ length: 4 }, () => startProcess("open", path));
      await Promise.all(processes.map((each) => each.line()));
      for (const each of processes) each.tell();
      const identities = await Promise.all(processes.map((each) => each.line()));
      expect(await Promise.all(processes.map((each) => each.end()))).toEqual([0, 0, 0, 0]);
      expect(new Set(identities).size).toBe(1);
      expect(appliedIn(path)).toHaveLength(4);
    }));

  for (const point of ["before its tables", "before its row", "before its commit"])
    test(`killed ${point} leave nothing, and the next one applies them`, () =>
      withFile(async (path) => {
        expect(await startProcess("die-migrating", path, point).end()).toBe("SIGKILL");
        expect(read(path, "SELECT name FROM sqlite_schema")).toEqual([]);
        const store = sqlite(path);
        await store.open();
        await new Scene(store).start();
        expect(appliedIn(path)).toHaveLength(4);
        await store.close();
      }));

  test("leave tables of others alone", () =>
    withFile(async (path) => {
      run(path, "CREATE TABLE orders (id TEXT); INSERT INTO orders VALUES ('A-1')");
      const store = sqlite(path);
      await store.open();
      await store.close();
      expect(read(path, "SELECT id FROM orders")).toEqual([{ id: "A-1" }]);
    }));

  test("by newer code are accepted while they let this code go on", () =>
    withFile(async (path) => {
      await sqlite(path).open();
      run(path, "INSERT INTO makegood_migration VALUES (5, '0005-later', 1, 0)");
      const store = sqlite(path);
      await store.open();
      expect(await store.migrate()).toEqual([]);
      await store.close();
    }));

  test("by newer code that this code cannot use are refused in words", () =>
    withFile(async (path) => {
      await sqlite(path).open();
      run(path, "INSERT INTO makegood_migration VALUES (5, '0005-later', 5, 0)");
      const store = sqlite(path);
      await expect(store.open()).rejects.toMatchObject({
        code: "STORE_SCHEMA",
        message: expect.stringMatching(/schema 5.*needs code of schema 5.*this code knows 4.*Deploy the newer version/),
      });
      await expect(store.reads.countByStatus("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    }));
});

function read(path: string, sql: string): readonly unknown[] {
  const database = new DatabaseSync(path);
  const rows = database
    .prepare(sql)
    .all()
    .map((row) => ({ ...row }));
  database.close();
  return rows;
}

function run(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}
