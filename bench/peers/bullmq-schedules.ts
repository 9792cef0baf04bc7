// BullMQ's job schedulers on Redis, for the suite `schedules`. Each keeps one delayed job, and makes the next when a worker takes
// that one up, so that a fire is the run of a handler. What is missed while nobody fires is left out.
import { Queue, type RepeatOptions, Worker } from "bullmq";
import { Redis } from "ioredis";
import type { Contender, Place } from "../contender.ts";
import { keepInFlight } from "../measure.ts";
import { dayMs, hourMs, recordedFires, type ScheduleBench, scheduleCases } from "../schedule-work.ts";
import { inFlight, pause, versionsOf } from "./sampling.ts";

const queueName = "bench";

const contender = (appendFsync: "always" | "everysec"): Contender => ({
  name: `BullMQ job schedulers, appendfsync ${appendFsync}`,
  needs: "redis",
  appendFsync,
  settings: "upsertJobScheduler; concurrency 100, removeOnComplete",
  versions: () => versionsOf("bullmq", "ioredis"),
  cases: scheduleCases(open, ["addDue", "addEachSecond", "addAtMinute"]),
});

export const contenders: readonly Contender[] = [contender("always"), contender("everysec")];

async function open({ url }: Place): Promise<ScheduleBench> {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(queueName, { connection: redis });
  const { fired, ...found } = recordedFires();
  let worker: Worker | undefined;
  let made = 0;
  const add = (count: number, repeatOf: (n: number) => Omit<RepeatOptions, "key">): Promise<void> =>
    keepInFlight(inFlight.enqueue, count, (n) => queue.upsertJobScheduler(`schedule ${made++}`, repeatOf(n)));
  return {
    addIdle: (count) => add(count, (n) => ({ every: dayMs, startDate: Date.now() + hourMs + n })),
    async addDue(count) {
      // One whose time is past when it is made is not delayed, but waits at once.
      const dueAt = Date.now() + 2_000 + 2 * count;
      await add(count, () => ({ every: dayMs, startDate: dueAt }));
      await pause(dueAt - Date.now());
    },
    addEachSecond: (count, firstAt) =>
      add(count, (n) => ({ every: 1_000, startDate: firstAt + Math.floor((n * 1_000) / count) })),
    addAtMinute: (count, at) => add(count, () => ({ pattern: `${new Date(at).getUTCMinutes()} * * * *`, tz: "UTC" })),
    async start() {
      // The planned time is the end of the job's id.
      const handler = async ({ id = "" }): Promise<void> => fired(Number(id.slice(id.lastIndexOf(":") + 1)));
      worker = new Worker(queueName, handler, { connection: redis, concurrency: 100, removeOnComplete: { count: 0 } });
      worker.on("error", (error) => {
        throw error;
      });
      await worker.waitUntilReady();
    },
    ...found,
    async close() {
      await worker?.close();
      await queue.close();
      redis.disconnect();
    },
  };
}
