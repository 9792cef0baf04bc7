// A worker is killed in the middle of its jobs; another one takes over when its lease is out.
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import mysql from "mysql2/promise";
import pg from "pg";
import { type App, job } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import { startChild } from "../child.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { isMariadb, isPostgres, openApp } from "../store.ts";
import type { StuckOrders } from "../workers/stuck.ts";
import type { Suite } from "./suite.ts";

const startedAtOnce = 1_000;
const lookEveryMs = 10;

/** From the moment when the killed worker's lease is out, by the database's own word, until the last end is stored. */
const takeOver: RunCase = async (place, { count }, meter) => {
  const seen = { one: 0, two: 0, three: 0 };
  const { promise: lastStepOfAll, resolve } = Promise.withResolvers<void>();
  const recovered = job("recovered", {}, async (ctx) => {
    await ctx.step("one", { run: () => ++seen.one, irreversible: "does nothing" });
    await ctx.step("two", { run: () => ++seen.two, irreversible: "does nothing" });
    return ctx.step("three", { run: () => void (++seen.three === count && resolve()), irreversible: "does nothing" });
  });
  const app = await openApp(place, [recovered], { workerName: "successor" });
  await keepInFlight(startedAtOnce, count, () => app.start(recovered, undefined));
  const first = startChild<"all are stuck">("workers/stuck.ts", { place, count } satisfies StuckOrders);
  await first.next();
  await app.run();
  await first.kill();
  const leaseUntil = await readLease(place, "stuck");
  await pause(Math.max(0, leaseUntil - Date.now()));
  const finish = async (): Promise<void> => {
    await lastStepOfAll;
    await untilCompleted(app, count);
  };
  const sample = await measureRate(count, finish, meter);
  await app.stop();
  expectEqual("first steps done again", seen.one, 0);
  expectEqual("second steps done", seen.two, count);
  expectEqual("third steps done", seen.three, count);
  return sample;
};

async function untilCompleted(app: App, count: number): Promise<void> {
  while ((await app.counts()).completed < count) await pause(lookEveryMs);
}

/** In epoch milliseconds; database and benchmark are on one machine, so on one clock. */
async function readLease(place: Place, worker: string): Promise<number> {
  const column = "max(lease_until) AS until";
  if (isMariadb(place)) {
    const connection = await mysql.createConnection({ uri: place.url });
    const [rows] = await connection.execute(`SELECT ${column} FROM makegood_worker WHERE name = ?`, [
      Buffer.from(worker),
    ]);
    await connection.end();
    return Number((rows as { readonly until: unknown }[])[0]?.until);
  }
  if (!isPostgres(place)) {
    using database = new DatabaseSync(place.url, { readOnly: true });
    return Number(database.prepare(`SELECT ${column} FROM makegood_worker WHERE name = ?`).get(worker)?.["until"]);
  }
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  try {
    const sql = `SELECT ${column} FROM makegood.worker WHERE name = $1`;
    return Number((await client.query<{ until: string }>(sql, [worker])).rows[0]?.until);
  } finally {
    await client.end();
  }
}

export const recovery: Suite = {
  name: "recovery",
  title: "unfinished jobs after SIGKILL of their worker",
  cases: [
    {
      id: "10000",
      title: "unfinished 3-step jobs of a killed worker, from the end of its lease until all are finished",
      unit: "jobs",
      kind: "duration",
      count: 10_000,
      warmUp: 0,
      ours: takeOver,
    },
  ],
};
