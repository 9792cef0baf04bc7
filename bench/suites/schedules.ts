// What a fire costs, and how late it comes. A center fires; nobody runs what it started, which is the work of suite `jobs`.
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { ScheduleRow, ScheduleStore } from "../../src/core/schedule-store.ts";
import { every, job } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase, Sample } from "../contender.ts";
import { measureRate, quantile } from "../measure.ts";
import { isPostgres, openApp, openStore } from "../store.ts";
import type { Case, Suite } from "./suite.ts";

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const namespace = "default";
const fired = job("fired", {}, async () => {});
const catchUp = { policy: "catch-up", maxCatchUp: 1_000 } as const;

/** `count` fires that are due, beside schedules that are not. */
const backlog =
  (besideCount: number): RunCase =>
  async (place, { count, warmUp }, meter) => {
    await plant(place, besideCount, dayMs, (now) => [now + hourMs, 1]);
    await plant(place, warmUp, dayMs, (now) => [now - hourMs, 1]);
    await fireAll(place);
    await plant(place, count, dayMs, (now) => [now - hourMs, 1]);
    const sample = await measureRate(count, () => fireAll(place), meter);
    expectEqual("executions", await countFires(place), warmUp + count);
    return sample;
  };

/** Fires until nothing is due. */
async function fireAll(place: Place): Promise<void> {
  await withCenter(place, async (schedules) => {
    while ((await schedules.due({ namespace, names: [], limit: 1 })).schedules.length > 0) await wait(5);
  });
}

const spreadMs = 1_000;

/** So many a second, evenly, each schedule once a second; the lag is from the planned time to the insert of its execution. */
const steady: RunCase = async (place, { count, warmUp }, meter) => {
  const perSecond = count / steadySeconds;
  const warmUpMs = 1_000 * Math.ceil(warmUp / perSecond);
  let startMs = 0;
  await plant(place, perSecond, spreadMs, (now) => {
    startMs = now + 2_000;
    return [startMs, spreadMs / perSecond];
  });
  await withCenter(place, async (schedules) => {
    const until = async (at: number): Promise<void> => {
      while ((await schedules.now()) < at) await wait(20);
    };
    await until(startMs + warmUpMs);
    await meter?.begin();
    await until(startMs + warmUpMs + 1_000 * steadySeconds);
    await meter?.end();
  });
  return lagsOf(place, startMs + warmUpMs, startMs + warmUpMs + 1_000 * (steadySeconds - 1));
};
const steadySeconds = 10;

// ── The store ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function withCenter(place: Place, use: (schedules: ScheduleStore) => Promise<void>): Promise<void> {
  const [app, store] = [await openApp(place, []), await openStore(place)];
  try {
    await store.open();
    await app.run();
    await use(store.schedules);
  } finally {
    await app.stop({ graceMs: 0 });
    await store.close();
  }
}

/** Copies of a schedule that was made as users make them; each begins `[first, step]` later than the one before. */
async function plant(
  place: Place,
  count: number,
  everyMs: number,
  begins: (now: number) => readonly [firstMs: number, stepMs: number],
): Promise<void> {
  if (count === 0) return;
  const [app, store] = [await openApp(place, []), await openStore(place)];
  await store.open();
  const { id } = await app.schedules.add(fired, every(everyMs, { misfire: catchUp, start: 0 }), { paused: true });
  const now = await store.schedules.now();
  const original = (await store.schedules.find(id)) as ScheduleRow;
  await copySchedule(place, original, count, begins(now));
  await app.schedules.remove(id);
  await app.stop({ graceMs: 0 });
  await store.close();
}

const columns = "created_at, updated_at, version, needs_code, namespace, source, job, input";

async function copySchedule(
  place: Place,
  { id, definition }: ScheduleRow,
  count: number,
  [firstMs, stepMs]: readonly [number, number],
): Promise<void> {
  const at = `CAST(floor(${firstMs} + n * ${stepMs}) AS bigint)`;
  if (!isPostgres(place)) {
    using database = new DatabaseSync(place.url);
    const text = `replace('${definition}', '"start":0', '"start":' || ${at})`;
    database.exec(`INSERT INTO makegood_schedule (id, enabled_at, next_at, definition, ${columns})
      WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < ${count - 1})
      SELECT randomblob(16), 0, ${at}, ${text}, ${columns} FROM s, makegood_schedule WHERE id = unhex('${id.replaceAll("-", "")}')`);
    return;
  }
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  await client.query(
    `INSERT INTO makegood.schedule (id, enabled_at, next_at, definition, ${columns})
     SELECT gen_random_uuid(), 0, ${at}, replace($2, '"start":0', '"start":' || ${at}), ${columns}
       FROM generate_series(0, $3::bigint - 1) n, makegood.schedule WHERE id = $1`,
    [id, definition, count],
  );
  await client.query("VACUUM (ANALYZE) makegood.schedule");
  await client.query("CHECKPOINT");
  await client.end();
}

async function countFires(place: Place): Promise<number> {
  const app = await openApp(place, []);
  const { ready } = await app.counts();
  await app.stop({ graceMs: 0 });
  return ready;
}

async function lagsOf(place: Place, fromMs: number, toMs: number): Promise<Sample> {
  const sql = `SELECT created_at - scheduled_at AS lag FROM ${isPostgres(place) ? "makegood.execution" : "makegood_execution"} WHERE scheduled_at >= ${fromMs} AND scheduled_at < ${toMs}`;
  const lags = (await rowsOf(place, sql)).map((row) => Number(row["lag"]));
  return { kind: "latency", p50Ms: quantile(lags, 0.5), p99Ms: quantile(lags, 0.99), count: lags.length };
}

async function rowsOf(place: Place, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  if (!isPostgres(place)) {
    using database = new DatabaseSync(place.url);
    return database.prepare(sql).all();
  }
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function backlogCase(id: string, title: string, besideCount: number, isLong = false): Case {
  const full = `fires that are due, beside ${title} that are not`;
  return {
    id,
    title: full,
    unit: "fires",
    kind: "rate",
    count: 20_000,
    warmUp: 2_000,
    isLong,
    ours: backlog(besideCount),
  };
}

function steadyCase(perSecond: number, isLong = false): Case {
  const title = `${perSecond.toLocaleString("en-US")} fires a second for ${steadySeconds} s: from the planned time to the insert`;
  const count = perSecond * steadySeconds;
  return {
    id: `lag-${perSecond}`,
    title,
    unit: "fires",
    kind: "latency",
    count,
    warmUp: perSecond * 2,
    isLong,
    ours: steady,
  };
}

export const schedules: Suite = {
  name: "schedules",
  title: "what a fire costs, and how late it comes",
  cases: [
    backlogCase("beside-1e3", "1,000 schedules", 1_000),
    backlogCase("beside-1e5", "100,000 schedules", 100_000),
    backlogCase("beside-1e6", "1,000,000 schedules", 1_000_000, true),
    steadyCase(1_000),
    steadyCase(10_000, true),
  ],
};
