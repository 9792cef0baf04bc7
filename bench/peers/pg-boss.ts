// pg-boss on PostgreSQL. A job counts as done when its state is stored as completed; completed ones stay for days.
import { Pool } from "pg";
import { type ConstructorOptions, PgBoss, type WorkOptions } from "pg-boss";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { atMost, countdown, inFlight, pickUps, rateAt, until, versionsOf } from "./sampling.ts";

interface Setting {
  readonly boss: Omit<ConstructorOptions, "connectionString">;
  readonly isNotifying: boolean;
  readonly work: WorkOptions;
  /** How long a job may wait at an idle worker until the queue is looked at, in ms; 0 if the worker is told. */
  readonly pollMs: number;
  /** Jobs of `jobs/process` and `jobs/end-to-end-64` at most. */
  readonly maxProcessed: number;
  readonly maxPickUps: number;
}

interface Bench {
  readonly boss: PgBoss;
  readonly setting: Setting;
  /** Of the checks, not of pg-boss. */
  readonly pool: Pool;
}

type RunInBench = (bench: Bench, options: CaseOptions, meter?: Meter) => Promise<Sample>;

const queueName = "bench";
const poolSize = 32;
const bulkSize = 1_000;
/** One commit each at about 2,000 a second. */
const maxJobsOneByOne = 10_000;
/** The handler is given whole batches, and each is completed in one statement. */
const batches: WorkOptions = { batchSize: 500, localConcurrency: 4, burstWhenBatchFull: true };
const batchesInWords = `max ${poolSize}; batchSize 500, localConcurrency 4, burstWhenBatchFull; insert by 1,000 for jobs/process`;

export const contenders: readonly Contender[] = [
  contender("pg-boss, batched", `${batchesInWords}, pollingIntervalSeconds 0.5`, {
    boss: { max: poolSize },
    isNotifying: false,
    work: { ...batches, pollingIntervalSeconds: 0.5 },
    pollMs: 500,
    maxProcessed: Number.POSITIVE_INFINITY,
    maxPickUps: 40,
  }),
  contender("pg-boss, batched and notified", `${batchesInWords}; useListenNotify, queue with notify`, {
    boss: { max: poolSize, useListenNotify: true },
    isNotifying: true,
    work: batches,
    pollMs: 0,
    maxProcessed: Number.POSITIVE_INFINITY,
    maxPickUps: Number.POSITIVE_INFINITY,
  }),
  // One job every two seconds.
  contender("pg-boss, defaults", "insert by 1,000 for jobs/process", {
    boss: {},
    isNotifying: false,
    work: {},
    pollMs: 2_000,
    maxProcessed: 5,
    maxPickUps: 15,
  }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  const at =
    (run: RunInBench) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const bench = await open(place, setting);
      try {
        return await run(bench, options, meter);
      } finally {
        await bench.boss.stop();
        await bench.pool.end();
      }
    };
  return {
    name,
    needs: "postgres",
    settings,
    versions: () => versionsOf("pg-boss", "pg"),
    cases: {
      "jobs/process": at(processJobs),
      "jobs/enqueue-64": at(enqueueOneByOne),
      "jobs/end-to-end-64": at(endToEnd),
      "jobs/pickup-in-process": at(pickUpInProcess),
    },
  };
}

async function processJobs(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, bench.setting.maxProcessed);
  await addInBulk(bench, warmUp);
  if (warmUp > 0) await processAll(bench, warmUp);
  await addInBulk(bench, count);
  const sample = await processAll(bench, count, meter);
  expectEqual("completed jobs", await countJobs(bench, "completed"), warmUp + count);
  return sample;
}

/** The gate keeps the workers' start out of the measurement: it opens when the first handler is entered. */
async function processAll({ boss, setting, pool }: Bench, count: number, meter?: Meter): Promise<Sample> {
  const firstEntered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const entered = countdown(count);
  await boss.work(queueName, setting.work, async (jobs) => {
    firstEntered.resolve();
    await gate.promise;
    for (const _ of jobs) entered.tick();
  });
  await firstEntered.promise;
  const work = async (): Promise<void> => {
    gate.resolve();
    await entered.over;
    await untilAllDone(pool);
  };
  const sample = await measureRate(count, work, meter);
  await boss.offWork(queueName);
  return sample;
}

async function enqueueOneByOne(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, maxJobsOneByOne);
  const sample = await rateAt(inFlight.enqueue, { count, warmUp }, meter, () => bench.boss.send(queueName));
  expectEqual("waiting jobs", await countJobs(bench, "created"), warmUp + count);
  return sample;
}

async function endToEnd(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { boss, setting, pool } = bench;
  const { count, warmUp } = atMost(options, Math.min(maxJobsOneByOne, setting.maxProcessed));
  let entered = countdown(0);
  await boss.work(queueName, setting.work, async (jobs) => {
    for (const _ of jobs) entered.tick();
  });
  const work = async (total: number): Promise<void> => {
    entered = countdown(total);
    await keepInFlight(inFlight.enqueue, total, () => boss.send(queueName));
    await entered.over;
    await untilAllDone(pool);
  };
  await work(warmUp);
  const sample = await measureRate(count, () => work(count), meter);
  expectEqual("completed jobs", await countJobs(bench, "completed"), warmUp + count);
  return sample;
}

async function pickUpInProcess({ boss, setting, pool }: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const pickUp = pickUps();
  await boss.work(queueName, setting.work, async () => pickUp.entered());
  const limited = atMost(options, setting.maxPickUps);
  const sample = await pickUp.measure(limited, meter, () => boss.send(queueName), setting.pollMs);
  await untilAllDone(pool);
  return sample;
}

async function addInBulk({ boss }: Bench, count: number): Promise<void> {
  for (let added = 0; added < count; added += bulkSize) {
    await boss.insert(
      queueName,
      Array.from({ length: Math.min(bulkSize, count - added) }, () => ({})),
    );
  }
}

async function untilAllDone(pool: Pool): Promise<void> {
  await until("no job to be left", async () => {
    const { rows } = await pool.query("SELECT EXISTS (SELECT FROM pgboss.job WHERE state <> 'completed') AS some");
    return rows[0].some === false;
  });
}

async function countJobs({ pool }: Bench, state: "created" | "completed"): Promise<number> {
  const { rows } = await pool.query("SELECT count(*)::int AS count FROM pgboss.job WHERE name = $1 AND state = $2", [
    queueName,
    state,
  ]);
  return rows[0].count;
}

async function open(place: Place, setting: Setting): Promise<Bench> {
  const boss = new PgBoss({ connectionString: place.url, ...setting.boss });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(queueName, { notify: setting.isNotifying });
  return { boss, setting, pool: new Pool({ connectionString: place.url, max: 1 }) };
}
