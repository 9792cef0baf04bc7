// pg-boss's schedules on PostgreSQL, for the suite `schedules`. They know full minutes and have no backlog: a pass reads and
// evaluates all of them, and hands those of the last minute to a queue of its own, whose worker makes the jobs, 50 at each look.
import { Pool } from "pg";
import { type ConstructorOptions, PgBoss } from "pg-boss";
import type { Contender, Place } from "../contender.ts";
import { keepInFlight } from "../measure.ts";
import { type ScheduleBench, scheduleCases } from "../schedule-work.ts";
import { inFlight, versionsOf } from "./sampling.ts";

type Setting = Pick<ConstructorOptions, "cronMonitorIntervalSeconds" | "cronWorkerIntervalSeconds">;

const queueName = "bench";

const contender = (name: string, settings: string, setting: Setting, except: readonly string[] = []): Contender => ({
  name,
  needs: "postgres",
  settings,
  versions: () => versionsOf("pg-boss", "pg"),
  cases: scheduleCases((place) => open(place, setting), ["addAtMinute"], except),
});

export const contenders: readonly Contender[] = [
  // Beside 100,000 schedules its passes follow each other so closely that hardly anything else happens in the process.
  contender(
    "pg-boss schedules",
    "cronMonitorIntervalSeconds 1, cronWorkerIntervalSeconds 1: the shortest",
    { cronMonitorIntervalSeconds: 1, cronWorkerIntervalSeconds: 1 },
    ["minute-1e5"],
  ),
  contender("pg-boss schedules, defaults", "a pass every 30 s, its queue looked at every 5 s", {}),
];

async function open({ url }: Place, setting: Setting): Promise<ScheduleBench> {
  // Schedules are made by one that fires none.
  const maker = new PgBoss({ connectionString: url, schedule: false });
  const boss = new PgBoss({ connectionString: url, ...setting });
  for (const one of [maker, boss])
    one.on("error", (error) => {
      throw error;
    });
  await maker.start();
  await maker.createQueue(queueName);
  const pool = new Pool({ connectionString: url, max: 1 });
  let minute = 0;
  return {
    async addIdle(count) {
      if (count === 0) return;
      await maker.schedule(queueName, `0 ${(new Date().getUTCHours() + 12) % 24} * * *`, null, { key: "idle" });
      await pool.query(
        `INSERT INTO pgboss.schedule (name, key, kind, cron, timezone, data, options)
         SELECT name, 'idle-' || n, kind, cron, timezone, data, options
           FROM pgboss.schedule, generate_series(2, $1::integer) n WHERE key = 'idle'`,
        [count],
      );
    },
    async addAtMinute(count, at) {
      minute = at;
      const cron = `${new Date(at).getUTCMinutes()} * * * *`;
      await keepInFlight(inFlight.enqueue, count, (n) => maker.schedule(queueName, cron, null, { key: `due-${n}` }));
    },
    start: async () => void (await boss.start()),
    async countFires() {
      const { rows } = await pool.query("SELECT count(*)::int AS count FROM pgboss.job WHERE name = $1", [queueName]);
      return rows[0].count;
    },
    async fires() {
      const sql = "SELECT extract(epoch FROM created_on) * 1000 AS at FROM pgboss.job WHERE name = $1";
      const { rows } = await pool.query<{ at: string }>(sql, [queueName]);
      return rows.map(({ at }) => ({ plannedAt: minute, firedAt: Number(at) }));
    },
    async close() {
      await boss.stop();
      await maker.stop();
      await pool.end();
    },
  };
}
