// Jobs without steps: the work of a queue.
import { type App, job } from "../../src/index.ts";
import { expectEqual } from "../check.ts";
import { type Child, startChild } from "../child.ts";
import type { Meter, Place, RunCase, Sample } from "../contender.ts";
import { keepInFlight, measureLatency, measureRate } from "../measure.ts";
import { openApp, withWorkingApp } from "../store.ts";
import type { Suite } from "./suite.ts";

const atOnce = 64;
const bulkAtOnce = 1_000;
const idleMs = 50;

/** A job that does nothing, and the moment when it has been entered so many times. */
function noop() {
  let left = 0;
  let resolve: () => void = () => undefined;
  const definition = job("noop", {}, () => {
    if (--left === 0) resolve();
  });
  const entered = (times: number): Promise<void> => {
    left = times;
    if (times === 0) return Promise.resolve();
    return new Promise((settle) => {
      resolve = settle;
    });
  };
  return { definition, entered };
}

/** All is enqueued before anybody works; then one worker processes it. */
const processBacklog: RunCase = async (place, { count, warmUp }, meter) => {
  await enqueue(place, warmUp);
  await processAll(place, warmUp);
  await enqueue(place, count);
  const sample = await processAll(place, count, meter);
  await expectCompleted(place, warmUp + count);
  return sample;
};

/** From `run` until `stop` returns, which is when the last end is stored. */
async function processAll(place: Place, count: number, meter?: Meter): Promise<Sample> {
  const { definition, entered } = noop();
  const app = await openApp(place, [definition]);
  const work = async (): Promise<void> => {
    const all = entered(count);
    await app.run();
    await all;
    await app.stop({ grace: "1m" });
  };
  return measureRate(count, work, meter);
}

async function enqueue(place: Place, count: number): Promise<void> {
  const { definition } = noop();
  const app = await openApp(place, [definition]);
  await keepInFlight(bulkAtOnce, count, () => app.start(definition, undefined));
  await app.stop({ graceMs: 0 });
}

async function expectCompleted(place: Place, count: number): Promise<void> {
  const app = await openApp(place, []);
  const { completed } = await app.counts();
  await app.stop({ graceMs: 0 });
  expectEqual("completed jobs", completed, count);
}

const enqueueOnly: RunCase = async (place, { count, warmUp }, meter) => {
  const { definition } = noop();
  const app = await openApp(place, [definition]);
  const one = (): Promise<unknown> => app.start(definition, undefined);
  await keepInFlight(atOnce, warmUp, one);
  const sample = await measureRate(count, () => keepInFlight(atOnce, count, one), meter);
  expectEqual("ready jobs", (await app.counts()).ready, warmUp + count);
  await app.stop({ graceMs: 0 });
  return sample;
};

/** Adders and worker in one process. `stop` returns when the last end is stored. */
const endToEnd: RunCase = async (place, { count, warmUp }, meter) => {
  const { definition, entered } = noop();
  const work = async (app: App, total: number): Promise<void> => {
    const all = entered(total);
    await keepInFlight(atOnce, total, () => app.start(definition, undefined));
    await all;
  };
  const app = await openApp(place, [definition]);
  await app.run();
  await work(app, warmUp);
  const sample = await measureRate(
    count,
    async () => {
      await work(app, count);
      await app.stop({ grace: "1m" });
    },
    meter,
  );
  await expectCompleted(place, warmUp + count);
  return sample;
};

/** From the call of `start` until the handler is entered, at a worker that has been idle for a moment. */
const pickUpInProcess: RunCase = (place, { count, warmUp }, meter) => {
  const { definition, entered } = noop();
  return withWorkingApp(place, [definition], async (app) => {
    const unit = async (n: number): Promise<number> => {
      await idle(n);
      const askedAt = performance.now();
      const picked = entered(1).then(() => performance.now() - askedAt);
      await app.start(definition, undefined);
      return picked;
    };
    await keepInFlight(1, warmUp, unit);
    return measureLatency(count, unit, meter);
  });
};

/** The same with the worker in another process, by the machine's monotonic clock, which both share. */
const pickUpOtherProcess: RunCase = async (place, { count, warmUp }, meter) => {
  const worker: Child<"working" | { readonly enteredAt: string }> = startChild("workers/pick-up.ts", place);
  const { definition } = noop();
  const app = await openApp(place, [definition]);
  try {
    expectEqual("the worker's first word", await worker.next(), "working");
    const unit = async (n: number): Promise<number> => {
      await idle(n);
      const askedAt = process.hrtime.bigint();
      await app.start(definition, undefined);
      const word = await worker.next();
      if (word === "working") throw new TypeError("The worker began twice.");
      return Number(BigInt(word.enteredAt) - askedAt) / 1e6;
    };
    await keepInFlight(1, warmUp, unit);
    return await measureLatency(count, unit, meter);
  } finally {
    await worker.stop();
    await app.stop({ graceMs: 0 });
  }
};

/** Between one and two `idleMs`, spread evenly (golden ratio sequence), so that every phase of a poll is met. */
function idle(n: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, idleMs * (1 + ((n * 0.618_033_988_749) % 1))));
}

export const jobs: Suite = {
  name: "jobs",
  title: "jobs without steps: enqueue, process, end to end, pick-up",
  cases: [
    {
      id: "process",
      title: "process no-op jobs that were enqueued before",
      unit: "jobs",
      kind: "rate",
      count: 100_000,
      warmUp: 1_000,
      ours: processBacklog,
    },
    {
      id: "enqueue-64",
      title: "enqueue one by one, 64 in flight, each acknowledged after its commit",
      unit: "jobs",
      kind: "rate",
      count: 100_000,
      warmUp: 10_000,
      peerCount: 10_000,
      ours: enqueueOnly,
    },
    {
      id: "end-to-end-64",
      title: "end to end: 64 enqueue one by one, until the last end is stored",
      unit: "jobs",
      kind: "rate",
      count: 100_000,
      warmUp: 10_000,
      peerCount: 10_000,
      ours: endToEnd,
    },
    {
      id: "pickup-in-process",
      title: "from enqueuing until the handler is entered, at an idle worker in the same process",
      unit: "jobs",
      kind: "latency",
      count: 200,
      warmUp: 20,
      peerCount: 100,
      ours: pickUpInProcess,
    },
    {
      id: "pickup-other-process",
      title: "from enqueuing until the handler is entered, at an idle worker in another process",
      unit: "jobs",
      kind: "latency",
      count: 200,
      warmUp: 20,
      peerCount: 100,
      ours: pickUpOtherProcess,
    },
  ],
};
