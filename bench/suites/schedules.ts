// What a fire costs, and how late it comes. But where a case says that each is run, a center fires and nobody runs what it
// started, which is the work of suite `jobs`.
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { ScheduleRow, ScheduleStore } from "../../src/core/schedule-store.ts";
import { every, job } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase, Sample } from "../contender.ts";
import { measureRate, quantile } from "../measure.ts";
import { dayMs, type Fire, hourMs, type ScheduleBench, scheduleCases, steadySeconds } from "../schedule-work.ts";
import { isPostgres, openApp, openStore } from "../store.ts";
import type { Case, Suite } from "./suite.ts";

const secondMs = 1_000;
const namespace = "default";
const fired = job("fired", {}, async () => {});
const catchUp = { policy: "catch-up", maxCatchUp: 1_000 } as const;

/** `count` fires that become due at one moment, beside schedules that do not. The center has long started by then. */
const backlog =
  (besideCount: number): RunCase =>
  async (place, { count, warmUp }, meter) => {
    await plant(place, besideCount, dayMs, (now) => [now + hourMs, 1]);
    await plant(place, warmUp, dayMs, (now) => [now - hourMs, 1]);
    let dueAt = 0;
    await plant(place, count, dayMs, (now) => {
      dueAt = now + startUpMs;
      return [dueAt, 0];
    });
    const sample = await withCenter(place, async (schedules) => {
      const isDue = async (): Promise<boolean> =>
        (await schedules.due({ namespace, names: [], limit: 1 })).schedules.length > 0;
      while (await isDue()) await wait(20);
      const leftMs = dueAt - (await schedules.now());
      expectEqual("time left when the center was ready", leftMs > 0, true);
      await wait(leftMs);
      const allFired = async (): Promise<void> => {
        while (await isDue()) await wait(5);
      };
      return measureRate(count, allFired, meter);
    });
    expectEqual("executions", await countFires(place), warmUp + count);
    return sample;
  };
/** When it starts, a process reconciles the schedules of its code, which takes its time beside a million. */
const startUpMs = 10_000;

/** 100,000 schedules, each due once in 10 s, evenly; the lag is from the planned time to the insert of its execution. */
const sustained: RunCase = async (place, { count, warmUp }, meter) => {
  const msPerFire = (secondMs * sustainedSeconds) / count;
  const everyMs = sustainedSchedules * msPerFire;
  let startMs = 0;
  await plant(place, sustainedSchedules, everyMs, (now) => {
    startMs = now + 10 * secondMs;
    return [startMs, msPerFire];
  });
  const [from, to] = [startMs + warmUp * msPerFire, startMs + (warmUp + count) * msPerFire];
  await withCenter(place, async (schedules) => {
    const until = async (at: number): Promise<void> => {
      while ((await schedules.now()) < at) await wait(20);
    };
    await until(from);
    await meter?.begin();
    await until(to);
    await meter?.end();
    const oldestDue = async (): Promise<number> =>
      (await schedules.due({ namespace, names: [], limit: 1 })).schedules[0]?.nextAt ?? Number.POSITIVE_INFINITY;
    while ((await oldestDue()) < to) await wait(20);
  });
  return lagsOf(place, from, to, count);
};
const sustainedSeconds = 60;
const sustainedSchedules = 100_000;

// ── As all others do it ────────────────────────────────────────────────────────────────────────────────────────────

/** `insert`: a fire counts when its execution is inserted, and nobody runs it. `run`: when its handler is entered. */
const openBench =
  (counted: "insert" | "run") =>
  async (place: Place): Promise<ScheduleBench> => {
    const entered = new Map<string, number>();
    const note = job("fired", {}, async ({ executionId }) => void entered.set(executionId, Date.now()));
    const app = await openApp(place, counted === "run" ? [note] : []);
    return {
      addIdle: (count) => plant(place, count, dayMs, (now) => [now + hourMs, 1]),
      addDue: (count) => plant(place, count, dayMs, (now) => [now - hourMs, 1]),
      addEachSecond: (count, firstAt) => plant(place, count, secondMs, () => [firstAt, secondMs / count]),
      addAtMinute: (count, at) => plant(place, count, dayMs, () => [at, 0]),
      start: () => app.run(),
      countFires: async () => (counted === "run" ? entered.size : countFires(place)),
      async fires() {
        const all = await firesAt(place);
        if (counted === "insert") return all;
        return all.flatMap(({ id, plannedAt }) => {
          const firedAt = entered.get(id);
          return firedAt === undefined ? [] : [{ plannedAt, firedAt }];
        });
      },
      close: () => app.stop({ graceMs: 0 }),
    };
  };

