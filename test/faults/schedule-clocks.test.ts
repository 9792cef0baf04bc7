/**
 * The clock that judges what is due jumps an hour ahead, back, and ahead again: that of the database, which is the process's on
 * SQLite. Nothing is fired twice, also when retention has taken what was fired; while the clock is behind, nothing is fired.
 *
 * Faults F16, F17; guarantee G2.
 */

import { every, job, makegood } from "makegood";
import { sqlite } from "makegood/sqlite";
import pg from "pg";
import { expect, it, vi } from "vitest";
import type { Store } from "../../src/core/store.ts";
import { postgres } from "../../src/postgres.ts";
import { describeWorlds } from "./support/places.ts";
import type { Place } from "./support/world.ts";

const hourMs = 3_600_000;
const policies = ["skip", "fire-once", "catch-up"] as const;

describeWorlds("a clock that jumps by an hour", (newPlace, kind) => {
  // The store asks MariaDB's own clock in each statement: nothing of ours stands before it that could lie.
  it.skipIf(kind === "mariadb").each(policies)("fires nothing twice with misfire policy %s", async (misfire) => {
    const { store, jump, close } = await openStore(newPlace());
    const namespace = `jump-${misfire}`;
    const keys: string[] = [];
    const collect = job("collect", { retention: 0, keyRetention: 0 }, async (ctx) => void keys.push(ctx.key));
    const app = makegood({ store, namespace, poll: "20ms" });
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

      await jump(hourMs);
      await vi.waitUntil(() => newest() > begunAt + hourMs, { timeout: 20_000, interval: 10 });
      const ahead = keys.length;
      await moreThan(ahead + 2);

      await jump(0);
      // One that was claimed or fired before the jump may still come.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const behind = keys.length;
      await store.executions.prune({ namespace, limit: 1_000 });
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(keys.length).toBe(behind);

      await jump(hourMs);
      await moreThan(behind + 2);
      expect(new Set(keys).size).toBe(keys.length);
    } finally {
      await app.stop({ graceMs: 0 });
      await close();
    }
  });
});

interface Jumping {
  readonly store: Store;
  /** How far ahead of the true time the clock is. */
  jump(byMs: number): Promise<void>;
  close(): Promise<void>;
}

async function openStore(place: Place): Promise<Jumping> {
  if (place.kind === "sqlite") {
    let aheadMs = 0;
    return {
      store: sqlite(place.engine, { clock: { now: () => Date.now() + aheadMs } }),
      jump: async (byMs) => {
        aheadMs = byMs;
      },
      close: async () => {},
    };
  }
  const pool = new pg.Pool({ connectionString: place.engine, max: 12 });
  // All of the store's times come from this function. A lie of the server's own clock would say the same.
  const jump = async (byMs: number): Promise<void> => {
    await pool.query(`
      CREATE OR REPLACE FUNCTION makegood.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
        AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${byMs} $$`);
  };
  return { store: postgres(pool), jump, close: () => jump(0).then(() => pool.end()) };
}
