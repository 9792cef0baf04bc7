// pg-transactional-outbox with its polling listeners. The outbox's handler puts the message into the inbox, in the listener's
// own transaction, as a broker between them would at best; the inbox's handler does the effect.
import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import {
  DatabaseSetup,
  getDisabledLogger,
  initializeMessageStorage,
  initializePollingMessageListener,
  type OutboxOrInbox,
  type PollingListenerConfig,
} from "pg-transactional-outbox";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { outboxWork } from "../outbox-work.ts";
import { onPostgres } from "../tx-work.ts";
import { atMost, countdown, versionsOf } from "./sampling.ts";

interface Setting {
  readonly batchSize: number;
  readonly pollMs: number;
  readonly maxMessages: number;
}

export const contenders: readonly Contender[] = [
  contender("pg-transactional-outbox, fast", "batches of 50, polled every 10 ms, messages parallel", {
    batchSize: 50,
    pollMs: 10,
    maxMessages: 2_000,
  }),
  contender("pg-transactional-outbox, defaults", "messages parallel", { batchSize: 5, pollMs: 500, maxMessages: 200 }),
];

function contender(name: string, settings: string, setting: Setting): Contender {
  return {
    name,
    needs: "postgres",
    settings,
    versions: () => versionsOf("pg-transactional-outbox", "pg"),
    cases: { "outbox/end-to-end-64": (place, options, meter) => endToEnd(place, setting, options, meter) },
  };
}

async function endToEnd({ url }: Place, setting: Setting, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, setting.maxMessages);
  const pool = new Pool({ connectionString: url, max: outboxWork.connections });
  for (const table of outboxWork.tables) await pool.query(table);
  const [outbox, inbox] = [await configOf(pool, url, "outbox", setting), await configOf(pool, url, "inbox", setting)];
  const logger = getDisabledLogger();
  const [toOutbox, toInbox] = [initializeMessageStorage(outbox, logger), initializeMessageStorage(inbox, logger)];
  const [placeSql, awardSql] = [onPostgres(outboxWork.place), onPostgres(outboxWork.award)];
  let awarded = countdown(0);

  const [stopOutbox] = initializePollingMessageListener(
    outbox,
    { handle: (message, client) => toInbox(message, client) },
    logger,
  );
  // Counted a little before the commit of the effect, in the peer's favor.
  const [stopInbox] = initializePollingMessageListener(
    inbox,
    {
      handle: async ({ payload }, client) => {
        await client.query({ name: "award", text: awardSql, values: [(payload as { readonly n: number }).n] });
        awarded.tick();
      },
    },
    logger,
  );
  const place = async (n: number): Promise<void> => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query({ name: "place", text: placeSql, values: [n] });
      const about = { aggregateType: "order", aggregateId: String(n), messageType: "placed" };
      await toOutbox({ id: randomUUID(), ...about, concurrency: "parallel", payload: { n } }, client);
      await client.query("COMMIT");
    } finally {
      client.release();
    }
  };
  const work = async (from: number, total: number): Promise<void> => {
    awarded = countdown(total);
    await keepInFlight(outboxWork.width, total, (n) => place(from + n));
    await awarded.over;
  };
  await work(0, warmUp);
  const sample = await measureRate(count, () => work(warmUp, count), meter);
  await Promise.all([stopOutbox(), stopInbox()]);
  const { rows } = await pool.query(outboxWork.awardedCount);
  expectEqual("awards", Number(rows[0].count), warmUp + count);
  await pool.end();
  return sample;
}

async function configOf(
  pool: Pool,
  url: string,
  outboxOrInbox: OutboxOrInbox,
  { batchSize, pollMs }: Setting,
): Promise<PollingListenerConfig> {
  const setup = {
    outboxOrInbox,
    database: new URL(url).pathname.slice(1),
    schema: "public",
    table: outboxOrInbox,
    listenerRole: new URL(url).username,
    nextMessagesSchema: "public",
    nextMessagesName: `next_${outboxOrInbox}_messages`,
  };
  for (const make of ["dropAndCreateTable", "createPollingFunction", "setupPollingIndexes"] as const)
    await pool.query(DatabaseSetup[make](setup));
  return {
    outboxOrInbox,
    dbListenerConfig: { connectionString: url },
    settings: {
      dbSchema: "public",
      dbTable: outboxOrInbox,
      enableMaxAttemptsProtection: true,
      enablePoisonousMessageProtection: true,
      nextMessagesFunctionSchema: "public",
      nextMessagesFunctionName: setup.nextMessagesName,
      nextMessagesBatchSize: batchSize,
      nextMessagesPollingIntervalInMs: pollMs,
    },
  };
}
