// Every statement that a busy store sends is asked for its plan, on tables that are nearly empty and on large ones: InnoDB
// locks what a statement reads, so one that scans a table locks out everybody (10 to 60 deadlocks per 1,000 jobs, measured).
import { createPool, type Pool, type PoolConnection } from "mysql2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import type { Row } from "../../core/script.ts";
import type { Store } from "../../core/store.ts";
import { callEverything } from "../testing/everything.ts";
import { newId, Scene } from "../testing/scene.ts";
import { mysql } from "./mysql.ts";
import { idBytes } from "./values.ts";

const rowCount = 20_000;

describeWithMariadb("plans", (database) => {
  const texts = new Set<string>();
  let isListening = true;
  let pool: Pool;
  let store: Store;
  beforeAll(async () => {
    pool = createPool({ uri: database.url });
    pool.on("connection", listenTo);
    store = mysql(pool, { migrate: true });
    await store.open();
    texts.clear();
    await callEverything(new Scene(store));
    isListening = false;
  });
  afterAll(async () => {
    await store?.close();
    await new Promise((resolve) => pool.end(resolve));
  });

  function listenTo(connection: PoolConnection): void {
    const { query } = connection;
    connection.query = function (this: PoolConnection, ...args: unknown[]) {
      const [given] = args as [string | { readonly sql: string }];
      if (isListening) texts.add(typeof given === "string" ? given : given.sql);
      return Reflect.apply(query, this, args);
    } as PoolConnection["query"];
  }

  const ask = (sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> =>
    new Promise((resolve, reject) =>
      pool.query(sql, [...values], (error, rows) => (error ? reject(error) : resolve(rows as Row[]))),
    );
  const isExplained = (sql: string): boolean => /^[\s(]*(SELECT|WITH|INSERT|UPDATE|DELETE)\b/.test(sql);
  /** The store's one row, the server's own tables, a page of a list, and what says of itself that it reads a whole table. */
  const mayScan = (sql: string): boolean =>
    /makegood_store|information_schema|ORDER BY e\.id DESC LIMIT|GROUP BY e\.status/.test(sql);
  /** Rows of a table of the store's that are read one after the other, by their place or by an index that leads nowhere. */
  const isScan = ({ table, type }: Row): boolean =>
    /^[a-z]$/.test(String(table)) && table !== "j" && (type === "ALL" || type === "index");
  /** Lists that are handed in, and what statements make of them: of one letter too. */
  const isOfTables = (sql: string, { table }: Row): boolean =>
    new RegExp(`makegood_\\w+ (AS )?${String(table)}\\b`).test(sql);

  async function scans(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const sql of [...texts].filter(isExplained).filter((text) => !mayScan(text)))
      for (const step of await ask(`EXPLAIN ${sql}`))
        if (isScan(step) && isOfTables(sql, step))
          found.push(`${step["table"]}: ${step["type"]} ${step["key"]}: ${sql}`);
    return found;
  }

  const planOf = async (part: string): Promise<readonly Row[]> => {
    const sql = [...texts].find((text) => text.includes(part));
    if (sql === undefined) throw new Error(`Expected a statement with ${part}, found none`);
    return ask(`EXPLAIN ${sql}`);
  };

  it("are served by an index, each of them, while the tables are nearly empty", async () => {
    expect([...texts].filter(isExplained).length).toBeGreaterThan(60);
    expect(await scans()).toEqual([]);
  });

  it("are served by an index, each of them, when the tables are large and nobody has counted them", async () => {
    const scene = new Scene(store);
    await ask("SET GLOBAL innodb_stats_persistent = 1");
    for (const table of ["execution", "journal", "slot", "execution_key", "signal"])
      await ask(`ALTER TABLE makegood_${table} STATS_AUTO_RECALC = 0`);
    await grow(scene.namespace);
    expect(await scans()).toEqual([]);
  });

  it("are so when they have been counted, and claims are read in the order of their index", async () => {
    for (const table of ["execution", "journal", "slot", "execution_key", "signal"])
      await ask(`ANALYZE TABLE makegood_${table}`);
    expect(await scans()).toEqual([]);
    for (const step of await planOf("e.ready_in = "))
      if (step["table"] === "e") {
        expect(step).toMatchObject({ key: "execution_ready" });
        expect(step["Extra"]).not.toContain("filesort");
      }
    for (const [part, key] of [
      ["e.due_in = ", "execution_due"],
      ["e.blocked_in = ", "execution_blocked"],
      ["e.prune_at <= ", "execution_prune"],
    ] as const) {
      const steps = (await planOf(part)).filter((step) => step["table"] === "e");
      expect(steps.length).toBeGreaterThan(0);
      for (const step of steps) expect(step).toMatchObject({ key });
    }
  });

  it("guard rows, journal and slots are found by their primary keys, row by row of the list", async () => {
    const locking = [...texts].filter(
      (sql) => /JSON_TABLE|UNION ALL SELECT/.test(sql) && /FOR UPDATE|^\s*(UPDATE|DELETE)/.test(sql),
    );
    expect(locking.length).toBeGreaterThan(15);
    for (const sql of locking)
      for (const step of await ask(`EXPLAIN ${sql}`))
        if (isOfTables(sql, step))
          expect(["eq_ref", "ref", "range", "const", "ref_or_null"], `${sql}: ${JSON.stringify(step)}`).toContain(
            step["type"],
          );
  });

  async function grow(namespace: string): Promise<void> {
    const worker = idBytes(newId());
    await ask(
      `INSERT INTO makegood_execution (id, namespace, job, version, status, worker, wake_at, priority, created_at, retain_ms, actor, concurrency_key, slot)
       SELECT RANDOM_BYTES(16), ?, CONCAT('job-', seq % 3), 1, ELT(1 + seq % 4, 'completed', 'waiting', 'ready', 'running'),
              IF(seq % 4 = 3, ?, NULL), IF(seq % 4 IN (1, 2), seq, NULL), seq % 10, 0, 0, 'user:test', 'till', IF(seq % 8 = 1, 'wanted', NULL)
         FROM seq_1_to_${rowCount}`,
      [namespace, worker],
    );
    await ask(
      `INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, at, token)
       SELECT id, 'grown', 'action', 'step', 1, 1, 1, 'done', 0, 1 FROM makegood_execution`,
    );
  }
});
