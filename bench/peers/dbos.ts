// DBOS Transact on PostgreSQL. Workflows are called in this process, as its documentation shows; jobs go through a queue.
// A workflow counts when its caller has the result. Steps that are transactions: dbos-4.ts.
import { DBOS, type DBOSConfig } from "dbos-sdk-5";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { takeOver } from "./dbos-recovery.ts";
import { atMost, countdown, inFlight, latencyAlone, pickUps, rateAt, until, versionsOf } from "./sampling.ts";

interface Setting {
  readonly config: Pick<DBOSConfig, "systemDatabasePoolSize">;
  readonly queue: NonNullable<Parameters<typeof DBOS.registerQueue>[1]>;
  /** How long a job may wait at an idle worker until the queue is looked at, in ms. */
  readonly pollMs: number;
  readonly maxPickUps: number;
}

interface Bench {
  readonly setting: Setting;
  /** Of the checks, not of DBOS. */
  readonly pool: Pool;
}

type RunInBench = (bench: Bench, options: CaseOptions, meter?: Meter) => Promise<Sample>;

const queueName = "bench";
const poolSize = 32;
/** At hundreds of workflows and one to two thousand jobs a second. */
const maxWorkflows = 4_000;
const maxJobs = 10_000;

export const contenders: readonly Contender[] = [
  contender(
    "DBOS Transact",
    `systemDatabasePoolSize ${poolSize}, queue: minPollingIntervalMs 10, workerConcurrency 200`,
    {
      config: { systemDatabasePoolSize: poolSize },
      queue: { minPollingIntervalMs: 10, workerConcurrency: 200 },
      pollMs: 10,
      maxPickUps: Number.POSITIVE_INFINITY,
    },
  ),
  contender("DBOS Transact, defaults", "", {
    config: {},
    queue: {},
    pollMs: 1_000,
    maxPickUps: 20,
  }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  const at =
    (run: RunInBench) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const bench = open(place, setting);
      try {
        return await run(bench, options, meter);
      } finally {
        await DBOS.shutdown();
        await bench.pool.end();
      }
    };
  return {
    name,
    needs: "postgres",
    settings,
    versions: () => versionsOf("dbos-sdk-5", "pg"),
    cases: {
      "steps/256": at(threeStepsMany),
      "steps/1": at(threeStepsAlone),
      "sagas/256": at(sagas),
      "recovery/10000": (place, options, meter) => takeOver(place, setting.config, options, meter),
      "jobs/process": at(processJobs),
      "jobs/enqueue-64": at(enqueueOneByOne),
      "jobs/end-to-end-64": at(endToEnd),
      "jobs/pickup-in-process": at(pickUpInProcess),
    },
  };
}

async function threeStepsMany(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, maxWorkflows);
  const runOne = registerThreeSteps();
  await DBOS.launch();
  const sample = await rateAt(inFlight.workflows, limited, meter, runOne);
  await expectSteps(bench, { one: limited.warmUp + limited.count, three: limited.warmUp + limited.count });
  return sample;
}

async function threeStepsAlone(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const runOne = registerThreeSteps();
  await DBOS.launch();
  const sample = await latencyAlone(options, meter, runOne);
  await expectSteps(bench, { one: options.warmUp + options.count, three: options.warmUp + options.count });
  return sample;
}

function registerThreeSteps(): () => Promise<void> {
  const workflow = DBOS.registerWorkflow(
    async () => {
      const one = await DBOS.runStep(async () => 1, { name: "one" });
      const two = await DBOS.runStep(async () => one + 1, { name: "two" });
      return DBOS.runStep(async () => two + 1, { name: "three" });
    },
    { name: "three-steps" },
  );
  return async () => expectEqual("a workflow's result", await workflow(), 3);
}

async function sagas(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, maxWorkflows);
  const saga = DBOS.registerWorkflow(
    async () => {
      await DBOS.runStep(async () => 1, { name: "one" });
      await DBOS.runStep(async () => 2, { name: "two" });
      try {
        await DBOS.runStep(() => Promise.reject(new Error("refused")), { name: "three" });
      } catch {
        await DBOS.runStep(async () => undefined, { name: "undo-two" });
        await DBOS.runStep(async () => undefined, { name: "undo-one" });
        return "undone";
      }
      return "done";
    },
    { name: "saga" },
  );
  await DBOS.launch();
  const sample = await rateAt(inFlight.workflows, limited, meter, async () =>
    expectEqual("a saga's result", await saga(), "undone"),
  );
  const each = limited.warmUp + limited.count;
  await expectSteps(bench, { one: each, two: each, three: each, "undo-two": each, "undo-one": each });
  return sample;
}

