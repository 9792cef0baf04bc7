// Other locks. An advisory lock of PostgreSQL has no fence and no lease; by hand it gets a fence from a row of its own, whose
// commit makes it durable. redis-semaphore has a lease with renewal, and no fence.
import { Redis } from "ioredis";
import { Pool } from "pg";
import { Mutex } from "redis-semaphore";
import { redisLocks } from "../../src/redis.ts";
import type { Contender, Place } from "../contender.ts";
import { fenceOf, type LockBench, lockCases, lockWidth, resultOf } from "../suites/lock.ts";
import { versionsOf } from "./sampling.ts";

export const contenders: readonly Contender[] = [
  {
    name: "makegood's locks in Redis",
    needs: "redis",
    settings: "",
    versions: () => versionsOf("ioredis"),
    cases: lockCases(openOursInRedis),
  },
  {
    name: "redis-semaphore",
    needs: "redis",
    settings: "lockTimeout 30 s, as ours; no fence",
    versions: () => versionsOf("redis-semaphore", "ioredis"),
    cases: lockCases(openRedisSemaphore),
  },
  {
    name: "advisory lock with a fence, by hand",
    needs: "postgres",
    settings: "no lease",
    versions: () => versionsOf("pg"),
    cases: lockCases(openAdvisory),
  },
];

async function openOursInRedis({ url }: Place): Promise<LockBench> {
  const redis = new Redis(url);
  const locks = redisLocks(redis);
  return {
    locked: async (name) => resultOf(await locks.lock(name, {}, fenceOf)),
    close: async () => redis.disconnect(),
  };
}

async function openRedisSemaphore({ url }: Place): Promise<LockBench> {
  const redis = new Redis(url);
  return {
    async locked(name) {
      const mutex = new Mutex(redis, name, { lockTimeout: 30_000 });
      await mutex.acquire();
      await mutex.release();
      return 0;
    },
    close: async () => redis.disconnect(),
  };
}

async function openAdvisory({ url }: Place): Promise<LockBench> {
  const pool = new Pool({ connectionString: url, max: lockWidth });
  await pool.query("CREATE TABLE fence (name text PRIMARY KEY, fence bigint NOT NULL)");
  const nextFence = `INSERT INTO fence VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET fence = fence.fence + 1 RETURNING fence`;
  return {
    async locked(name) {
      const client = await pool.connect();
      try {
        await client.query({ name: "lock", text: "SELECT pg_advisory_lock(hashtextextended($1, 0))", values: [name] });
        const { rows } = await client.query({ name: "fence", text: nextFence, values: [name] });
        const free = "SELECT pg_advisory_unlock(hashtextextended($1, 0))";
        await client.query({ name: "unlock", text: free, values: [name] });
        return Number(rows[0].fence);
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}
