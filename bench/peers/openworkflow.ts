// OpenWorkflow on PostgreSQL. Its handles look for a result once a second, so a caller of many would measure that interval:
// where many are under way, a workflow's place is free when its function returns, and the time runs until all are stored as
// completed.
import { OpenWorkflow } from "openworkflow";
import { BackendPostgres } from "openworkflow/postgres";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { atMost, inFlight, latencyAlone, until, versionsOf } from "./sampling.ts";

interface Setting {
  readonly concurrency: number | undefined;
  readonly maxWorkflows: number;
}

interface Bench {
  readonly setting: Setting;
  readonly client: OpenWorkflow;
  /** Of the checks, not of OpenWorkflow. */
  readonly pool: Pool;
}

type RunInBench = (bench: Bench, options: CaseOptions, meter?: Meter) => Promise<Sample>;

/** At a second each, which is the interval at which a result is looked for. */
const maxAlone = 10;

export const contenders: readonly Contender[] = [
  contender("OpenWorkflow", "concurrency 32", { concurrency: 32, maxWorkflows: 2_000 }),
  contender("OpenWorkflow, defaults", "", { concurrency: undefined, maxWorkflows: 200 }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  const at =
    (run: RunInBench) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const backend = await BackendPostgres.connect(place.url);
      const pool = new Pool({ connectionString: place.url, max: 1 });
      try {
        return await run({ setting, client: new OpenWorkflow({ backend }), pool }, options, meter);
      } finally {
        await backend.stop();
        await pool.end();
      }
    };
  return {
    name,
    needs: "postgres",
    settings,
    versions: () => versionsOf("openworkflow", "postgres"),
    cases: { "steps/256": at(threeStepsMany), "steps/1": at(threeStepsAlone), "sagas/256": at(sagas) },
  };
}

async function threeStepsMany(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, bench.setting.maxWorkflows);
  const returned = returns();
  const workflow = bench.client.defineWorkflow<number, number>({ name: "three-steps" }, async ({ input, step }) => {
    const one = await step.run({ name: "one" }, () => 1);
    const two = await step.run({ name: "two" }, () => one + 1);
    const three = await step.run({ name: "three" }, () => two + 1);
    returned.tell(input);
    return three;
  });
  const sample = await measureMany(bench, limited, meter, async (n) => {
    await Promise.all([returned.of(n), workflow.run(n)]);
  });
  const each = limited.warmUp + limited.count;
  const { rows } = await bench.pool.query(
    "SELECT count(*)::int AS n FROM openworkflow.workflow_runs WHERE output = '3'",
  );
  expectEqual("workflows with the right result", rows[0].n, each);
  await expectSteps(bench, "completed", { one: each, two: each, three: each });
  return sample;
}

async function threeStepsAlone(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, maxAlone);
  const workflow = bench.client.defineWorkflow<void, number>({ name: "three-steps" }, async ({ step }) => {
    const one = await step.run({ name: "one" }, () => 1);
    const two = await step.run({ name: "two" }, () => one + 1);
    return step.run({ name: "three" }, () => two + 1);
  });
  const worker = bench.client.newWorker({ concurrency: bench.setting.concurrency });
  await worker.start();
  const sample = await latencyAlone(limited, meter, async () => {
    const handle = await workflow.run();
    expectEqual("a workflow's result", await handle.result(), 3);
  });
  await worker.stop();
  return sample;
}

async function sagas(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, bench.setting.maxWorkflows);
  const returned = returns();
  const undone = { one: 0, two: 0 };
  const workflow = bench.client.defineWorkflow<number, string>({ name: "saga" }, async ({ input, step }) => {
    await step.run({ name: "one" }, () => 1);
    await step.run({ name: "two" }, () => 2);
    try {
      await step.run({ name: "three", retryPolicy: { maximumAttempts: 1 } }, () =>
        Promise.reject(new Error("refused")),
      );
    } catch {
      await step.run({ name: "undo-two" }, () => void undone.two++);
      await step.run({ name: "undo-one" }, () => void undone.one++);
      returned.tell(input);
      return "undone";
    }
    return "done";
  });
  const sample = await measureMany(bench, limited, meter, async (n) => {
    await Promise.all([returned.of(n), workflow.run(n)]);
  });
  const each = limited.warmUp + limited.count;
  expectEqual("first steps undone", undone.one, each);
  expectEqual("second steps undone", undone.two, each);
  await expectSteps(bench, "completed", { one: each, two: each, "undo-two": each, "undo-one": each });
  await expectSteps(bench, "failed", { three: each });
  return sample;
}

async function measureMany(
  bench: Bench,
  { count, warmUp }: CaseOptions,
  meter: Meter | undefined,
  unit: (n: number) => Promise<void>,
): Promise<Sample> {
  const worker = bench.client.newWorker({ concurrency: bench.setting.concurrency });
  await worker.start();
  await keepInFlight(inFlight.workflows, warmUp, unit);
  await untilAllCompleted(bench, warmUp);
  const work = async (): Promise<void> => {
    await keepInFlight(inFlight.workflows, count, (n) => unit(warmUp + n));
    await untilAllCompleted(bench, warmUp + count);
  };
  const sample = await measureRate(count, work, meter);
  await worker.stop();
  return sample;
}

/** Says when the function of workflow `n` returns, which may be before its start is acknowledged. */
function returns() {
  const waiting = new Map<number, () => void>();
  return {
    of: (n: number): Promise<void> => new Promise((settle) => waiting.set(n, settle)),
    tell: (n: number): void => waiting.get(n)?.(),
  };
}

async function untilAllCompleted({ pool }: Bench, workflows: number): Promise<void> {
  await until(`${workflows} workflows to be completed`, async () => {
    const { rows } = await pool.query(
      "SELECT count(*)::int AS n FROM openworkflow.workflow_runs WHERE status = 'completed'",
    );
    return rows[0].n === workflows;
  });
}

/** Each step was recorded so many times. */
async function expectSteps({ pool }: Bench, status: string, expected: Readonly<Record<string, number>>): Promise<void> {
  const { rows } = await pool.query(
    "SELECT step_name, count(*)::int AS n FROM openworkflow.step_attempts WHERE status = $1 GROUP BY step_name",
    [status],
  );
  const found = new Map(rows.map((row) => [row.step_name, row.n]));
  for (const [name, times] of Object.entries(expected)) expectEqual(`${status} ${name}`, found.get(name), times);
}
