// DBOS after SIGKILL of its process: it has no leases; who starts under the killed process's name, which by default all have,
// takes over its workflows at once.
import { DBOS, type DBOSConfig } from "dbos-sdk-5";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import { startChild } from "../child.ts";
import type { CaseOptions, Meter, Place, Sample } from "../contender.ts";
import { measureRate } from "../measure.ts";
import { countdown, until } from "./sampling.ts";

export interface StuckOrders {
  readonly url: string;
  readonly config: Partial<DBOSConfig>;
  readonly count: number;
}

/** The workflow's name. */
export const recovered = "recovered";

/** DBOS recovers what the same version of the program began, and takes the version from the text of the workflows. */
export function configOf(url: string, config: Partial<DBOSConfig>): DBOSConfig {
  return { name: "bench", systemDatabaseUrl: url, logLevel: "error", applicationVersion: "bench", ...config };
}

/** From the start of the second process until the last workflow is stored as finished. */
export async function takeOver(
  place: Place,
  config: Partial<DBOSConfig>,
  { count }: CaseOptions,
  meter?: Meter,
): Promise<Sample> {
  process.noDeprecation = true;
  const seen = { one: 0, two: 0 };
  const third = countdown(count);
  DBOS.registerWorkflow(
    async () => {
      await DBOS.runStep(async () => ++seen.one, { name: "one" });
      await DBOS.runStep(async () => ++seen.two, { name: "two" });
      return DBOS.runStep(async () => third.tick(), { name: "three" });
    },
    { name: recovered },
  );
  const orders: StuckOrders = { url: place.url, config, count };
  const first = startChild<"all are stuck">("peers/workers/dbos-stuck.ts", orders);
  const pool = new Pool({ connectionString: place.url, max: 1 });
  try {
    await first.next();
    await first.kill();
    DBOS.setConfig(configOf(place.url, config));
    const finish = async (): Promise<void> => {
      await DBOS.launch();
      await third.over;
      await untilSucceeded(pool, count);
    };
    const sample = await measureRate(count, finish, meter);
    expectEqual("first steps done again", seen.one, 0);
    expectEqual("second steps done", seen.two, count);
    return sample;
  } finally {
    await first.kill();
    await DBOS.shutdown();
    await pool.end();
  }
}

async function untilSucceeded(pool: Pool, workflows: number): Promise<void> {
  await until(`${workflows} workflows to succeed`, async () => {
    const { rows } = await pool.query("SELECT count(*)::int AS n FROM dbos.workflow_status WHERE status = 'SUCCESS'");
    return rows[0].n === workflows;
  });
}
