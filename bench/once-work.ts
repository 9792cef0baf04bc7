// What the suite `once` does: a business transaction of two statements whose answer is stored under a key, by an execution
// record of makegood's, or by hand: a table with a unique key, a row inserted first, its answer put in at the end.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { participant } from "../src/index.ts";
import { mysql2 } from "../src/mysql.ts";
import { nodePostgres } from "../src/postgres.ts";
import { nodeSqlite } from "../src/sqlite.ts";
import { expectEqual } from "./check.ts";
import type { Contender, Place, RunCase } from "./contender.ts";
import { keepInFlight, measureRate } from "./measure.ts";
import { isMariadb, isPostgres } from "./store.ts";

export type Way = "record" | "by hand";

const connections = 32;
const table = "CREATE TABLE bench_payment (id varchar(100) PRIMARY KEY, state varchar(20) NOT NULL)";
const [insertPayment, settlePayment] = [
  "INSERT INTO bench_payment (id, state) VALUES ($1, 'begun')",
  "UPDATE bench_payment SET state = 'paid' WHERE id = $1",
];
const paidCount = "SELECT count(*) AS count FROM bench_payment WHERE state = 'paid'";

/** About 900 bytes as JSON. */
const answerOf = (id: string) => ({
  id,
  receipt: `R-${id}`,
  lines: Array.from({ length: 12 }, (_, at) => ({
    code: `article-${at}`,
    units: at,
    cents: at * 100,
    note: "in stock",
  })),
});

export interface Books {
  /** One transaction; `id` is new. */
  pay(id: string): Promise<unknown>;
  countPaid(): Promise<number>;
  close(): Promise<void>;
}

const handTable = (json: string): string =>
  `CREATE TABLE bench_key (scope varchar(100) NOT NULL, name varchar(100) NOT NULL, answer ${json}, PRIMARY KEY (scope, name))`;
const takeKey = "INSERT INTO bench_key (scope, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const keepAnswer = "UPDATE bench_key SET answer = $3 WHERE scope = $1 AND name = $2";
const scope = "pay";

/** The user's pool and what his transaction does, without a key. */
export async function openPayments(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await pool.query(table);
  return {
    pool,
    countPaid: async () => Number((await pool.query<{ count: string }>(paidCount)).rows[0]?.count),
    close: () => pool.end(),
    async effect(tx: pg.PoolClient, id: string) {
      await tx.query(insertPayment, [id]);
      await tx.query(settlePayment, [id]);
      return answerOf(id);
    },
  };
}

async function onPostgres(url: string, way: Way): Promise<Books> {
  const { pool, effect, countPaid, close } = await openPayments(url);
  if (way === "record") {
    const adapter = nodePostgres(pool);
    const books = participant("books", adapter);
    await books.migrate();
    return {
      pay: (id) => adapter.transaction((tx) => books.once(tx, { scope, key: id }, () => effect(tx, id))),
      countPaid,
      close,
    };
  }
  await pool.query(handTable("jsonb"));
  return {
    async pay(id) {
      const tx = await pool.connect();
      await tx.query("BEGIN ISOLATION LEVEL READ COMMITTED");
      expectEqual("new keys", (await tx.query(takeKey, [scope, id])).rowCount, 1);
      const answer = await effect(tx, id);
      await tx.query(keepAnswer, [scope, id, JSON.stringify(answer)]);
      await tx.query("COMMIT");
      tx.release();
      return answer;
    },
    countPaid,
    close,
  };
}

async function onMariadb(url: string, way: Way): Promise<Books> {
  const pool = mysql.createPool({ uri: url, connectionLimit: connections });
  await pool.query(table);
  const statement = (sql: string): string => sql.replaceAll(/\$\d/g, "?");
  const [insert, settle] = [statement(insertPayment), statement(settlePayment)];
  const countPaid = async () => {
    const [rows] = await pool.query<mysql.RowDataPacket[]>(paidCount);
    return Number(rows[0]?.["count"]);
  };
  const close = () => pool.end();
  const effect = async (tx: mysql.PoolConnection, id: string) => {
    await tx.query(insert, [id]);
    await tx.query(settle, [id]);
    return answerOf(id);
  };
  if (way === "record") {
    const adapter = mysql2(pool, { compoundBegin: true });
    const books = participant("books", adapter);
    await books.migrate();
    return {
      pay: (id) => adapter.transaction((tx) => books.once(tx, { scope, key: id }, () => effect(tx, id))),
      countPaid,
      close,
    };
  }
  await pool.query(handTable("longtext"));
  const take = "INSERT IGNORE INTO bench_key (scope, name) VALUES (?, ?)";
  const keep = "UPDATE bench_key SET answer = ? WHERE scope = ? AND name = ?";
  return {
    async pay(id) {
      const tx = await pool.getConnection();
      await tx.query("START TRANSACTION");
      const [{ affectedRows }] = await tx.query<mysql.ResultSetHeader>(take, [scope, id]);
      expectEqual("new keys", affectedRows, 1);
      const answer = await effect(tx, id);
      await tx.query(keep, [JSON.stringify(answer), scope, id]);
      await tx.query("COMMIT");
      tx.release();
      return answer;
    },
    countPaid,
    close,
  };
}

async function onSqlite(path: string, way: Way): Promise<Books> {
  const db = new DatabaseSync(path, { timeout: 50 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${table}`);
  const statement = (sql: string) => db.prepare(sql.replaceAll(/\$(\d)/g, "?$1"));
  const [insert, settle] = [statement(insertPayment), statement(settlePayment)];
  const countPaid = async () => Number(db.prepare(paidCount).get()?.["count"]);
  const close = async () => db.close();
  const effect = (id: string) => {
    insert.run(id);
    settle.run(id);
    return answerOf(id);
  };
  if (way === "record") {
    const adapter = nodeSqlite(db);
    const books = participant("books", adapter);
    await books.migrate();
    const pay = async (id: string) => adapter.transaction((tx) => books.once(tx, { scope, key: id }, () => effect(id)));
    return { pay, countPaid, close };
  }
  db.exec(handTable("text"));
  const [take, keep] = [statement(takeKey), statement(keepAnswer)];
  return {
    async pay(id) {
      db.exec("BEGIN IMMEDIATE");
      expectEqual("new keys", Number(take.run(scope, id).changes), 1);
      const answer = effect(id);
      keep.run(scope, id, JSON.stringify(answer));
      db.exec("COMMIT");
      return answer;
    },
    countPaid,
    close,
  };
}

function open(place: Place, way: Way): Promise<Books> {
  if (isMariadb(place)) return onMariadb(place.url, way);
  return isPostgres(place) ? onPostgres(place.url, way) : onSqlite(place.url, way);
}

export const payOnce = (way: Way): Contender["cases"] => onceCases((place) => open(place, way));

/** `once/1` and `once/32`. */
export const onceCases = (openBooks: (place: Place) => Promise<Books>): Contender["cases"] =>
  Object.fromEntries(widths.map((width) => [`once/${width}`, atOnce(openBooks, width)]));

export const widths = [1, 32] as const;

function atOnce(openBooks: (place: Place) => Promise<Books>, width: number): RunCase {
  return async (place, { count, warmUp }, meter) => {
    const books = await openBooks(place);
    try {
      await keepInFlight(width, warmUp, (n) => books.pay(`warm-up ${n}`));
      const work = (): Promise<void> => keepInFlight(width, count, (n) => books.pay(`payment ${n}`));
      const sample = await measureRate(count, work, meter);
      expectEqual("payments", await books.countPaid(), warmUp + count);
      return sample;
    } finally {
      await books.close();
    }
  };
}
