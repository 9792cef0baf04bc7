// Agenda on PostgreSQL, for the suite `schedules`: it has no schedules apart from its jobs, each of which is a row with a time,
// locked by a statement of its own. A fire is the run of its handler.
import { PostgresBackend } from "@agendajs/postgres-backend";
import { Agenda } from "agenda";
import { Pool } from "pg";
import type { Contender, Place } from "../contender.ts";
import { hourMs, recordedFires, type ScheduleBench, scheduleCases } from "../schedule-work.ts";
import { versionsOf } from "./sampling.ts";

interface Setting {
  readonly processEvery: number;
  readonly maxConcurrency: number;
  readonly defaultConcurrency: number;
}

const name = "fired";

const contender = (
  title: string,
  settings: string,
  setting: Partial<Setting>,
  except: readonly string[],
): Contender => ({
  name: title,
  needs: "postgres",
  settings,
  versions: () => versionsOf("agenda", "@agendajs/postgres-backend", "pg"),
  cases: scheduleCases((place) => open(place, setting), ["addDue", "addEachSecond", "addAtMinute"], except),
});

const seconds = "an interval counts from the last start, so that a late fire moves those after it";

export const contenders: readonly Contender[] = [
  contender(
    "Agenda on PostgreSQL",
    `processEvery 100 ms, maxConcurrency and defaultConcurrency 100; ${seconds}`,
    { processEvery: 100, maxConcurrency: 100, defaultConcurrency: 100 },
    ["lag-1000"],
  ),
  // It looks every five seconds: once a second is beyond it.
  contender("Agenda on PostgreSQL, defaults", "processEvery 5 s, 5 at a time", {}, ["lag-100", "lag-1000"]),
];

async function open({ url }: Place, setting: Partial<Setting>): Promise<ScheduleBench> {
  const pool = new Pool({ connectionString: url });
  const agenda = new Agenda({ backend: new PostgresBackend({ pool }), ...setting });
  agenda.on("error", (error) => {
    throw error;
  });
  await agenda.ready;
  const { fired, ...found } = recordedFires();
  /** By job: when it is due next. An interval's time is known only from the run before. */
  const plans = new Map<string, number>();
  agenda.define(name, async ({ attrs }) => {
    const id = String(attrs._id);
    const planned = plans.get(id);
    if (planned !== undefined) fired(planned);
    plans.set(id, attrs.nextRunAt?.getTime() ?? 0);
  });

  /** Copies of a job that was made as users make them; due at `firstMs`, and each `stepMs` later than the one before. */
  const plant = async (count: number, interval: string, firstMs: number, stepMs: number): Promise<void> => {
    if (count === 0) return;
    const job = await agenda.create(name).repeatEvery(interval, { skipImmediate: true }).save();
    await pool.query(
      `INSERT INTO agenda_jobs (name, type, priority, repeat_interval, data, next_run_at)
       SELECT o.name, o.type, o.priority, o.repeat_interval, o.data, to_timestamp(($2 + n * $3::float8) / 1000)
         FROM agenda_jobs o, generate_series(0, $4::integer - 1) n WHERE o.id = $1`,
      [job.attrs._id, firstMs, stepMs, count],
    );
    await job.remove();
    await pool.query("VACUUM ANALYZE agenda_jobs");
  };
  const readPlans = async (): Promise<void> => {
    const soon =
      "SELECT id, extract(epoch FROM next_run_at) * 1000 AS at FROM agenda_jobs WHERE next_run_at < now() + '10 min'";
    for (const { id, at } of (await pool.query<{ id: string; at: string }>(soon)).rows) plans.set(id, Number(at));
  };

  return {
    addIdle: (count) => plant(count, "1 day", Date.now() + hourMs, 1),
    addDue: (count) => plant(count, "1 day", Date.now() - hourMs, 1),
    addEachSecond: (count, firstAt) => plant(count, "1 second", firstAt, 1_000 / count),
    addAtMinute: (count, at) => plant(count, "1 day", at, 0),
    async start() {
      await readPlans();
      await agenda.start();
    },
    ...found,
    async close() {
      await agenda.stop();
      await pool.end();
    },
  };
}
