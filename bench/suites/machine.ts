// What it costs to have a state checked and its history kept: a business transaction of one other statement, with a bare
// conditional UPDATE, and with a move of a state machine in its place. Both through the same client and the same adapter.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { participant, stateMachine } from "../../src/index.ts";
import { mysql2 } from "../../src/mysql.ts";
import { nodePostgres } from "../../src/postgres.ts";
import { nodeSqlite } from "../../src/sqlite.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { isPostgres } from "../store.ts";
import type { Suite } from "./suite.ts";

const width = 16;
const states = { created: { on: { pay: "paid" } }, paid: { final: true } } as const;
const tables = [
  "CREATE TABLE bench_order (id integer PRIMARY KEY, state varchar(20) NOT NULL)",
  "CREATE TABLE bench_payment (order_id integer PRIMARY KEY, cents integer NOT NULL)",
];
const onServer = {
  pay: "INSERT INTO bench_payment (order_id, cents) VALUES ($1, 4200)",
  update: "UPDATE bench_order SET state = 'paid' WHERE id = $1 AND state = 'created'",
};
const elsewhere = { pay: onServer.pay.replace("$1", "?"), update: onServer.update.replace("$1", "?") };
const counts = [
  "SELECT count(*) AS count FROM bench_order WHERE state = 'paid'",
  "SELECT count(*) AS count FROM bench_payment",
];
const rowsPerInsert = 500;
/** Orders 1 to `count`. */
function inserts(count: number): readonly string[] {
  const rows = Array.from({ length: count }, (_, at) => `(${at + 1}, 'created')`);
  return Array.from(
    { length: Math.ceil(count / rowsPerInsert) },
    (_, at) =>
      `INSERT INTO bench_order (id, state) VALUES ${rows.slice(at * rowsPerInsert, (at + 1) * rowsPerInsert).join(", ")}`,
  );
}

interface Shop {
  /** Pays order `id` by the bare UPDATE, or by a move. */
  readonly pay: Readonly<Record<Way, (id: number) => Promise<unknown>>>;
  run(sql: string): Promise<number>;
  close(): Promise<void>;
}
type Way = "bare" | "move";

async function openPostgres(url: string): Promise<Shop> {
  const pool = new pg.Pool({ connectionString: url, max: width });
  const adapter = nodePostgres(pool);
  const on = participant("shop", adapter);
  await on.migrate();
  const order = stateMachine(on, "order", { table: "bench_order", initial: "created", states });
  const payment = (tx: pg.PoolClient, id: number): Promise<unknown> => tx.query(onServer.pay, [id]);
  return {
    pay: {
      bare: (id) =>
        adapter.transaction(async (tx) => {
          await payment(tx, id);
          expectEqual("rows", (await tx.query(onServer.update, [id])).rowCount, 1);
        }),
      move: (id) =>
        adapter.transaction(async (tx) => {
          await payment(tx, id);
          await order.move(tx, { id, state: "created" }, "pay", { by: "bench" });
        }),
    },
    run: async (sql) => Number((await pool.query(sql)).rows[0]?.count),
    close: () => pool.end(),
  };
}

async function openMysql(url: string): Promise<Shop> {
  const pool = mysql.createPool({ uri: url, connectionLimit: width });
  const adapter = mysql2(pool, { compoundBegin: true });
  const on = participant("shop", adapter);
  await on.migrate();
  const order = stateMachine(on, "order", { table: "bench_order", initial: "created", states });
  const payment = (tx: mysql.PoolConnection, id: number): Promise<unknown> => tx.query(elsewhere.pay, [id]);
  return {
    pay: {
      bare: (id) =>
        adapter.transaction(async (tx) => {
          await payment(tx, id);
          const [header] = await tx.query<mysql.ResultSetHeader>(elsewhere.update, [id]);
          expectEqual("rows", header.affectedRows, 1);
        }),
      move: (id) =>
        adapter.transaction(async (tx) => {
          await payment(tx, id);
          await order.move(tx, { id, state: "created" }, "pay", { by: "bench" });
        }),
    },
    run: async (sql) => {
      const [rows] = await pool.query<mysql.RowDataPacket[]>(sql);
      return Number(rows[0]?.["count"]);
    },
    close: () => pool.end(),
  };
}

async function openSqlite(path: string): Promise<Shop> {
  const db = new DatabaseSync(path, { timeout: 50 });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  const adapter = nodeSqlite(db);
  const on = participant("shop", adapter);
  await on.migrate();
  const order = stateMachine(on, "order", { table: "bench_order", initial: "created", states });
  // Prepared anew for each transaction, as the adapter does for its own.
  const payment = (id: number): unknown => db.prepare(elsewhere.pay).run(id);
  return {
    pay: {
      bare: async (id) =>
        adapter.transaction(() => {
          payment(id);
          expectEqual("rows", Number(db.prepare(elsewhere.update).run(id).changes), 1);
        }),
      move: async (id) =>
        adapter.transaction((tx) => {
          payment(id);
          order.move(tx, { id, state: "created" }, "pay", { by: "bench" });
        }),
    },
    run: async (sql) => Number(db.prepare(sql).get()?.["count"]),
    close: async () => db.close(),
  };
}

function openShop(place: Place): Promise<Shop> {
  if (isPostgres(place)) return openPostgres(place.url);
  return /^(mysql|mariadb):/.test(place.url) ? openMysql(place.url) : openSqlite(place.url);
}

const paying =
  (way: Way): RunCase =>
  async (place, { count, warmUp }, meter) => {
    const shop = await openShop(place);
    try {
      for (const sql of [...tables, ...inserts(count + warmUp)]) await shop.run(sql);
      await keepInFlight(width, warmUp, (n) => shop.pay[way](n + 1));
      const work = (): Promise<void> => keepInFlight(width, count, (n) => shop.pay[way](warmUp + n + 1));
      const sample = await measureRate(count, work, meter);
      for (const sql of counts) expectEqual(sql, await shop.run(sql), count + warmUp);
      return sample;
    } finally {
      await shop.close();
    }
  };

const each = { unit: "transactions", kind: "rate", count: 8_000, warmUp: 800 } as const;

export const machine: Suite = {
  name: "machine",
  title: "a transaction of one other statement: a bare conditional UPDATE, and a checked move with history",
  comparesWithFirst: true,
  cases: [
    { id: "bare", title: `a bare conditional UPDATE, ${width} transactions at a time`, ...each, ours: paying("bare") },
    {
      id: "move",
      title: `a checked move with history, ${width} transactions at a time`,
      ...each,
      ours: paying("move"),
    },
  ],
};
