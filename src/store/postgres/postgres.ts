// The store on PostgreSQL, made from the user's own pool of pg.
import type pg from "pg";
import { describeValue, OptionError } from "../../core/errors.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import { type Log, silentLog } from "../../core/ports.ts";
import type { Store } from "../../core/store.ts";
import { commandStore } from "./commands.ts";
import { Connections } from "./connection.ts";
import { executionStore } from "./executions.ts";
import { executorStore } from "./executors.ts";
import { checkSchema, migrate } from "./migrate.ts";
import { Notices } from "./notify.ts";
import { ownTransactions } from "./own.ts";
import { readStore } from "./reads.ts";
import { scheduleStore } from "./schedules.ts";
import { checkSuitability } from "./suitability.ts";
import { workerStore } from "./workers.ts";

export interface PostgresOptions {
  /** Applies missing migrations when the store opens. Default false: then it refuses, and `makegood migrate` does it. */
  readonly migrate?: boolean;
  /** How long one statement may take, in ms from when it is sent. Then its connection is destroyed. Default 10 000, 100 to 600 000. */
  readonly deadlineMs?: number;
  /** How long a statement waits for another transaction's lock, in ms. Then it is rolled back and repeated. Default 2 000, 10 to `deadlineMs`. */
  readonly lockTimeoutMs?: number;
  /** Hears of broken connections (debug) and of settings that endanger data (warn). Default: silent. */
  readonly log?: Log;
}

const knownOptions = ["migrate", "deadlineMs", "lockTimeoutMs", "log"] satisfies readonly (keyof PostgresOptions)[];
const defaultDeadlineMs = 10_000;
const defaultLockTimeoutMs = 2_000;
/** One flush is being made and sent while the server commits the other. */
const flushLanes = 2;
/** A claim beside them neither waits for a flush nor holds one up. */
const claimLanes = 1;
/** Opened when a scheduler runs. */
const scheduleLanes = 1;

/**
 * A store in schema `makegood` of the pool's database. PostgreSQL 14 or later (15 was tried), sessions of its own: no pooler
 * in transaction mode.
 *
 * The store borrows four connections for as long as it is open, one more while it listens, and others for a moment; give the
 * pool seven or more. Close the store before the pool. Connections that the store keeps have settings of their own and are
 * destroyed, not given back; on the others it changes settings only within its own transactions. Set the pool's
 * `connectionTimeoutMillis` and `keepAlive`: pg waits for ever by default, and only the store's own work has a deadline.
 */
export function postgres(pool: pg.Pool, options: PostgresOptions = {}): Store {
  if (typeof pool?.connect !== "function" || typeof pool.on !== "function")
    throw new OptionError("pool", `pool: expected a Pool of the package pg, found ${describeValue(pool)}`);
  const { isAutomatic, log, ...limits } = resolveOptions(options);
  const connections = new Connections(pool, { ...limits, log, laneCount: flushLanes + claimLanes + scheduleLanes });
  const notices = new Notices(connections, log);
  let identity: string | undefined;
  return {
    kind: "postgres",
    executions: executionStore(connections, notices),
    workers: workerStore(connections),
    commands: commandStore(connections),
    executors: executorStore(connections),
    reads: readStore(connections),
    schedules: scheduleStore(connections),
    own: ownTransactions(() => identity),
    flushLanes,
    async open() {
      for (const warning of await checkSuitability(connections, pool.options.max))
        log.warn({}, `PostgreSQL: ${warning}`);
      if (isAutomatic) await migrate(connections);
      identity = await checkSchema(connections);
    },
    migrate: () => migrate(connections),
    announce: (namespace, execution) => notices.announce(namespace, execution),
    listen: (namespace, hear) => notices.listen(namespace, hear),
    async close() {
      notices.close();
      connections.close();
    },
  };
}

/**
 * A store with a pool of its own, which it ends when it closes. Needs the package `pg`. Every timeout is set, on this side and
 * on the server's.
 */
export async function postgresFromUrl(url: string, options: PostgresOptions = {}): Promise<Store> {
  const { deadlineMs, lockTimeoutMs } = resolveOptions(options);
  const { default: driver } = await import("pg");
  const pool = new driver.Pool({
    connectionString: url,
    application_name: "makegood",
    max: 10,
    connectionTimeoutMillis: deadlineMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: deadlineMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: deadlineMs,
  });
  const store = postgres(pool, options);
  return {
    ...store,
    async close() {
      await store.close();
      await pool.end();
    },
  };
}

function resolveOptions(options: PostgresOptions) {
  checkOptions(options, knownOptions, "postgres");
  const deadlineMs = checkInteger(options.deadlineMs ?? defaultDeadlineMs, "deadlineMs", 100, 600_000);
  const lockTimeoutMs = checkInteger(
    options.lockTimeoutMs ?? Math.min(defaultLockTimeoutMs, deadlineMs),
    "lockTimeoutMs",
    10,
    deadlineMs,
  );
  return { isAutomatic: options.migrate === true, log: options.log ?? silentLog, deadlineMs, lockTimeoutMs };
}