const inserted = scheduleCases(openBench("insert"), ["addAtMinute"]);
const run = scheduleCases(openBench("run"), ["addDue", "addEachSecond"]);

// ── The store ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function withCenter<T>(place: Place, use: (schedules: ScheduleStore) => Promise<T>): Promise<T> {
  const [app, store] = [await openApp(place, []), await openStore(place)];
  try {
    await store.open();
    await app.run();
    return await use(store.schedules);
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

/** The times are whole ms and few, so the database counts how often each occurs. */
async function lagsOf(place: Place, fromMs: number, toMs: number, expected: number): Promise<Sample> {
  const rows = await rowsOf(
    place,
    `SELECT created_at - scheduled_at AS lag, count(*) AS count FROM ${executions(place)}
      WHERE scheduled_at >= ${Math.floor(fromMs)} AND scheduled_at < ${Math.floor(toMs)} GROUP BY 1`,
  );
  const lags = rows.flatMap(({ lag, count }) => new Array<number>(Number(count)).fill(Number(lag)));
  expectEqual("fires", lags.length, expected);
  return { kind: "latency", p50Ms: quantile(lags, 0.5), p99Ms: quantile(lags, 0.99), count: lags.length };
}

async function firesAt(place: Place): Promise<readonly (Fire & { readonly id: string })[]> {
  const id = isPostgres(place) ? "id::text" : "lower(hex(id))";
  const sql = `SELECT ${id} AS id, created_at, scheduled_at FROM ${executions(place)} WHERE scheduled_at IS NOT NULL`;
  return (await rowsOf(place, sql)).map((row) => ({
    id: inUuidForm(String(row["id"])),
    plannedAt: Number(row["scheduled_at"]),
    firedAt: Number(row["created_at"]),
  }));
}

const executions = (place: Place): string => (isPostgres(place) ? "makegood.execution" : "makegood_execution");
const inUuidForm = (id: string): string => id.replace(/^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/, "$1-$2-$3-$4-$5");

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

const fires = { unit: "fires", count: 20_000, warmUp: 2_000, peerCount: 4_000 } as const;

function backlogCase(id: string, beside: string, besideCount: number, isLong = false): Case {
  const title = `fires that are due at once, beside ${beside} schedules that are not`;
  return { ...fires, id, title, kind: "rate", isLong, ours: backlog(besideCount) };
}

function steadyCase(perSecond: number): Case {
  const title = `${perSecond.toLocaleString("en-US")} fires a second for ${steadySeconds} s: from the planned time to the handler`;
  const [count, warmUp] = [perSecond * steadySeconds, perSecond * 2];
  const id = `lag-${perSecond}`;
  return { id, title, unit: "fires", kind: "latency", count, warmUp, ours: run[`schedules/${id}`] as RunCase };
}

/** Peers whose schedules know no seconds take part in these alone. */
function minuteCase(id: string, beside: string): Case {
  const title = `1,000 schedules of one and the same minute${beside}: from that minute to the insert, or to the handler`;
  const ours = inserted[`schedules/${id}`] as RunCase;
  return { id, title, unit: "fires", kind: "latency", count: 1_000, warmUp: 0, isLong: true, ours };
}

export const schedules: Suite = {
  name: "schedules",
  title: "what a fire costs, and how late it comes",
  comparesWithFirst: true,
  cases: [
    backlogCase("beside-1e3", "1,000", 1_000),
    backlogCase("beside-1e5", "100,000", 100_000),
    backlogCase("beside-1e6", "1,000,000", 1_000_000, true),
    {
      ...fires,
      id: "run-1e3",
      title: "fires that are due at once, each run by the same process, beside 1,000 schedules that are not",
      kind: "rate",
      ours: run["schedules/run-1e3"] as RunCase,
    },
    steadyCase(100),
    steadyCase(1_000),
    {
      id: "lag-10000",
      title: `10,000 fires a second of 100,000 schedules for ${sustainedSeconds} s: from the planned time to the insert`,
      unit: "fires",
      kind: "latency",
      count: 10_000 * sustainedSeconds,
      warmUp: sustainedSchedules,
      isLong: true,
      ours: sustained,
    },
    minuteCase("minute-1e3", ""),
    minuteCase("minute-1e5", ", beside 100,000 others"),
  ],
};
