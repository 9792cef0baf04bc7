// Locks by name: taken and released, nobody in the way. What is protected does nothing, so that only the lock is measured.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import type { HeldLock, LockOutcome } from "../../src/index.ts";
import { participant } from "../../src/index.ts";
import { mysql2 } from "../../src/mysql.ts";
import { nodePostgres } from "../../src/postgres.ts";
import { nodeSqlite } from "../../src/sqlite.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { keepInFlight, measureLatency, measureRate } from "../measure.ts";
import { isMariadb, isPostgres } from "../store.ts";
import type { Suite } from "./suite.ts";

export const lockWidth = 32;

/** A kind of lock: runs the function under the lock of that name, and tells its fence; 0 where there is none. */
export interface LockBench {
  locked(name: string): Promise<number>;
  close(): Promise<void>;
}

/** The two cases on any kind of lock. */
export function lockCases(open: (place: Place) => Promise<LockBench>): Readonly<Record<string, RunCase>> {
  const on =
    (run: (bench: LockBench, ...rest: Tail<Parameters<RunCase>>) => ReturnType<RunCase>): RunCase =>
    async (place, options, meter) => {
      const bench = await open(place);
      try {
        return await run(bench, options, meter);
      } finally {
        await bench.close();
      }
    };
  return {
    [`lock/${lockWidth}`]: on(async (bench, { count, warmUp }, meter) => {
      const unit = async (n: number): Promise<void> => void (await bench.locked(`order ${n}`));
      await keepInFlight(lockWidth, warmUp, unit);
      return measureRate(count, () => keepInFlight(lockWidth, count, (n) => unit(warmUp + n)), meter);
    }),
    "lock/1": on(async (bench, { count, warmUp }, meter) => {
      let last = 0;
      const unit = async (): Promise<void> => {
        const fence = await bench.locked("report");
        if (fence !== 0) expectEqual("a growing fence", fence > last, true);
        last = fence;
      };
      await keepInFlight(1, warmUp, unit);
      return measureLatency(count, unit, meter);
    }),
  };
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never;

export const fenceOf = ({ fence }: HeldLock): number => fence;
export function resultOf(outcome: LockOutcome<number>): number {
  if (outcome.kind === "done") return outcome.result;
  throw new Error(`Expected the lock to be free, found ${outcome.kind}.`);
}

async function openOurs(place: Place): Promise<LockBench> {
  const { orders, close } = openDatabase(place);
  await orders.migrate();
  return { locked: async (name) => resultOf(await orders.lock(name, {}, fenceOf)), close };
}

function openDatabase(place: Place) {
  if (isMariadb(place)) return openMysql(place.url);
  return isPostgres(place) ? openPostgres(place.url) : openSqlite(place.url);
}

function openMysql(url: string) {
  const pool = mysql.createPool({ uri: url, connectionLimit: lockWidth });
  return { orders: participant("orders", mysql2(pool)), close: () => pool.end() };
}

function openPostgres(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: lockWidth });
  return { orders: participant("orders", nodePostgres(pool)), close: () => pool.end() };
}

function openSqlite(path: string) {
  const db = new DatabaseSync(path, { timeout: 50 });
  db.exec("PRAGMA journal_mode = WAL");
  return { orders: participant("orders", nodeSqlite(db)), close: async () => db.close() };
}

const ours = lockCases(openOurs);

export const lock: Suite = {
  name: "lock",
  title: "locks by name, taken and released",
  cases: [
    {
      id: String(lockWidth),
      title: `take and release, a name for each, ${lockWidth} at a time`,
      unit: "locks",
      kind: "rate",
      count: 8_000,
      warmUp: 500,
      ours: ours[`lock/${lockWidth}`] as RunCase,
    },
    {
      id: "1",
      title: "take and release one name, one at a time",
      unit: "locks",
      kind: "latency",
      count: 1_000,
      warmUp: 100,
      ours: ours["lock/1"] as RunCase,
    },
  ],
};