async function processJobs(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count: jobs, warmUp } = atMost(options, maxJobs);
  // The gate keeps it out of the measurement how long DBOS takes to find out that there is a queue: it opens when the
  // first handler is entered.
  let firstEntered = Promise.withResolvers<void>();
  let gate = Promise.withResolvers<void>();
  let entered = countdown(0);
  const enqueue = registerJob(async () => {
    firstEntered.resolve();
    await gate.promise;
    entered.tick();
  });
  await DBOS.launch();
  const processOn = async (name: string, total: number, meterOfThis?: Meter): Promise<Sample> => {
    firstEntered = Promise.withResolvers();
    gate = Promise.withResolvers();
    entered = countdown(total);
    await keepInFlight(inFlight.enqueue, total, () => enqueue(name));
    await DBOS.registerQueue(name, bench.setting.queue);
    await firstEntered.promise;
    const work = async (): Promise<void> => {
      gate.resolve();
      await entered.over;
      await untilAllDone(bench);
    };
    return measureRate(total, work, meterOfThis);
  };
  if (warmUp > 0) await processOn("warm-up", warmUp);
  const sample = await processOn(queueName, jobs, meter);
  await expectJobs(bench, "SUCCESS", warmUp + jobs);
  return sample;
}

async function enqueueOneByOne(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count: jobs, warmUp } = atMost(options, maxJobs);
  const enqueue = registerJob(async () => undefined);
  await DBOS.launch();
  const sample = await rateAt(inFlight.enqueue, { count: jobs, warmUp }, meter, () => enqueue());
  await expectJobs(bench, "ENQUEUED", warmUp + jobs);
  return sample;
}

async function endToEnd(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count: jobs, warmUp } = atMost(options, maxJobs);
  let entered = countdown(0);
  const enqueue = registerJob(async () => entered.tick());
  await DBOS.launch();
  await DBOS.registerQueue(queueName, bench.setting.queue);
  const work = async (total: number): Promise<void> => {
    entered = countdown(total);
    await keepInFlight(inFlight.enqueue, total, () => enqueue());
    await entered.over;
    await untilAllDone(bench);
  };
  await work(warmUp);
  const sample = await measureRate(jobs, () => work(jobs), meter);
  await expectJobs(bench, "SUCCESS", warmUp + jobs);
  return sample;
}

async function pickUpInProcess(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { pollMs, maxPickUps, queue } = bench.setting;
  const pickUp = pickUps();
  const enqueue = registerJob(async () => pickUp.entered());
  await DBOS.launch();
  await DBOS.registerQueue(queueName, queue);
  const sample = await pickUp.measure(atMost(options, maxPickUps), meter, () => enqueue(), pollMs);
  await untilAllDone(bench);
  return sample;
}

function registerJob(handler: () => Promise<void>): (queue?: string) => Promise<unknown> {
  const job = DBOS.registerWorkflow(handler, { name: "job" });
  return (queue = queueName) => DBOS.startWorkflow(job, { queueName: queue })();
}

async function untilAllDone(bench: Bench): Promise<void> {
  await until("no workflow to be left", async () => {
    const { rows } = await bench.pool.query(
      "SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')) AS some",
    );
    return rows[0].some === false;
  });
}

async function expectJobs(bench: Bench, status: string, expected: number): Promise<void> {
  const found = await count(bench, "FROM dbos.workflow_status WHERE status = $1", [status]);
  expectEqual(`jobs with status ${status}`, found, expected);
}

/** Every workflow ended well, and each step was recorded so many times. */
async function expectSteps(bench: Bench, expected: Readonly<Record<string, number>>): Promise<void> {
  expectEqual("unfinished workflows", await count(bench, "FROM dbos.workflow_status WHERE status <> 'SUCCESS'"), 0);
  for (const [name, times] of Object.entries(expected)) {
    const found = await count(bench, "FROM dbos.operation_outputs WHERE function_name = $1", [name]);
    expectEqual(`records of step ${name}`, found, times);
  }
}

async function count({ pool }: Bench, fromWhere: string, values: readonly string[] = []): Promise<number> {
  const { rows } = await pool.query(`SELECT count(*)::int AS count ${fromWhere}`, [...values]);
  return rows[0].count;
}

function open(place: Place, setting: Setting): Bench {
  // Of DBOS's use of pg, at every start.
  process.noDeprecation = true;
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: place.url, logLevel: "error", ...setting.config });
  return { setting, pool: new Pool({ connectionString: place.url, max: 1 }) };
}
