/** Before all tests: starts the shared servers and tells the test files where they are. */
import type { TestProject } from "vitest/node";
import { faketimeService } from "./faketime.ts";
import { mariadbService, startMariadb } from "./mariadb.ts";
import { postgresService, startPostgres } from "./postgres.ts";
import { redisService } from "./redis.ts";
import { announceMissing, findPrivateService, findService } from "./service.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The shared server, for `createDatabase`; null if there is none and its tests are skipped. */
    postgresUrl: string | null;
    /** Why a test cannot start a server of its own; null if it can. */
    ownPostgresMissing: string | null;
    /** The shared server, for `createMariadbDatabase`; null if there is none and its tests are skipped. */
    mariadbUrl: string | null;
    /** Why a test cannot start a MariaDB of its own; null if it can. */
    ownMariadbMissing: string | null;
    /** Why a test cannot start a Redis of its own; null if it can. */
    ownRedisMissing: string | null;
    /** Why no server can be made to believe in another time; null if it can. */
    faketimeMissing: string | null;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const own = findPrivateService(postgresService);
  const shared = findService(postgresService);
  if (shared.kind === "missing") announceMissing("PostgreSQL", shared.reason);
  else if (own.kind === "missing") announceMissing("a PostgreSQL of its own", own.reason);
  const redis = findPrivateService(redisService);
  if (redis.kind === "missing") announceMissing("Redis", redis.reason);
  const faketime = findPrivateService(faketimeService);
  if (faketime.kind === "missing") announceMissing("libfaketime", faketime.reason);
  const ownMariadb = findPrivateService(mariadbService);
  const sharedMariadb = findService(mariadbService);
  if (sharedMariadb.kind === "missing") announceMissing("MariaDB", sharedMariadb.reason);
  else if (ownMariadb.kind === "missing") announceMissing("a MariaDB of its own", ownMariadb.reason);
  const [server, mariadb] = await Promise.all([
    shared.kind === "binaries" ? startPostgres() : undefined,
    sharedMariadb.kind === "binaries" ? startMariadb() : undefined,
  ]);
  project.provide("postgresUrl", shared.kind === "address" ? shared.url : (server?.url ?? null));
  project.provide("ownPostgresMissing", own.kind === "missing" ? own.reason : null);
  project.provide("faketimeMissing", faketime.kind === "missing" ? faketime.reason : null);
  project.provide("ownRedisMissing", redis.kind === "missing" ? redis.reason : null);
  project.provide("mariadbUrl", sharedMariadb.kind === "address" ? sharedMariadb.url : (mariadb?.url ?? null));
  project.provide("ownMariadbMissing", ownMariadb.kind === "missing" ? ownMariadb.reason : null);
  return async () => {
    await Promise.all([server?.close(), mariadb?.close()]);
  };
}
