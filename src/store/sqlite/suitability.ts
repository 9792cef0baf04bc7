// Whether this SQLite and this file can keep the promises of a durable store.
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { OptionError, StoreUnavailableError } from "../../core/errors.ts";
import { unsuitable } from "./failures.ts";

export const memory = ":memory:";

/** Older ones can corrupt a database in WAL mode when a checkpoint meets a writer (https://sqlite.org/wal.html, "WAL-reset bug"). */
const oldestSqlite = "3.51.3";

/**
 * WAL: readers do not wait for the writer. FULL: each commit is flushed to the disk before it is acknowledged, which NORMAL
 * does not do in WAL mode; `fullfsync` makes the flush a real one on macOS, and means nothing elsewhere.
 */
export const pragmas: readonly string[] = [
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = FULL",
  "PRAGMA fullfsync = ON",
  "PRAGMA temp_store = MEMORY",
  "PRAGMA cache_size = -16384",
  // 16 MiB of log between checkpoints, which run inside the commit that reaches it.
  "PRAGMA wal_autocheckpoint = 4096",
];

const fullSynchronous = 2;

export function assertDurable(database: DatabaseSync, path: string): void {
  const { journal_mode: journalMode } = database.prepare("PRAGMA journal_mode").get() ?? {};
  if (path !== memory && journalMode !== "wal")
    throw unsuitable(
      `Expected ${path} in journal mode wal, found ${journalMode}. Put it on a local disk, whose file system lets processes share memory`,
      { path, journalMode },
    );
  const { synchronous } = database.prepare("PRAGMA synchronous").get() ?? {};
  if (synchronous !== fullSynchronous)
    throw unsuitable(`Expected synchronous = FULL (2) on ${path}, found ${synchronous}`, { path, synchronous });
}

export function checkSqliteVersion(version: string | undefined): void {
  if (version !== undefined && !isOlder(version, oldestSqlite)) return;
  const found = version === undefined ? "none" : `SQLite ${version}`;
  throw unsuitable(
    `Expected this Node to carry SQLite ${oldestSqlite} or newer, which mended a corruption in WAL mode; found ${found}. Use Node 22.23 or newer, or 24`,
    { version },
  );
}

/** Says what is wrong in words before SQLite says "unable to open database file". */
export function checkLocation(path: string): void {
  if (path === memory) return;
  const folder = dirname(resolve(path));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new StoreUnavailableError(
      `Expected the folder ${folder} for the database ${path}, found none. Create it first`,
      { path, folder },
    );
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new StoreUnavailableError(`Expected ${path} to be a database file, found a folder. Name a file in it`, {
      path,
    });
  // The log and its index are files beside the database, made and removed by SQLite.
  for (const each of existsSync(path) ? [folder, path] : [folder])
    if (!isWritable(each))
      throw new StoreUnavailableError(
        `Expected to write to ${each}, found that this user may not. Change its permissions, or name another file`,
        { path },
      );
}

/** Throws OPTION_INVALID for what SQLite would take as a temporary database or a URI with settings of its own. */
export function checkPath(path: unknown): string {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw new OptionError(
      "path",
      `sqlite: expected the path of a file, or ":memory:", found ${path === "" ? "an empty one" : "something else"}`,
    );
  if (path.startsWith("file:"))
    throw new OptionError("path", "sqlite: expected a plain path, found a file: URI. Give the path alone");
  return path;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isOlder(version: string, limit: string): boolean {
  const numbers = (text: string): readonly number[] => text.split(".").map(Number);
  const [mine, theirs] = [numbers(version), numbers(limit)];
  for (let i = 0; i < 3; i++) {
    const difference = (mine[i] ?? 0) - (theirs[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
