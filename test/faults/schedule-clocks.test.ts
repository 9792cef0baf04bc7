/**
 * The clock that judges what is due jumps an hour ahead, back, and ahead again: that of the database, which is the process's on
 * SQLite, and on servers the machine's, as libfaketime tells it. Nothing is fired twice, also when retention has taken what
 * was fired; while the clock is behind, nothing is fired.
 *
 * Faults F16, F17; guarantee G2.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { every, job, makegood } from "makegood";
import { mysql } from "makegood/mysql";
import { postgres } from "makegood/postgres";
import { sqlite } from "makegood/sqlite";
import mysql2 from "mysql2/promise";
import pg from "pg";
import { describe, expect, it, vi } from "vitest";
import type { Store } from "../../src/core/store.ts";
import { describeWithLyingClock } from "../services/describe.ts";

const hourMs = 3_600_000;
const policies = ["skip", "fire-once", "catch-up"] as const;

interface Jumping {
  readonly store: Store;
  /** How far ahead of the true time the clock is. */
  jump(byMs: number): void;
  close(): Promise<void>;
}

describe("a clock that jumps by an hour, on SQLite", () => testJumps(onSqlite));
describeWithLyingClock("a clock that jumps by an hour, on PostgreSQL", "postgres", (server) =>
  testJumps(async () => {
    const pool = new pg.Pool({ connectionString: server().url, max: 12 });
    return { store: postgres(pool, { migrate: true }), jump: server().jump, close: () => pool.end() };
  }),
);
describeWithLyingClock("a clock that jumps by an hour, on MariaDB", "mariadb", (server) =>
  testJumps(async () => {
    const pool = mysql2.createPool({ uri: server().url, connectionLimit: 12 });
    return { store: mysql(pool, { migrate: true }), jump: server().jump, close: () => pool.end() };
  }),
);

async function onSqlite(): Promise<Jumping> {
  const folder = mkdtempSync(join(tmpdir(), "makegood-clocks-"));
  let aheadMs = 0;
  return {
    store: sqlite(join(folder, "engine.db"), { clock: { now: () => Date.now() + aheadMs } }),
    jump: (byMs) => {
      aheadMs = byMs;
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

function testJumps(open: () => Promise<Jumping>): void {
  it.each(policies)(
    "fires nothing twice with misfire policy %s",
    async (misfire) => {
      const { store, jump, close } = await open();
      const namespace = `jump-${misfire}`;
      const keys: string[] = [];
      const collect = job("collect", { retention: 0, keyRetention: 0 }, async (ctx) => void keys.push(ctx.key));
      // A lease that the jump has ended is renewed after a third of it.
      const app = makegood({ store, namespace, poll: "20ms", lease: "3s" });
      app.register(collect);
      const timeOf = (key: string | undefined): number => Number(key?.split("@")[1]);
      const newest = (): number => Math.max(...keys.map(timeOf));
      const moreThan = (count: number) => vi.waitUntil(() => keys.length > count, { timeout: 20_000, interval: 10 });
      try {
        await app.run();
        const begunAt = await store.schedules.now();
        await app.schedules.add(collect, every("100ms", { misfire }));
        await moreThan(2);
        expect(newest()).toBeLessThan(begunAt + hourMs);

        jump(hourMs);
        await vi.waitUntil(() => newest() > begunAt + hourMs, { timeout: 20_000, interval: 10 });
        const ahead = keys.length;
        await moreThan(ahead + 2);

        jump(0);
        // One that was claimed or fired before the jump may still come.
        await new Promise((resolve) => setTimeout(resolve, 300));
        const behind = keys.length;
        await store.executions.prune({ namespace, limit: 1_000 });
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(keys.length).toBe(behind);

        jump(hourMs);
        await moreThan(behind + 2);
        expect(new Set(keys).size).toBe(keys.length);
      } finally {
        jump(0);
        await app.stop({ graceMs: 0 });
        await close();
      }
    },
    90_000,
  );
}
