// Locks in Redis: one key with the owner and the fence, which expires with the lease, and one with the last fence. Each
// operation is one script, so it is atomic, and Redis's clock judges the lease.
//
// Best effort, and said so: a fail-over may lose a lock that was acknowledged (replication is asynchronous), `maxmemory`
// may evict it, and a step of Redis's clock expires it early. The fence begins at Redis's epoch ms and only grows, so it
// stays useful as long as that clock does not go back by more than the pause between two holders.
import { OptionError } from "../core/errors.ts";
import type { HeldLock, LockOptions, LockOutcome } from "../core/lock.ts";
import { checkOptions } from "../core/options.ts";
import type { Awaitable } from "../core/participant.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import { createSystemRandom, defaultLog, systemClock } from "../system.ts";
import { type LockStore, withLock } from "./lock.ts";

/** What is used of a client: ioredis has it as it is. */
export interface RedisScripting {
  eval(script: string, keyCount: number, ...keysAndArguments: (string | number)[]): Promise<unknown>;
}

export interface RedisLockOptions {
  /** In front of every key. Default `makegood:lock:`. */
  readonly prefix?: string;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
  /** For tests. Default: the system's. */
  readonly random?: Random;
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
}

export interface Locks {
  /** As `participant.lock`, in Redis. */
  lock<R>(name: string, options: LockOptions, run: (lock: HeldLock) => Awaitable<R>): Promise<LockOutcome<R>>;
}

const defaultPrefix = "makegood:lock:";
/** Later than any pause that a holder may sleep through; afterwards the clock alone keeps the fence growing. */
const fenceKeptMs = 86_400_000;

const acquire = `
local held = redis.call('GET', KEYS[1])
local fence
if held then
  local owner, number = string.match(held, '^(%S+) (%d+)$')
  if owner ~= ARGV[1] then return {0, redis.call('PTTL', KEYS[1])} end
  fence = number
else
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = tonumber(redis.call('GET', KEYS[2]) or '0')
  fence = string.format('%.0f', math.max(last + 1, now))
  redis.call('SET', KEYS[2], fence, 'PX', ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. fence, 'PX', ARGV[2])
return {1, tonumber(fence)}`;

const renew = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

const release = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

/**
 * Locks in Redis, on the user's own client (ioredis). Connects to nothing by itself. Set the client's
 * `maxRetriesPerRequest`, or a call waits for as long as Redis is away. Throws OPTION_INVALID.
 */
export function redisLocks(client: RedisScripting, options: RedisLockOptions = {}): Locks {
  checkOptions(options, ["prefix", "clock", "random", "log"], "redisLocks");
  const { prefix = defaultPrefix, clock = systemClock, random = createSystemRandom(), log = defaultLog } = options;
  if (typeof client?.eval !== "function")
    throw new OptionError("client", "redisLocks: expected a client with eval(script, keyCount, …), such as ioredis");
  const store = redisLockStore(client, prefix);
  const tools = { clock, random, log };
  return { lock: (name, lockOptions, run) => withLock(store, tools, name, lockOptions, run) };
}

function redisLockStore(client: RedisScripting, prefix: string): LockStore {
  // The braces keep both keys on one node of a cluster.
  const keyOf = (name: string): string => `${prefix}{${name}}`;
  return {
    async acquire(name, owner, leaseMs) {
      const key = keyOf(name);
      const [won, number] = (await client.eval(
        acquire,
        2,
        key,
        `${key}:fence`,
        owner,
        leaseMs,
        fenceKeptMs,
      )) as number[];
      return won === 1 ? { kind: "acquired", fence: Number(number) } : { kind: "held", forMs: Number(number) };
    },
    async renew(name, owner, fence, leaseMs) {
      return (await client.eval(renew, 1, keyOf(name), `${owner} ${fence}`, leaseMs)) === 1;
    },
    async release(name, owner, fence) {
      await client.eval(release, 1, keyOf(name), `${owner} ${fence}`);
    },
  };
}
