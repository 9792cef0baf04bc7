import { describeValue, OptionError } from "../../core/errors.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { Store } from "../../core/store.ts";
import { inThread, systemClock, systemRandom } from "./in-thread.ts";
import { createMoments } from "./moment.ts";
import { ownTransactions } from "./own.ts";
import { checkPath, memory } from "./suitability.ts";
import { findProgram, threaded } from "./thread/threaded.ts";

export interface SqliteOptions {
  /** How long SQLite itself waits for another writer, in ms. It blocks its thread meanwhile. Default 10, 0 … 50. */
  readonly busyTimeoutMs?: number;
  /** How long a call waits in all for other writers before it ends with STORE_CONFLICT, in ms from its first try. Default 10 000, 0 … 600 000. */
  readonly conflictAfterMs?: number;
  /**
   * Whether SQLite works in a thread of its own, so that the application's does not wait for the disk. It costs a job alone a
   * third more time. Not for a database in memory, and not with `clock` or `random`. Default false.
   */
  readonly thread?: boolean;
  /** Judges leases and due times; every process that shares the file must have the same time. Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
  /** For the ids of audit rows and incidents. Default: the system's. */
  readonly random?: Pick<Random, "bytes">;
}

const defaults = { busyTimeoutMs: 10, conflictAfterMs: 10_000, thread: false };
const optionNames = [...Object.keys(defaults), "clock", "random"];
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
  const { thread, clock, random, ...limits } = resolveOptions(options);
  const settings = { path: checkPath(path), ...limits };
  if (thread && (path === memory || clock !== undefined || random !== undefined))
    throw new OptionError(
      "sqlite.thread",
      "sqlite.thread: expected a file, and neither clock nor random, beside thread: true; they stay in the application's thread",
    );
  const program = thread ? findProgram() : null;
  if (thread && program === null) warnOfNoThread();
  if (program === null) return inThread({ ...settings, clock, random });
  return threaded(program, settings, (identity) => ownTransactions(identity, createMoments(systemClock, systemRandom)));
}

function resolveOptions(options: SqliteOptions) {
  checkOptions(options, optionNames, "sqlite");
  const {
    busyTimeoutMs = defaults.busyTimeoutMs,
    conflictAfterMs = defaults.conflictAfterMs,
    thread = defaults.thread,
    clock,
    random,
  } = options;
  if (typeof thread !== "boolean")
    throw new OptionError("sqlite.thread", `sqlite.thread: expected true or false, found ${describeValue(thread)}`);
  return {
    busyTimeoutMs: checkInteger(busyTimeoutMs, "sqlite.busyTimeoutMs", 0, maxBusyTimeoutMs),
    conflictAfterMs: checkInteger(conflictAfterMs, "sqlite.conflictAfterMs", 0, maxConflictAfterMs),
    thread,
    clock,
    random,
  };
}

let isWarned = false;

/** Everything works without the thread, only slower. Once, whatever the number of stores. */
function warnOfNoThread(): void {
  if (isWarned) return;
  isWarned = true;
  process.emitWarning(
    "Expected the program of SQLite's thread beside the module that starts it, found none: a bundler left it behind. SQLite works in the application's thread, which waits for the disk. Keep makegood out of the bundle (external), or do without { thread: true }",
    { type: "MakegoodWarning", code: "MAKEGOOD_NO_THREAD" },
  );
}
