// Where a record stands on SQLite: its id tells pruning when it expires, so it must fit whatever happens to the record.
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { migrateBefore } from "../../../test/participant/migrate-before.ts";
import { NonRetryableError } from "../../core/errors.ts";
import type { Script, Statement } from "../../core/script.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { participant } from "../participant.ts";
import { idempotent } from "./idempotent.ts";
import { pruneRecords } from "./prune.ts";
import { settleRecord } from "./settle.ts";
import { recordsSqlite } from "./sqlite.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
const by = { kind: "user", id: "ann" } as const;

function openEmpty() {
  const db = new DatabaseSync(":memory:");
  onTestFinished(() => db.close());
  return { db, orders: participant("orders", nodeSqlite(db), { log: silentLog }) };
}

async function open() {
  const { db, orders } = openEmpty();
  await orders.migrate();
  const enter = (key: string, retention: "1m" | "90d" = "90d"): void => {
    db.exec("BEGIN IMMEDIATE");
    orders.once(db, { scope: "pay", key, retention }, () => key);
    db.exec("COMMIT");
  };
  const expire = (key: string, at = 1): void => {
    db.prepare("UPDATE makegood_execution_record SET expire_at = ? WHERE record_key = ?").run(at, key);
  };
  return { db, orders, enter, expire };
}

const keysOf = (db: DatabaseSync): unknown[] =>
  db
    .prepare("SELECT record_key AS key FROM makegood_execution_record ORDER BY id")
    .all()
    .map((row) => row["key"]);

const misplaced = `
SELECT record_key FROM makegood_execution_record
 WHERE CASE WHEN expire_at IS NULL THEN id >= 0 ELSE id >> 20 <> expire_at / 1000 END`;

it("stands by the second of its expiry, in every state that it comes to", async () => {
  const { db, orders, enter, expire } = await open();
  const statuses: unknown[] = [];
  const look = (): void => {
    expect(db.prepare(misplaced).all()).toEqual([]);
    statuses.push(db.prepare("SELECT status FROM makegood_execution_record").get()?.["status"]);
  };
  const options = { on: orders, scope: "pay", key: (key: string) => key, maxAttempts: 2 } as const;
  const attempt = async (error: Error): Promise<void> => {
    const failing = idempotent(options, () => {
      look();
      throw error;
    });
    await failing("A-17").catch(look);
    expire("A-17", 1_000 * statuses.length);
    look();
  };
  const settle = async (): Promise<void> => {
    await settleRecord(orders, { scope: "pay", key: "A-17" }, { kind: "retry" }, { by, retention: "2h" });
    look();
  };

  await attempt(new Error("the line is dead"));
  await idempotent(options, () => Promise.reject(new Error("again")))("A-17").catch(look);
  await settle();
  await attempt(new NonRetryableError("no such account"));
  expect(statuses).toEqual([1, 5, 5, 4, 5, 1, 3, 3]);

  db.exec("DELETE FROM makegood_execution_record");
  for (const [n, retention] of (["90d", "1m", "90d", "1m"] as const).entries()) enter(`order ${n}`, retention);
  look();
});

it("is pruned oldest first when its time is over, and not before", async () => {
  const { db, orders, enter, expire } = await open();
  for (const key of ["a", "b", "c", "d", "long", "early"]) enter(key);
  for (const [at, key] of ["b", "d", "a", "c"].entries()) expire(key, 1_000 * at);
  // Found too early, as by an id that somebody set: the expiry judges.
  db.exec("UPDATE makegood_execution_record SET id = 7 WHERE record_key = 'early'");
  db.exec(
    `UPDATE makegood_execution_record SET status = 1, held_until = ${Date.now() + 60_000} WHERE record_key = 'd'`,
  );
  const prune = (limit: number): unknown => orders.port.ask(recordsSqlite.prune(limit));
  expect(await prune(2)).toBe(2);
  expect(keysOf(db)).toEqual(["early", "d", "c", "long"]);
  expect(await pruneRecords(orders)).toBe(1);
  expect(keysOf(db)).toEqual(["early", "d", "long"]);
});

