/** For test files: `describe` that is skipped, with the reason in its title, where the service is missing. */
import { afterAll, beforeAll, describe, inject } from "vitest";
import { makeFakeTime } from "./faketime.ts";
import { createMariadbDatabase, type MariadbServer, startMariadb } from "./mariadb.ts";
import { createDatabase, type PostgresServer, startPostgres, type TestDatabase } from "./postgres.ts";
import { type RedisServer, startRedis } from "./redis.ts";

/**
 * Tests on the shared server, with a fresh database for this block. `database.url` may be read inside tests and hooks.
 *
 *     describeWithPostgres("the claim", (database) => {
 *       it("is exclusive", async () => { const pool = new pg.Pool({ connectionString: database.url }); … });
 *     });
 */
export function describeWithPostgres(name: string, define: (database: { readonly url: string }) => void): void {
  const serverUrl = inject("postgresUrl");
  describe.skipIf(serverUrl === null)(titled(name, "PostgreSQL", serverUrl === null), () => {
    let database: TestDatabase | undefined;
    beforeAll(async () => {
      database = await createDatabase(serverUrl ?? "");
    });
    afterAll(() => database?.drop());
    define({
      get url() {
        return started(database).url;
      },
    });
  });
}

/** Tests that restart, freeze or kill their server: a private one for this block. Its url stays the same throughout. */
export function describeWithOwnPostgres(name: string, define: (server: () => PostgresServer) => void): void {
  const isMissing = inject("ownPostgresMissing") !== null;
  describe.skipIf(isMissing)(titled(name, "PostgreSQL", isMissing), () => {
    let server: PostgresServer | undefined;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(() => server?.close());
    define(() => started(server));
  });
}

/** As `describeWithPostgres`, on the shared MariaDB. */
export function describeWithMariadb(name: string, define: (database: { readonly url: string }) => void): void {
  const serverUrl = inject("mariadbUrl");
  describe.skipIf(serverUrl === null)(titled(name, "MariaDB", serverUrl === null), () => {
    let database: TestDatabase | undefined;
    beforeAll(async () => {
      database = await createMariadbDatabase(serverUrl ?? "");
    });
    afterAll(() => database?.drop());
    define({
      get url() {
        return started(database).url;
      },
    });
  });
}

/** As `describeWithOwnPostgres`, on MariaDB. */
export function describeWithOwnMariadb(name: string, define: (server: () => MariadbServer) => void): void {
  const isMissing = inject("ownMariadbMissing") !== null;
  describe.skipIf(isMissing)(titled(name, "MariaDB", isMissing), () => {
    let server: MariadbServer | undefined;
    beforeAll(async () => {
      server = await startMariadb();
    });
    afterAll(() => server?.close());
    define(() => started(server));
  });
}

/** A Redis of this block's own: there is no shared one. */
export function describeWithOwnRedis(name: string, define: (server: () => RedisServer) => void): void {
  const isMissing = inject("ownRedisMissing") !== null;
  describe.skipIf(isMissing)(titled(name, "Redis", isMissing), () => {
    let server: RedisServer | undefined;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(() => server?.close());
    define(() => started(server));
  });
}

interface LyingServer {
  readonly url: string;
  /** How far ahead of the true time its clock is from now on; below 0: behind. */
  jump(byMs: number): void;
}

/** A server of this block's own, whose clock can be made to jump. */
export function describeWithLyingClock(
  name: string,
  kind: "postgres" | "mariadb",
  define: (server: () => LyingServer) => void,
): void {
  const own = inject(kind === "postgres" ? "ownPostgresMissing" : "ownMariadbMissing");
  const isMissing = own !== null || inject("faketimeMissing") !== null;
  describe.skipIf(isMissing)(titled(name, own === null ? "libfaketime" : "server of its own", isMissing), () => {
    let server: LyingServer | undefined;
    let close: (() => Promise<void>) | undefined;
    beforeAll(async () => {
      const { env, jump, close: forget } = makeFakeTime();
      const { url, close: end } = await (kind === "postgres" ? startPostgres({ env }) : startMariadb({ env }));
      server = { url, jump };
      close = () => end().finally(forget);
    });
    afterAll(() => close?.());
    define(() => started(server));
  });
}

function titled(name: string, service: string, isMissing: boolean): string {
  return isMissing ? `${name} (skipped: no ${service})` : name;
}

function started<T>(it: T | undefined): T {
  if (it === undefined) throw new Error("Expected to be read inside a test or hook, found outside; read it there.");
  return it;
}
