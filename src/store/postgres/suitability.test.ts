import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, it } from "vitest";
import { describeWithOwnPostgres, describeWithPostgres } from "../../../test/services/describe.ts";
import { type Log, silentLog } from "../../core/ports.ts";
import { type PostgresOptions, postgres, postgresFromUrl } from "./postgres.ts";

async function opening(url: string, pool: pg.PoolConfig = {}, options: PostgresOptions = {}): Promise<string> {
  const users = new pg.Pool({ connectionString: url, ...pool });
  const store = postgres(users, { migrate: true, ...options });
  try {
    await store.open();
    return "open";
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  } finally {
    await store.close();
    await users.end();
  }
}

describeWithPostgres("suitability", (database) => {
  it("a pool too small to share is refused", async () => {
    expect(await opening(database.url, { max: 5 })).toMatch(
      /^STORE_UNSUITABLE: Expected a pool of at least 7 connections, found max: 5/,
    );
    expect(await opening(database.url, { max: 7 })).toBe("open");
  });

  it.each([
    ["default_transaction_isolation=serializable", "read committed"],
    ["bytea_output=escape", "hex"],
  ])("sessions with %s are refused", async (setting, expected) => {
    expect(await opening(database.url, { options: `-c ${setting}` })).toMatch(
      new RegExp(`^STORE_UNSUITABLE: Expected .*${expected}`),
    );
  });

  it("settings that endanger acknowledged data are warned of", async () => {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => void warnings.push(message) };
    expect(await opening(database.url, { options: "-c synchronous_commit=off" }, { log })).toBe("open");
    expect(warnings).toEqual([expect.stringContaining("synchronous_commit is off")]);
  });

  it("a user without rights on the tables is refused", async () => {
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await opening(database.url);
    const role = `stranger_${process.pid}`;
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const url = Object.assign(new URL(database.url), { username: role, password: "secret" });
    expect(await opening(url.href, {}, { migrate: false })).toMatch(/^STORE_UNSUITABLE: .*rights on schema makegood/);
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });

  it.each([
    [{ migrat: true }, "Did you mean migrate"],
    [{ deadlineMs: 1 }, "from 100"],
    [{ deadlineMs: 1_000, lockTimeoutMs: 2_000 }, "to 1000"],
  ])("options %j are refused", (options, expected) => {
    const pool = new pg.Pool({ connectionString: database.url });
    expect(() => postgres(pool, options as PostgresOptions)).toThrow(expected);
  });

  it.each([null, {}, "postgres://localhost"])("%j in place of a pool is refused", (pool) => {
    expect(() => postgres(pool as never)).toThrow("expected a Pool of the package pg");
  });

  it("a store made from an address ends its pool when it closes, and its sessions have timeouts", async () => {
    const store = await postgresFromUrl(database.url, { migrate: true, deadlineMs: 5_000, lockTimeoutMs: 1_000 });
    await store.open();
    expect(await store.reads.countByStatus("none")).toMatchObject({ ready: 0 });
    await store.close();
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await expect
      .poll(
        async () =>
          (
            await admin.query(
              "SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'makegood'",
            )
          ).rows[0].count,
      )
      .toBe(0);
    await admin.end();
  });

  it("a server that is not there is unavailable", async () => {
    const url = Object.assign(new URL(database.url), { port: "1" });
    expect(await opening(url.href)).toMatch(/^STORE_UNAVAILABLE/);
  });
});

describeWithOwnPostgres("a standby", (server) => {
  it("is refused", async () => {
    await server().stop();
    const signal = join(server().dataDir, "standby.signal");
    writeFileSync(signal, "");
    const { uid, gid } = statSync(server().dataDir);
    chownSync(signal, uid, gid);
    await server().start();
    expect(await opening(server().url)).toMatch(/^STORE_UNSUITABLE: Expected a primary server, found a standby/);
  });
});
