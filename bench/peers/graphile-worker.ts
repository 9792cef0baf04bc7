// Graphile Worker on PostgreSQL. A job counts as done when its row is deleted.
import { Logger, makeWorkerUtils, type Runner, run, type WorkerUtils } from "graphile-worker";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { atMost, countdown, inFlight, pickUps, rateAt, until, versionsOf } from "./sampling.ts";

interface Setting {
  readonly worker: GraphileConfig.WorkerOptions;
  /** Connections of those who enqueue. */
  readonly enqueuePoolSize: number;
  /** Jobs of `jobs/process` at most. */
  readonly maxJobs: number;
}

interface Bench {
  readonly place: Place;
  readonly setting: Setting;
  readonly utils: WorkerUtils;
  /** Of the checks, not of Graphile Worker. */
  readonly pool: Pool;
}

const bulkSize = 1_000;
/** One commit each at 1,000 to 2,000 a second: `addJob` notifies within its transaction, which keeps commits apart. */
const maxJobsOneByOne = 10_000;

export const contenders: readonly Contender[] = [
  // The configuration of https://worker.graphile.org/docs/performance.
  contender(
    "Graphile Worker, batched",
    "concurrentJobs 24, maxPoolSize 25, localQueue.size 500, completeJobBatchDelay 0, failJobBatchDelay 0; " +
      "maxPoolSize 64 to enqueue; addJobs by 1,000 for jobs/process",
    {
      worker: {
        concurrentJobs: 24,
        maxPoolSize: 25,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
      enqueuePoolSize: 64,
      maxJobs: Number.POSITIVE_INFINITY,
    },
  ),
  contender("Graphile Worker, defaults", "addJobs by 1,000 for jobs/process", {
    worker: {},
    enqueuePoolSize: 10,
    maxJobs: 10_000,
  }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  const at =
    (runCase: (bench: Bench, options: CaseOptions, meter?: Meter) => Promise<Sample>) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const bench = await open(place, setting);
      try {
        return await runCase(bench, options, meter);
      } finally {
        await bench.utils.release();
        await bench.pool.end();
      }
    };
  return {
    name,
    needs: "postgres",
    settings,
    versions: () => versionsOf("graphile-worker", "pg"),
    cases: {
      "jobs/process": at(processJobs),
      "jobs/enqueue-64": at(enqueueOneByOne),
      "jobs/end-to-end-64": at(endToEnd),
      "jobs/pickup-in-process": at(pickUpInProcess),
    },
  };
}

async function processJobs(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, bench.setting.maxJobs);
  await addInBulk(bench, warmUp);
  const firstRunner = await startWorker(bench, async () => undefined);
  await untilAllDone(bench);
  await firstRunner.stop();

  await addInBulk(bench, count);
  // The gate keeps the worker's start out of the measurement: it opens when the first handler is entered.
  const firstEntered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const entered = countdown(count);
  const runner = await startWorker(bench, async () => {
    firstEntered.resolve();
    await gate.promise;
    entered.tick();
  });
  await firstEntered.promise;
  const work = async (): Promise<void> => {
    gate.resolve();
    await entered.over;
    await untilAllDone(bench);
  };
  const sample = await measureRate(count, work, meter);
  await runner.stop();
  return sample;
}

async function enqueueOneByOne(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, maxJobsOneByOne);
  const sample = await rateAt(inFlight.enqueue, { count, warmUp }, meter, () => bench.utils.addJob("job", null));
  expectEqual("waiting jobs", await countJobs(bench), warmUp + count);
  return sample;
}

async function endToEnd(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, maxJobsOneByOne);
  let entered = countdown(0);
  const runner = await startWorker(bench, async () => entered.tick());
  const work = async (total: number): Promise<void> => {
    entered = countdown(total);
    await keepInFlight(inFlight.enqueue, total, () => bench.utils.addJob("job", null));
    await entered.over;
    await untilAllDone(bench);
  };
  await work(warmUp);
  const sample = await measureRate(count, () => work(count), meter);
  await runner.stop();
  return sample;
}

async function pickUpInProcess(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const pickUp = pickUps();
  const runner = await startWorker(bench, async () => pickUp.entered());
  const sample = await pickUp.measure(options, meter, () => bench.utils.addJob("job", null));
  await untilAllDone(bench);
  await runner.stop();
  return sample;
}

async function addInBulk({ utils }: Bench, count: number): Promise<void> {
  for (let added = 0; added < count; added += bulkSize) {
    await utils.addJobs(
      Array.from({ length: Math.min(bulkSize, count - added) }, () => ({ identifier: "job", payload: null })),
    );
  }
}

function startWorker({ place, setting }: Bench, job: () => Promise<void>): Promise<Runner> {
  return run({
    preset: presetOf(place, setting.worker),
    taskList: { job },
    parsedCronItems: [],
    noHandleSignals: true,
  });
}

/** Completed jobs are deleted; a failed one stays, so that waiting for it ends in an error. */
async function untilAllDone(bench: Bench): Promise<void> {
  await until("no job to be left", async () => {
    const { rows } = await bench.pool.query("SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS some");
    return rows[0].some === false;
  });
}

async function countJobs(bench: Bench): Promise<number> {
  const { rows } = await bench.pool.query("SELECT count(*)::int AS count FROM graphile_worker._private_jobs");
  return rows[0].count;
}

async function open(place: Place, setting: Setting): Promise<Bench> {
  const utils = await makeWorkerUtils({ preset: presetOf(place, { maxPoolSize: setting.enqueuePoolSize }) });
  await utils.migrate();
  return { place, setting, utils, pool: new Pool({ connectionString: place.url, max: 1 }) };
}

function presetOf(place: Place, worker: GraphileConfig.WorkerOptions): GraphileConfig.Preset {
  const silent = new Logger(() => () => undefined);
  return { worker: { ...worker, connectionString: place.url, logger: silent } };
}