it("waits for a person where pruning does not look, however many there are, and never goes", async () => {
  const { db, orders, enter, expire } = await open();
  for (let n = 0; n < 50; n++) enter(`manual ${n}`);
  db.exec("UPDATE makegood_execution_record SET status = 4, expire_at = NULL");
  enter("old");
  expire("old");
  const firstLook = "SELECT record_key AS key FROM makegood_execution_record WHERE id >= 0 ORDER BY id LIMIT 1";
  expect(db.prepare(firstLook).get()).toEqual({ key: "old" });
  expect(await pruneRecords(orders)).toBe(1);
  expect(keysOf(db)).toHaveLength(50);
});

it("gives each record of one second an id of its own, and the last places where that second is full", async () => {
  const { db, enter, expire } = await open();
  for (const key of ["full", "late", "later", "in time", "next second"]) enter(key);
  expire("full", 5_500);
  db.exec("UPDATE makegood_execution_record SET id = (6 << 20) - 1 WHERE record_key = 'full'");
  expire("next second", 6_000);
  for (const key of ["late", "later"]) expire(key, 5_000);
  expect(keysOf(db)).toEqual(["full", "next second", "in time", "late", "later"]);
});

it("keeps the records that were there before ids told their expiry, beside a view of the user's", async () => {
  const { db, orders } = openEmpty();
  const columns = "scope, record_key, status, attempts, fence, held_until, created_at, expire_at, owner, fingerprint";
  migrateBefore(db, "0008-expiry");
  const insert = db.prepare(
    `INSERT INTO makegood_execution_record (${columns}, settled_by, result, error) VALUES (?${", ?".repeat(12)})`,
  );
  const later = Date.now() + 90_000;
  const rest = ["owner", "print", "user:ann", new Uint8Array([1]), new Uint8Array([2])] as const;
  insert.run("pay", "manual", 4, 5, 6, null, 7, null, ...rest);
  insert.run("pay", "later", 2, 1, 1, null, 7, later, ...rest);
  insert.run("pay", "held", 1, 1, 1, later, 7, 1, ...rest);
  for (let n = 0; n < 3; n++) insert.run("pay", `old ${n}`, 2, 1, 1, null, 7, 2_000 - n, ...rest);
  db.exec("CREATE VIEW waiting AS SELECT record_key AS key FROM makegood_execution_record WHERE status = 4");
  const all = `SELECT ${columns}, settled_by, result, error FROM makegood_execution_record ORDER BY record_key`;
  const rows = db.prepare(all).all();

  await orders.migrate();
  expect(db.prepare(all).all()).toEqual(rows);
  expect(keysOf(db)).toEqual(["manual", "held", "old 2", "old 1", "old 0", "later"]);
  expect(db.prepare(misplaced).all()).toEqual([]);
  expect(await pruneRecords(orders, { batch: 2 })).toBe(3);
  expect(keysOf(db)).toEqual(["manual", "held", "later"]);
  expect(db.prepare("SELECT key FROM waiting").all()).toEqual([{ key: "manual" }]);
});

function firstStatement(script: Script<unknown>): Statement {
  return script.next().value as Statement;
}

it.each([
  { statistics: "without", analyze: "" },
  { statistics: "with", analyze: "ANALYZE" },
])("is entered and pruned by one search of the table's key each, $statistics statistics", async ({ analyze }) => {
  const { db } = await open();
  db.exec(`
    INSERT INTO makegood_execution_record (id, scope, record_key, status, owner, expire_at)
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
    SELECT (n << 20), 'pay', n, 2, 'me', n * 1000 FROM n; ${analyze}`);
  const entry = { scope: "pay", key: "A-17", token: "me", fingerprint: null, retainMs: 60_000 };
  const plans = [recordsSqlite.enter(entry, "wait"), recordsSqlite.prune(500)].map((script) => {
    const { sql, parameters } = firstStatement(script);
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...(parameters as (string | number | null)[]));
    return steps.map((row) => String(row["detail"])).filter((detail) => !/SUBQUERY|LIST/.test(detail));
  });
  const byKey = "SEARCH makegood_execution_record USING INTEGER PRIMARY KEY";
  expect(plans).toEqual([[`${byKey} (rowid<?)`], [`${byKey} (rowid=?)`, `${byKey} (rowid>? AND rowid<?)`]]);
});
