import { randomBytes } from "node:crypto";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { Store } from "../../core/store.ts";
import { commandStore } from "./commands.ts";
import { Connection } from "./connection.ts";
import { executionStore } from "./executions.ts";
import { migrate } from "./migrate.ts";
import { createMoments } from "./moment.ts";
import { ownTransactions, readIdentity } from "./own.ts";
import { readStore } from "./reads.ts";
import { checkPath } from "./suitability.ts";
import { workerStore } from "./workers.ts";

export interface SqliteOptions {
  /** How long SQLite itself waits for another writer, in ms. It blocks the whole process meanwhile. Default 10, 0 … 50. */
  readonly busyTimeoutMs?: number;
  /** How long a call waits in all for other writers before it ends with STORE_CONFLICT, in ms from its first try. Default 10 000, 0 … 600 000. */
  readonly conflictAfterMs?: number;
  /** Judges leases and due times; every process that shares the file must have the same time. Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
  /** For the ids of audit rows and incidents. Default: the system's. */
  readonly random?: Pick<Random, "bytes">;
}

const defaults = {
  busyTimeoutMs: 10,
  conflictAfterMs: 10_000,
  clock: { now: () => Date.now() },
  random: { bytes: (count: number): Uint8Array => randomBytes(count) },
};
const maxBusyTimeoutMs = 50;
const maxConflictAfterMs = 600_000;

/**
 * The engine's store in one SQLite file: no server, one machine, any number of processes, one writer at a time. Also
 * `":memory:"`, for tests: gone when it is closed. Nothing is opened before `open()`, which makes the file and brings its
 * tables up to date. The file may hold tables of the user's own, which take part in `ctx.tx` under one commit.
 *
 * Throws OPTION_INVALID. `open()` rejects with STORE_UNAVAILABLE (folder missing, no permission), STORE_UNSUITABLE (SQLite
 * too old, no WAL, no database file) or STORE_SCHEMA (needs newer code).
 */
export function sqlite(path: string, options: SqliteOptions = {}): Store {
  const { busyTimeoutMs, conflictAfterMs, clock, random } = resolveOptions(options);
  const moments = createMoments(clock, random);
  const connection = new Connection({ path: checkPath(path), moment: moments, busyTimeoutMs, conflictAfterMs });
  let identity: string | null = null;
  return {
    kind: "sqlite",
    executions: executionStore(connection),
    workers: workerStore(connection),
    commands: commandStore(connection),
    reads: readStore(connection),
    own: ownTransactions(() => identity, moments),
    flushLanes: 1,
    async open() {
      await connection.open();
      try {
        await migrate(connection);
        identity = await connection.read((sql) => sql.script(readIdentity()));
      } catch (error) {
        connection.close();
        throw error;
      }
    },
    async migrate() {
      await connection.open();
      return migrate(connection);
    },
    // SQLite cannot push: other processes poll.
    announce() {},
    listen: () => () => {},
    close() {
      connection.close();
      return Promise.resolve();
    },
  };
}

function resolveOptions(options: SqliteOptions) {
  checkOptions(options, Object.keys(defaults), "sqlite");
  const {
    busyTimeoutMs = defaults.busyTimeoutMs,
    conflictAfterMs = defaults.conflictAfterMs,
    clock = defaults.clock,
    random = defaults.random,
  } = options;
  return {
    busyTimeoutMs: checkInteger(busyTimeoutMs, "sqlite.busyTimeoutMs", 0, maxBusyTimeoutMs),
    conflictAfterMs: checkInteger(conflictAfterMs, "sqlite.conflictAfterMs", 0, maxConflictAfterMs),
    clock,
    random,
  };
}
