import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callEverything } from "../testing/everything.ts";
import { Scene } from "../testing/scene.ts";
import { sqlite } from "./sqlite.ts";

// Every statement that a busy store prepares is asked for its plan: none may read a whole table.
describe("statements", () => {
  const texts = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  const store = sqlite(":memory:");
  let database: DatabaseSync | undefined;

  beforeAll(async () => {
    DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string) {
      texts.add(sql);
      database = this;
      return prepare.call(this, sql);
    };
    await store.open();
    await callEverything(new Scene(store));
  });
  afterAll(async () => {
    DatabaseSync.prototype.prepare = prepare;
    await store.close();
  });

  /** Reads whole tables, and says so. */
  const isForDemonstrations = (sql: string): boolean => sql.includes("GROUP BY status");
  /** The store's own row, a row per migration, or lists that were handed in. */
  const isSmall = (step: string): boolean => /makegood_migration|SCAN s\b|VIRTUAL TABLE/.test(step);

  test("are served by an index, each of them", () => {
    const scans = [...texts]
      .filter((sql) => !isForDemonstrations(sql))
      .flatMap((sql) =>
        stepsOf(sql)
          .filter((step) => /^SCAN (makegood_|[a-z]\b)/.test(step) && !isSmall(step))
          .map((step) => `${step}: ${sql}`),
      );
    expect(scans).toEqual([]);
    expect(texts.size).toBeGreaterThan(50);
  });

  test("sort nothing but what one execution, or one page, can hold", () => {
    const sorts = [...texts]
      .filter((sql) => stepsOf(sql).some((step) => step.includes("TEMP B-TREE FOR ORDER BY")))
      .map((sql) => /FROM (\w+)/.exec(sql)?.[1]);
    // By execution: its journal, attempts and signals. By depth: a tree of canceled children. By age: the children of one parent.
    const small = new Set(["makegood_journal", "makegood_attempt", "makegood_signal", "makegood_execution", "tree"]);
    expect(sorts.filter((table) => table === undefined || !small.has(table))).toEqual([]);
    expect(
      stepsOf([...texts].find((sql) => sql.includes("AND status = 'ready'\n ORDER BY priority")) ?? "").join(),
    ).toContain("makegood_execution_ready");
    expect(
      stepsOf([...texts].find((sql) => sql.includes("AND status = 'ready'\n ORDER BY priority")) ?? "").join(),
    ).not.toContain("TEMP B-TREE");
  });

  function stepsOf(sql: string): readonly string[] {
    if (database === undefined || /^\s*(BEGIN|COMMIT|ROLLBACK|PRAGMA|CREATE)/.test(sql)) return [];
    return prepare
      .call(database, `EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row["detail"]));
  }
});
