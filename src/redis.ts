export { type Locks, type RedisLockOptions, type RedisScripting, redisLocks } from "./lock/redis.ts";
