// AWS Powertools' idempotency for the suite `once`, with its cache layer on Redis, as the other one is DynamoDB. It does not do the
// same: its record is no part of the effect's transaction, so that a crash between the two loses the answer, and lets the effect
// happen again once the record's time in progress is over.
import { IdempotencyConfig, makeIdempotent } from "@aws-lambda-powertools/idempotency";
import { CachePersistenceLayer } from "@aws-lambda-powertools/idempotency/cache";
import { createClient } from "@redis/client";
import { redisService, startRedis } from "../../test/services/redis.ts";
import { findPrivateService } from "../../test/services/service.ts";
import type { Contender, Place } from "../contender.ts";
import { type Books, onceCases, openPayments } from "../once-work.ts";
import { versionsOf } from "./sampling.ts";

const powertools: Contender = {
  name: "AWS Powertools idempotency, record in Redis",
  needs: "postgres",
  settings:
    "CachePersistenceLayer on a Redis of its own, appendfsync always, which is in none of the costs; its record is not in one " +
    "transaction with the effect, which is in PostgreSQL",
  versions: () => versionsOf("@aws-lambda-powertools/idempotency", "@redis/client", "pg"),
  cases: onceCases(open),
};

/** Its effect is in PostgreSQL, so it brings the Redis of its records itself. */
export const contenders: readonly Contender[] = findPrivateService(redisService).kind === "missing" ? [] : [powertools];

/** What is left of a Lambda's time: an in-progress record expires by it. */
type LambdaContext = Parameters<IdempotencyConfig["registerLambdaContext"]>[0];
const context = { getRemainingTimeInMillis: () => 60_000 } as LambdaContext;

async function open({ url }: Place): Promise<Books> {
  const payments = await openPayments(url);
  const redis = await startRedis({ settings: { appendfsync: "always" } });
  const client = await createClient({ url: redis.url }).connect();
  const config = new IdempotencyConfig({});
  config.registerLambdaContext(context);
  const pay = async (id: string) => {
    const tx = await payments.pool.connect();
    await tx.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    const answer = await payments.effect(tx, id);
    await tx.query("COMMIT");
    tx.release();
    return answer;
  };
  return {
    pay: makeIdempotent(pay, { persistenceStore: new CachePersistenceLayer({ client }), config, keyPrefix: "pay" }),
    countPaid: payments.countPaid,
    async close() {
      await client.close();
      await redis.close();
      await payments.close();
    },
  };
}
