// Graphile Worker on PostgreSQL, for the suite `schedules`. Its own schedules, the crontab, know full minutes and have no backlog.
// Below a minute its users let a job add itself again, for the next planned time and under its key; a fire is the run of it.
import { Logger, makeWorkerUtils, type ParsedCronItem, parseCronItems, type Runner, run } from "graphile-worker";
import type { Contender, Place } from "../contender.ts";
import { dayMs, hourMs, recordedFires, type ScheduleBench, scheduleCases } from "../schedule-work.ts";
import { versionsOf } from "./sampling.ts";

const bulkSize = 1_000;
const versions = (): Record<string, string> => versionsOf("graphile-worker", "pg");
/** As in `graphile-worker.ts`; delayed jobs are found by polling, so that is set to 100 ms from 2 s. */
const worker: GraphileConfig.WorkerOptions = {
  ...{ concurrentJobs: 24, maxPoolSize: 25, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  ...{ localQueue: { size: 500 }, pollInterval: 100 },
};
const inWords =
  "concurrentJobs 24, maxPoolSize 25, localQueue.size 500, completeJobBatchDelay 0, failJobBatchDelay 0, pollInterval 100";

export const contenders: readonly Contender[] = [
  {
    name: "Graphile Worker, jobs that add themselves again",
    needs: "postgres",
    settings: inWords,
    versions,
    cases: scheduleCases(openJobs, ["addDue", "addEachSecond"], ["lag-1000"]),
  },
  {
    name: "Graphile Worker, crontab",
    needs: "postgres",
    settings: "its entries are in the memory of each worker",
    versions,
    cases: scheduleCases(openCrontab, ["addAtMinute"]),
  },
];

interface Planned {
  readonly key: string;
  readonly at: number;
  readonly everyMs: number;
}

async function openJobs(place: Place): Promise<ScheduleBench> {
  const utils = await makeWorkerUtils({ preset: presetOf(place, worker) });
  await utils.migrate();
  const { fired, ...found } = recordedFires();
  let runner: Runner | undefined;
  let made = 0;
  const specOf = ({ key, at, everyMs }: Planned) => ({
    payload: { key, at, everyMs },
    jobKey: key,
    runAt: new Date(at),
  });
  const add = async (count: number, everyMs: number, atOf: (n: number) => number): Promise<void> => {
    for (let from = 0; from < count; from += bulkSize)
      await utils.addJobs(
        Array.from({ length: Math.min(bulkSize, count - from) }, (_, n) => ({
          identifier: "fired",
          ...specOf({ key: `schedule ${made++}`, at: atOf(from + n), everyMs }),
        })),
      );
    await utils.withPgClient((client) => client.query("VACUUM ANALYZE graphile_worker._private_jobs"));
  };
  return {
    addIdle: (count) => {
      const from = Date.now() + hourMs;
      return add(count, dayMs, (n) => from + n);
    },
    addDue: (count) => {
      const from = Date.now() - hourMs;
      return add(count, dayMs, (n) => from + n);
    },
    addEachSecond: (count, firstAt) => add(count, 1_000, (n) => firstAt + Math.floor((n * 1_000) / count)),
    async start() {
      runner = await run({
        preset: presetOf(place, worker),
        parsedCronItems: [],
        noHandleSignals: true,
        taskList: {
          fired: async (payload, { addJob }) => {
            const planned = payload as Planned;
            fired(planned.at);
            const { payload: next, ...spec } = specOf({ ...planned, at: planned.at + planned.everyMs });
            await addJob("fired", next, spec);
          },
        },
      });
    },
    ...found,
    async close() {
      await runner?.stop();
      await utils.release();
    },
  };
}

/** Here a fire is the insert of its job. */
async function openCrontab(place: Place): Promise<ScheduleBench> {
  const items: ParsedCronItem[] = [];
  const { fired, ...found } = recordedFires();
  let runner: Runner | undefined;
  const add = (count: number, match: string): void => {
    const from = items.length;
    const all = Array.from({ length: count }, (_, n) => ({ task: "fired", match, identifier: `schedule ${from + n}` }));
    for (const item of parseCronItems(all)) items.push(item);
  };
  return {
    addIdle: async (count) => add(count, `0 ${(new Date().getUTCHours() + 12) % 24} * * *`),
    addAtMinute: async (count, at) => add(count, `${new Date(at).getUTCMinutes()} * * * *`),
    async start() {
      runner = await run({
        preset: presetOf(place, worker),
        parsedCronItems: items,
        noHandleSignals: true,
        taskList: {
          fired: async (payload, { job }) => {
            const { _cron } = payload as { readonly _cron: { readonly ts: string } };
            fired(Date.parse(_cron.ts), job.created_at.getTime());
          },
        },
      });
    },
    ...found,
    async close() {
      await runner?.stop();
    },
  };
}

function presetOf(place: Place, options: GraphileConfig.WorkerOptions): GraphileConfig.Preset {
  const silent = new Logger(() => () => undefined);
  return { worker: { ...options, connectionString: place.url, logger: silent } };
}
