// Counts what a piece of work costs the store: in commits and SQL round trips, not in time. The clock's timers never strike, so
// that nothing is counted which happens because time goes by: polls, renewals, sweeps.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import {
  type AnyJob,
  type App,
  type Clock,
  makegood,
  type Participant,
  participant,
  type Store,
  type TxAdapter,
} from "makegood";
import { mysql, mysql2 } from "makegood/mysql";
import { nodePostgres, postgres } from "makegood/postgres";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import { createPool } from "mysql2/promise";
import pg from "pg";
import { watchSqliteCommits } from "../../bench/commits.ts";
import { countMariadbRoundTrips, countRoundTrips } from "../../bench/round-trips.ts";
import { createMariadbDatabase } from "../services/mariadb.ts";
import { createDatabase } from "../services/postgres.ts";

/** Of a stretch of work, in all. */
export interface Costs {
  /** Calls of `ExecutionStore.commit`. */
  readonly flushes: number;
  /** All commits that wrote, also of claims and of the user's own transactions. Null on servers, where others write too. */
  readonly commits: number | null;
  /** Null on SQLite. */
  readonly roundTrips: number | null;
}

/** Synchronous and asynchronous clients behind one face; their types have tests of their own. */
export type AnyParticipant = Participant<unknown, "async">;
type AnyAdapter = TxAdapter<unknown, "async">;

/** A database of its own, with all that is counted on it. */
export interface Ledger {
  /** An app on it; stopped at the end. `run` makes it work. */
  app(...jobs: readonly AnyJob[]): App;
  /** A client of the engine's own database, and a participant there. */
  readonly adapter: AnyAdapter;
  own(): Promise<AnyParticipant>;
  /** What `work` costs, per unit, with what follows from it. */
  costOf(units: number, work: () => Promise<unknown>): Promise<Costs>;
  close(): Promise<void>;
}

/** Nothing counted for so long is taken for nothing to come. */
const quietMs = 40;

const stillClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => 0,
  after: () => () => undefined,
  drained: (run) => queueMicrotask(() => process.nextTick(run)),
  soon: (run) => void setImmediate(run),
};

interface Database {
  readonly makeStore: () => Store;
  readonly counters: () => Omit<Costs, "flushes">;
  readonly adapter: AnyAdapter;
  close(): Promise<void>;
}

export async function openSqliteLedger(): Promise<Ledger> {
  const folder = mkdtempSync(join(tmpdir(), "makegood-costs-"));
  const file = join(folder, "engine.db");
  const first = sqlite(file);
  await first.open();
  await first.close();
  const commits = watchSqliteCommits(file);
  const users = new DatabaseSync(file);
  return ledgerOn({
    makeStore: () => sqlite(file),
    counters: () => ({ commits: commits.read(), roundTrips: null }),
    adapter: nodeSqlite(users) as unknown as AnyAdapter,
    async close() {
      commits.close();
      users.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

/** On a fresh database of that server. */
export async function openPostgresLedger(serverUrl: string): Promise<Ledger> {
  const { url, drop } = await createDatabase(serverUrl);
  // Each app listens to it.
  const pool = new pg.Pool({ connectionString: url, max: 12 }).setMaxListeners(0);
  const roundTrips = countRoundTrips(Number(new URL(url).port));
  return ledgerOn({
    makeStore: () => postgres(pool, { migrate: true }),
    counters: () => ({ commits: null, roundTrips: roundTrips() }),
    adapter: nodePostgres(pool) as unknown as AnyAdapter,
    async close() {
      await pool.end();
      await drop();
    },
  });
}

/** As `openPostgresLedger`. */
export async function openMariadbLedger(serverUrl: string): Promise<Ledger> {
  const { url, drop } = await createMariadbDatabase(serverUrl);
  const pool = createPool({ uri: url, connectionLimit: 20 });
  const roundTrips = countMariadbRoundTrips(Number(new URL(url).port));
  return ledgerOn({
    makeStore: () => mysql(pool, { migrate: true }),
    counters: () => ({ commits: null, roundTrips: roundTrips() }),
    adapter: mysql2(pool) as unknown as AnyAdapter,
    async close() {
      await pool.end();
      await drop();
    },
  });
}

function ledgerOn({ makeStore, counters, adapter, close }: Database): Ledger {
  let flushes = 0;
  const counting = (store: Store): Store => ({
    ...store,
    executions: {
      ...store.executions,
      commit(starts, writes) {
        flushes++;
        return store.executions.commit(starts, writes);
      },
    },
  });
  const apps: App[] = [];
  /** What a worker does when it starts, and the word to other processes, go on for a moment by themselves. */
  const atRest = async (): Promise<Costs> => {
    for (let last: Costs | undefined; ; ) {
      const now = { flushes, ...counters() };
      if (isDeepStrictEqual(now, last)) return now;
      last = now;
      await pause(quietMs);
    }
  };
  return {
    app(...jobs) {
      const app = makegood({ store: counting(makeStore()), clock: stillClock, concurrency: 2_000 });
      app.register(...jobs);
      apps.push(app);
      return app;
    },
    adapter,
    async own() {
      const own = participant("own", this.adapter);
      await own.migrate();
      return own;
    },
    async costOf(units, work) {
      const before = await atRest();
      await work();
      const after = await atRest();
      const per = (of: keyof Costs): number | null => {
        const [from, to] = [before[of], after[of]];
        return from === null || to === null ? null : (to - from) / units;
      };
      return { flushes: per("flushes") ?? 0, commits: per("commits"), roundTrips: per("roundTrips") };
    },
    async close() {
      for (const app of apps) await app.stop({ graceMs: 0 });
      await close();
    },
  };
}
