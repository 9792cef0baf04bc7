// DBOS Transact on PostgreSQL: steps that are local transactions, through its Postgres.js data source. The newest release of
// that package (4.24.16, Nov 2026) does not start with DBOS 5, hence the DBOS of the same release. Its tables and the user's
// are in one database.
import { DBOS, type DBOSConfig } from "@dbos-inc/dbos-sdk";
import { PostgresDataSource } from "@dbos-inc/postgres-datasource";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { onPostgres, txWork } from "../tx-work.ts";
import { atMost, rateAt, versionsOf } from "./sampling.ts";

interface Setting {
  readonly config: Pick<DBOSConfig, "systemDatabasePoolSize">;
  readonly dataSource: { readonly max?: number };
}

const poolSize = 32;
/** At hundreds a second. */
const maxWorkflows = 4_000;

export const contenders: readonly Contender[] = [
  contender("DBOS Transact 4", `systemDatabasePoolSize ${poolSize}, data source's max ${poolSize}`, {
    config: { systemDatabasePoolSize: poolSize },
    dataSource: { max: poolSize },
  }),
  contender("DBOS Transact 4, defaults", "", { config: {}, dataSource: {} }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  return {
    name,
    needs: "postgres",
    settings,
    versions,
    cases: {
      "tx/64": (place, options, meter) => transactions(place, setting, atMost(options, maxWorkflows), meter),
    },
  };
}

/** Under a name of its own, since dbos.ts has another release of the same package. */
function versions(): Readonly<Record<string, string>> {
  const { "@dbos-inc/dbos-sdk": sdk = "?", ...others } = versionsOf(
    "@dbos-inc/dbos-sdk",
    "@dbos-inc/postgres-datasource",
    "pg",
    "postgres",
  );
  return { "@dbos-inc/dbos-sdk for tx": sdk, ...others };
}

async function transactions(place: Place, setting: Setting, options: CaseOptions, meter?: Meter): Promise<Sample> {
  // Of the user's table and the checks, not of DBOS.
  const pool = new Pool({ connectionString: place.url, max: 1 });
  try {
    await pool.query(txWork.table);
    DBOS.setConfig({ name: "bench", systemDatabaseUrl: place.url, logLevel: "error", ...setting.config });
    const workflow = registerThreeTransactions(place, setting);
    await DBOS.launch();
    const sample = await rateAt(txWork.width, options, meter, async () =>
      expectEqual("a workflow's result", await workflow(), txWork.steps.length),
    );
    const { rows } = await pool.query(
      `SELECT (${txWork.paidCount})::int AS paid,
              (SELECT count(*)::int FROM dbos.transaction_completion) AS recorded,
              (SELECT count(*)::int FROM dbos.workflow_status WHERE status = 'SUCCESS') AS succeeded`,
    );
    const workflows = options.warmUp + options.count;
    expectEqual("paid orders", rows[0].paid, workflows);
    expectEqual("recorded transactions", rows[0].recorded, txWork.steps.length * workflows);
    expectEqual("workflows that succeeded", rows[0].succeeded, workflows);
    return sample;
  } finally {
    await DBOS.shutdown();
    await pool.end();
  }
}

function registerThreeTransactions(place: Place, setting: Setting): () => Promise<number> {
  const dataSource = new PostgresDataSource("bench", { ...addressOf(place.url), ...setting.dataSource });
  return DBOS.registerWorkflow(
    async () => {
      const order = DBOS.workflowID ?? "";
      for (const [at, sql] of txWork.steps.entries()) {
        const write = async (): Promise<number> => {
          await dataSource.client.unsafe(onPostgres(sql), [order], { prepare: true });
          return at;
        };
        await dataSource.runTransaction(write, { name: `step ${at}` });
      }
      return txWork.steps.length;
    },
    { name: "three-transactions" },
  );
}

/** Postgres.js takes a URL only as an argument of its own, which the data source does not hand on. */
function addressOf(url: string) {
  const { hostname, port, pathname, username, password } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    database: pathname.slice(1),
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}
