// The store on MySQL or MariaDB, made from the user's own pool of mysql2.
import { describeValue, OptionError } from "../../core/errors.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import { type Log, silentLog } from "../../core/ports.ts";
import type { Store } from "../../core/store.ts";
import { commandStore } from "./commands.ts";
import { type AnyPool, Connections } from "./connection.ts";
import { executionStore } from "./executions.ts";
import { executorStore } from "./executors.ts";
import { checkSchema, migrate } from "./migrate.ts";
import { ownTransactions } from "./own.ts";
import { readStore } from "./reads.ts";
import { scheduleStore } from "./schedules.ts";
import { checkSuitability, leastConnections } from "./suitability.ts";
import { workerStore } from "./workers.ts";

export interface MysqlOptions {
  /** Applies missing migrations when the store opens. Default false: then it refuses, and `makegood migrate` does it. */
  readonly migrate?: boolean;
  /** How long one statement may take, in ms from when it is sent. Then its connection is destroyed. Default 10 000, 1 000 to 600 000. */
  readonly deadlineMs?: number;
  /**
   * How long a statement waits for another transaction's lock, in ms; the server counts whole seconds, so it is rounded up. Then
   * it is rolled back and repeated. Default 2 000, 1 000 to `deadlineMs`.
   */
  readonly lockTimeoutMs?: number;
  /** Hears of broken connections (debug) and of settings that endanger data (warn). Default: silent. */
  readonly log?: Log;
}

const knownOptions = ["migrate", "deadlineMs", "lockTimeoutMs", "log"] satisfies readonly (keyof MysqlOptions)[];
const defaultDeadlineMs = 10_000;
const defaultLockTimeoutMs = 2_000;
/** One flush is being made and sent while the server commits the other. */
const flushLanes = 2;
/** A claim beside them neither waits for a flush nor holds one up. */
const claimLanes = 1;
/** Reads, commands, and commits that may have to wait. */
const otherLanes = 3;

/**
 * A store in tables `makegood_…` of the pool's database. MariaDB 10.6 or later (10.11 was tried); MySQL 8.0.4 or later is
 * expected to do, and was not tried. InnoDB, sessions of its own: no pooler that hands each transaction another one.
 *
 * Takes a pool of `mysql2` or of `mysql2/promise`, whatever its settings. The store borrows up to six connections for as long
 * as it is open; give the pool eight or more. Close the store before the pool. The connections that it borrowed have settings
 * of their own and are destroyed, not given back. The database cannot push: other processes find work by polling.
 */
export function mysql(pool: AnyPool, options: MysqlOptions = {}): Store {
  if (typeof pool?.getConnection !== "function" || typeof pool.on !== "function")
    throw new OptionError("pool", `pool: expected a pool of the package mysql2, found ${describeValue(pool)}`);
  const { isAutomatic, log, ...limits } = resolveOptions(options);
  const lanes = { flushLaneCount: flushLanes + claimLanes, otherLaneCount: otherLanes };
  const connections = new Connections(pool, { ...limits, ...lanes, log });
  let identity: string | undefined;
  return {
    kind: "mysql",
    executions: executionStore(connections),
    workers: workerStore(connections),
    commands: commandStore(connections),
    executors: executorStore(connections),
    reads: readStore(connections),
    schedules: scheduleStore(connections),
    own: ownTransactions(() => identity),
    flushLanes,
    async open() {
      for (const warning of await checkSuitability(connections)) log.warn({}, `MySQL: ${warning}`);
      if (isAutomatic) await migrate(connections);
      identity = await checkSchema(connections);
    },
    migrate: () => migrate(connections),
    announce() {},
    listen: () => () => {},
    async close() {
      connections.close();
    },
  };
}

/** A store with a pool of its own, which it ends when it closes. Needs the package `mysql2`. `mysql://…` or `mariadb://…`. */
export async function mysqlFromUrl(url: string, options: MysqlOptions = {}): Promise<Store> {
  const { deadlineMs } = resolveOptions(options);
  const driver = await import("mysql2");
  const pool = driver.createPool({
    uri: url.replace(/^mariadb:/i, "mysql:"),
    connectionLimit: leastConnections + 2,
    connectTimeout: deadlineMs,
    enableKeepAlive: true,
    keepAliveInitialDelay: 10_000,
    charset: "utf8mb4",
  });
  const store = mysql(pool, options);
  return {
    ...store,
    async close() {
      await store.close();
      await new Promise<void>((resolve) => pool.end(() => resolve()));
    },
  };
}

function resolveOptions(options: MysqlOptions) {
  checkOptions(options, knownOptions, "mysql");
  const deadlineMs = checkInteger(options.deadlineMs ?? defaultDeadlineMs, "deadlineMs", 1_000, 600_000);
  const lockTimeoutMs = checkInteger(
    options.lockTimeoutMs ?? Math.min(defaultLockTimeoutMs, deadlineMs),
    "lockTimeoutMs",
    1_000,
    deadlineMs,
  );
  return { isAutomatic: options.migrate === true, log: options.log ?? silentLog, deadlineMs, lockTimeoutMs };
}
