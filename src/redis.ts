export { type Locks, type RedisLockOptions, type RedisScripting, redisLocks } from "./lock/redis.ts";
export {
  type RedisMarkerClient,
  type RedisMarkersOptions,
  redisMarkers,
} from "./participant/record/redis/markers.ts";
