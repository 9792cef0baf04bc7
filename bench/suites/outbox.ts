// Business transactions that each publish one message, and a job that consumes it in a transaction of the user's.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { type AnyJob, job, onMessage, participant, type Topic, topic } from "../../src/index.ts";
import { mysql2 } from "../../src/mysql.ts";
import { nodePostgres } from "../../src/postgres.ts";
import { nodeSqlite } from "../../src/sqlite.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { outboxWork } from "../outbox-work.ts";
import { isMariadb, isPostgres, openStore, withWorkingApp } from "../store.ts";
import { onMariadb, onPostgres } from "../tx-work.ts";
import type { Suite } from "./suite.ts";

const placed: Topic<number> = topic<number>("order.placed");

interface UserDatabase {
  // biome-ignore lint/suspicious/noExplicitAny: a participant of either client
  readonly shop: any;
  /** One transaction: the order, and its message. */
  place(n: number): unknown;
  /** Calls `awarded` after each commit. */
  awardJob(awarded: () => void): AnyJob;
  counts(): Promise<readonly [count: number, distinctCount: number]>;
  close(): Promise<void>;
}

async function openPostgres(url: string): Promise<UserDatabase> {
  const pool = new pg.Pool({ connectionString: url, max: outboxWork.connections });
  for (const table of outboxWork.tables) await pool.query(table);
  const adapter = nodePostgres(pool);
  const shop = participant("shop", adapter);
  const [place, award] = [onPostgres(outboxWork.place), onPostgres(outboxWork.award)];
  return {
    shop,
    place: (n) =>
      adapter.transaction(async (tx) => {
        await tx.query({ name: "place", text: place, values: [n] });
        await shop.publish(tx, placed, n);
      }),
    awardJob: (awarded) =>
      job<number>("award", { on: [onMessage(placed)] }, async (ctx, n) => {
        await ctx.tx(shop, "award", {
          run: async (tx) => void (await tx.query({ name: "award", text: award, values: [n] })),
          irreversible: "never undone here",
        });
        awarded();
      }),
    counts: async () => countsOf((await pool.query(outboxWork.awardedCount)).rows[0]),
    close: () => pool.end(),
  };
}

async function openMysql(url: string): Promise<UserDatabase> {
  const pool = mysql.createPool({ uri: url, connectionLimit: outboxWork.connections });
  for (const table of outboxWork.tables) await pool.query(table);
  const adapter = mysql2(pool);
  const shop = participant("shop", adapter);
  const [place, award] = [onMariadb(outboxWork.place), onMariadb(outboxWork.award)];
  return {
    shop,
    place: (n) =>
      adapter.transaction(async (tx) => {
        await tx.query(place, [n]);
        await shop.publish(tx, placed, n);
      }),
    awardJob: (awarded) =>
      job<number>("award", { on: [onMessage(placed)] }, async (ctx, n) => {
        await ctx.tx(shop, "award", {
          run: async (tx) => void (await tx.query(award, [n])),
          irreversible: "never undone here",
        });
        awarded();
      }),
    async counts() {
      const [rows] = await pool.query<mysql.RowDataPacket[]>(outboxWork.awardedCount);
      return countsOf(rows[0]);
    },
    close: () => pool.end(),
  };
}

async function openSqlite(path: string): Promise<UserDatabase> {
  const db = new DatabaseSync(path, { timeout: 50 });
  for (const table of outboxWork.tables) db.exec(table);
  const adapter = nodeSqlite(db);
  const shop = participant("shop", adapter);
  const [place, award] = [db.prepare(outboxWork.place), db.prepare(outboxWork.award)];
  const placeNow = (n: number): void =>
    adapter.transaction((tx) => {
      place.run(n);
      shop.publish(tx, placed, n);
    });
  return {
    shop,
    // As requests arrive: each in a turn of its own.
    place: (n) => new Promise<void>((settle) => setImmediate(() => settle(placeNow(n)))),
    awardJob: (awarded) =>
      job<number>("award", { on: [onMessage(placed)] }, async (ctx, n) => {
        await ctx.tx(shop, "award", { run: () => void award.run(n), irreversible: "never undone here" });
        awarded();
      }),
    counts: async () => countsOf(db.prepare(outboxWork.awardedCount).get()),
    close: async () => db.close(),
  };
}

const countsOf = (row: Readonly<Record<string, unknown>> | undefined): readonly [number, number] => [
  Number(row?.["count"]),
  Number(row?.["distinct_count"]),
];

function openUserDatabase(place: Place): Promise<UserDatabase> {
  if (isMariadb(place)) return openMysql(place.url);
  return isPostgres(place) ? openPostgres(place.url) : openSqlite(place.url);
}

/** Publishers and consumer in one process. The clock stops at the commit of the last effect. */
const endToEnd: RunCase = async (place, { count, warmUp }, meter) => {
  const store = await openStore(place);
  await store.open();
  await store.close();
  const user = await openUserDatabase(place);
  await user.shop.migrate();
  let left = 0;
  let settle = (): void => undefined;
  const award = user.awardJob(() => {
    if (--left === 0) settle();
  });
  const work = async (from: number, total: number): Promise<void> => {
    left = total;
    const all = new Promise<void>((resolve) => {
      settle = resolve;
    });
    await keepInFlight(outboxWork.width, total, async (n) => user.place(from + n));
    await all;
  };
  try {
    return await withWorkingApp(
      place,
      [award],
      async () => {
        await work(0, warmUp);
        const sample = await measureRate(count, () => work(warmUp, count), meter);
        const [all, distinct] = await user.counts();
        expectEqual("awards", all, warmUp + count);
        expectEqual("orders with an award", distinct, warmUp + count);
        return sample;
      },
      { participants: [user.shop] },
    );
  } finally {
    await user.close();
  }
};

export const outbox: Suite = {
  name: "outbox",
  title: "messages published in business transactions and consumed in transactions",
  cases: [
    {
      id: "end-to-end-64",
      title:
        "end to end: 64 business transactions at a time publish a message each, until the last effect is committed",
      unit: "messages",
      kind: "rate",
      count: 20_000,
      warmUp: 2_000,
      peerCount: 2_000,
      ours: endToEnd,
    },
  ],
};
