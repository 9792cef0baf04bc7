// What each level of docs/choosing.md costs, beside a bare statement: the same small effect, protected in another way.
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { participant } from "../../src/index.ts";
import { nodePostgres } from "../../src/postgres.ts";
import { nodeSqlite } from "../../src/sqlite.ts";
import { expectEqual } from "../check.ts";
import type { Place, RunCase } from "../contender.ts";
import { type AnyAdapter, type AnyParticipant, type Level, levels as names, openLevels } from "../levels.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { isPostgres, openApp, withWorkingApp } from "../store.ts";
import type { Case, Suite } from "./suite.ts";

const width = 16;
/** How many effects one unit has; the others have one. */
const effects: Readonly<Partial<Record<Level, number>>> = {
  ...{ record: 0, lock: 0, undo: 0, "tcc canceled": 0, message: 0, later: 0, scan: 0 },
  ...{ transaction: 2, tcc: 1 },
};

const runLevel =
  (level: Level): RunCase =>
  async (place, { count, warmUp }, meter) => {
    // The engine's tables first: the participant finds out that it is in the engine's own database.
    await (await openApp(place, [])).stop({ graceMs: 0 });
    const { adapter, close } = openAdapter(place);
    try {
      const on = participant("shop", adapter) as unknown as AnyParticipant;
      await on.migrate();
      const work = await openLevels(adapter, on);
      await work.prepare(count + warmUp);
      return await withWorkingApp(place, work.jobs, async (app) => {
        const one = (n: number): Promise<unknown> => work.run(level, app, n);
        await keepInFlight(width, warmUp, one);
        const sample = await measureRate(count, () => keepInFlight(width, count, (n) => one(warmUp + n)), meter);
        expectEqual("effects", await work.countEffects(), (effects[level] ?? 1) * (count + warmUp));
        return sample;
      });
    } finally {
      await close();
    }
  };

function openAdapter(place: Place): { readonly adapter: AnyAdapter; readonly close: () => Promise<void> } {
  if (isPostgres(place)) {
    const pool = new pg.Pool({ connectionString: place.url, max: width });
    return { adapter: nodePostgres(pool) as unknown as AnyAdapter, close: () => pool.end() };
  }
  const db = new DatabaseSync(place.url, { timeout: 50 });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  return { adapter: nodeSqlite(db) as unknown as AnyAdapter, close: async () => db.close() };
}

/** Scans do not run side by side: one discards the other. */
const caseOf = (level: Exclude<Level, "scan">): Case => ({
  id: level.replaceAll(" ", "-"),
  title: `${level}, ${width} at a time`,
  unit: "units",
  kind: "rate",
  count: 4_000,
  warmUp: 400,
  ours: runLevel(level),
});

export const levels: Suite = {
  name: "levels",
  title: "one small effect on each level of docs/choosing.md",
  cases: names.filter((level) => level !== "scan").map(caseOf),
  comparesWithFirst: true,
};
