// BullMQ on Redis. A job counts as done when the worker has moved it to the completed ones (event `completed`).
import { type JobsOptions, Queue, Worker, type WorkerOptions } from "bullmq";
import { Redis } from "ioredis";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { atMost, countdown, inFlight, pickUps, rateAt, versionsOf } from "./sampling.ts";

type Fsync = "always" | "everysec";
type WorkerSettings = Pick<WorkerOptions, "concurrency" | "removeOnComplete">;

interface Setting {
  readonly fsync: Fsync;
  readonly worker: WorkerSettings;
  /** Jobs of `jobs/process` and `jobs/end-to-end-64` at most. */
  readonly maxJobs: number;
}

/** The place, ready: Redis flushes as it should, and is empty. */
interface Bench {
  readonly queue: Queue;
  readonly redis: Redis;
  readonly setting: Setting;
}

const queueName = "bench";
const bulkSize = 1_000;

// https://docs.bullmq.io/guide/workers/concurrency names 100 to 300 for work that waits; 100 was the faster of the two.
const fast: WorkerSettings = { concurrency: 100, removeOnComplete: { count: 0 } };

export const contenders: readonly Contender[] = [
  contender("BullMQ, appendfsync always", "concurrency 100, removeOnComplete", {
    fsync: "always",
    worker: fast,
    maxJobs: Number.POSITIVE_INFINITY,
  }),
  contender("BullMQ, appendfsync everysec", "concurrency 100, removeOnComplete", {
    fsync: "everysec",
    worker: fast,
    maxJobs: Number.POSITIVE_INFINITY,
  }),
  contender("BullMQ, appendfsync always, defaults", "", { fsync: "always", worker: {}, maxJobs: 20_000 }),
  contender("BullMQ, appendfsync everysec, defaults", "", { fsync: "everysec", worker: {}, maxJobs: 40_000 }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  const at =
    (run: (bench: Bench, options: CaseOptions, meter: Meter | undefined) => Promise<Sample>) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const bench = await open(place, setting);
      try {
        return await run(bench, options, meter);
      } finally {
        await bench.queue.close();
        bench.redis.disconnect();
      }
    };
  return {
    name,
    needs: "redis",
    appendFsync: setting.fsync,
    settings,
    versions: () => versionsOf("bullmq", "ioredis"),
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
  let done = countdown(warmUp);
  const worker = openWorker(bench, () => done.tick());
  await addInBulk(bench.queue, warmUp);
  await done.over;
  await worker.pause();

  await addInBulk(bench.queue, count);
  done = countdown(count);
  const work = async (): Promise<void> => {
    worker.resume();
    await done.over;
  };
  const sample = await measureRate(count, work, meter);
  await worker.close();
  await expectAllDone(bench, warmUp + count);
  return sample;
}

async function enqueueOneByOne(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const sample = await rateAt(inFlight.enqueue, options, meter, () => bench.queue.add("job", null));
  expectEqual("waiting jobs", await bench.queue.getWaitingCount(), options.warmUp + options.count);
  return sample;
}

async function endToEnd(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, bench.setting.maxJobs);
  let done = countdown(0);
  const worker = openWorker(bench, () => done.tick());
  const add = (): Promise<unknown> => bench.queue.add("job", null);
  const work = async (total: number): Promise<void> => {
    done = countdown(total);
    await keepInFlight(inFlight.enqueue, total, add);
    await done.over;
  };
  await work(warmUp);
  const sample = await measureRate(count, () => work(count), meter);
  await worker.close();
  await expectAllDone(bench, warmUp + count);
  return sample;
}

async function pickUpInProcess(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const pickUp = pickUps();
  const worker = openWorker(bench, () => undefined, pickUp.entered);
  await worker.waitUntilReady();
  const sample = await pickUp.measure(options, meter, () => bench.queue.add("job", null));
  await worker.close();
  await expectAllDone(bench, options.warmUp + options.count);
  return sample;
}

function openWorker(bench: Bench, completed: () => void, entered?: () => void): Worker {
  const { redis, setting } = bench;
  const worker = new Worker(queueName, async () => entered?.(), { connection: redis, ...setting.worker });
  worker.on("completed", completed);
  // Without a listener an `error` event ends the process, and with one it would be swallowed.
  worker.on("error", (error) => {
    throw error;
  });
  return worker;
}

async function addInBulk(queue: Queue, count: number): Promise<void> {
  const job = { name: "job", data: null, opts: {} satisfies JobsOptions };
  for (let added = 0; added < count; added += bulkSize) {
    await queue.addBulk(Array.from({ length: Math.min(bulkSize, count - added) }, () => job));
  }
}

/** Redis keeps completed jobs unless they are removed; either way none may be left over or failed. */
async function expectAllDone({ queue, setting }: Bench, count: number): Promise<void> {
  const kept = setting.worker.removeOnComplete === undefined ? count : 0;
  const { completed, ...others } = await queue.getJobCounts();
  expectEqual("completed jobs", completed, kept);
  for (const [state, found] of Object.entries(others)) expectEqual(`${state} jobs`, found, 0);
}

async function open(place: Place, setting: Setting): Promise<Bench> {
  // `maxRetriesPerRequest: null` is what BullMQ demands of a worker's connection.
  const redis = new Redis(place.url, { maxRetriesPerRequest: null });
  expectEqual("Redis's appendonly", await settingOf(redis, "appendonly"), "yes");
  expectEqual("Redis's appendfsync", await settingOf(redis, "appendfsync"), setting.fsync);
  expectEqual("keys in Redis", await redis.dbsize(), 0);
  const queue = new Queue(queueName, { connection: redis });
  await queue.waitUntilReady();
  return { queue, redis, setting };
}

async function settingOf(redis: Redis, name: string): Promise<unknown> {
  const [, value] = (await redis.config("GET", name)) as unknown[];
  return value;
}
