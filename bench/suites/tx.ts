// Three steps in the user's own table, in the engine's database: the effect and the record of each are one commit.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { type AnyJob, job, participant } from "../../src/index.ts";
import { mysql2 } from "../../src/mysql.ts";
import { nodePostgres } from "../../src/postgres.ts";
import { nodeSqlite } from "../../src/sqlite.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { isMariadb, isPostgres, openApp, withWorkingApp } from "../store.ts";
import { onMariadb, onPostgres, txWork } from "../tx-work.ts";
import type { Suite } from "./suite.ts";

interface UserDatabase {
  /** The order is the execution's id. */
  readonly payOrder: AnyJob;
  countPaid(): Promise<number>;
  close(): Promise<void>;
}

async function openPostgres(url: string): Promise<UserDatabase> {
  const pool = new pg.Pool({ connectionString: url, max: txWork.connections });
  await pool.query(txWork.table);
  const shop = participant("shop", nodePostgres(pool));
  await shop.migrate();
  return {
    payOrder: job("pay-order", {}, async (ctx) => {
      for (const [at, sql] of txWork.steps.entries())
        await ctx.tx(shop, ["step", at], {
          run: async (tx) =>
            void (await tx.query({ name: `step ${at}`, text: onPostgres(sql), values: [ctx.executionId] })),
          irreversible: "never undone here",
        });
    }),
    countPaid: async () => Number((await pool.query<{ count: string }>(txWork.paidCount)).rows[0]?.count),
    close: () => pool.end(),
  };
}

async function openMysql(url: string): Promise<UserDatabase> {
  const pool = mysql.createPool({ uri: url, connectionLimit: txWork.connections });
  await pool.query(txWork.table);
  const shop = participant("shop", mysql2(pool));
  await shop.migrate();
  const statements = txWork.steps.map(onMariadb);
  return {
    payOrder: job("pay-order", {}, async (ctx) => {
      for (const [at, statement] of statements.entries())
        await ctx.tx(shop, ["step", at], {
          run: async (tx) => void (await tx.query(statement, [ctx.executionId])),
          irreversible: "never undone here",
        });
    }),
    async countPaid() {
      const [rows] = await pool.query<mysql.RowDataPacket[]>(txWork.paidCount);
      return Number(rows[0]?.["count"]);
    },
    close: () => pool.end(),
  };
}

async function openSqlite(path: string): Promise<UserDatabase> {
  const db = new DatabaseSync(path, { timeout: 50 });
  db.exec(txWork.table);
  const shop = participant("shop", nodeSqlite(db));
  await shop.migrate();
  const statements = txWork.steps.map((sql) => db.prepare(sql));
  return {
    payOrder: job("pay-order", {}, async (ctx) => {
      for (const [at, statement] of statements.entries())
        await ctx.tx(shop, ["step", at], {
          run: () => void statement.run(ctx.executionId),
          irreversible: "never undone here",
        });
    }),
    countPaid: async () => Number(db.prepare(txWork.paidCount).get()?.["count"]),
    close: async () => db.close(),
  };
}

const atOnce: RunCase = async (place, { count, warmUp }, meter) => {
  await createStore(place);
  const user = await openUserDatabase(place);
  try {
    return await withWorkingApp(place, [user.payOrder], async (app) => {
      const one = async (): Promise<unknown> => (await app.start(user.payOrder, undefined)).result();
      await keepInFlight(txWork.width, warmUp, one);
      const sample = await measureRate(count, () => keepInFlight(txWork.width, count, one), meter);
      expectEqual("completed jobs", (await app.counts()).completed, warmUp + count);
      expectEqual("paid orders", await user.countPaid(), warmUp + count);
      return sample;
    });
  } finally {
    await user.close();
  }
};

function openUserDatabase(place: Place): Promise<UserDatabase> {
  if (isMariadb(place)) return openMysql(place.url);
  return isPostgres(place) ? openPostgres(place.url) : openSqlite(place.url);
}

/** The engine's tables first: the participant finds out that it is in the engine's own database. */
async function createStore(place: Place): Promise<void> {
  const app = await openApp(place, []);
  await app.stop({ graceMs: 0 });
}

export const tx: Suite = {
  name: "tx",
  title: "three local transactions, each with its record in one commit",
  cases: [
    {
      id: "64",
      title: "3 transactions in the user's table, in the same database, 64 jobs at a time",
      unit: "jobs",
      kind: "rate",
      count: 4_000,
      warmUp: 400,
      peerCount: 1_500,
      ours: atOnce,
    },
  ],
};
