import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import type { LockStore } from "../../lock/lock.ts";
import { lockMysql } from "./mysql.ts";
import { lockPostgres } from "./postgres.ts";
import { lockSqlite } from "./sqlite.ts";

type Acquired = Awaited<ReturnType<LockStore["acquire"]>>;

/** `LockStore` in SQL, each statement a transaction of its own; and the upkeep. All times are of the database's clock. */
export interface LockSql {
  acquire(name: string, owner: string, leaseMs: number): Script<Acquired>;
  renew(name: string, owner: string, fence: number, leaseMs: number): Script<boolean>;
  release(name: string, owner: string, fence: number): Script<void>;
  /** Deletes at most so many rows that nobody has held for that long; returns how many. */
  prune(unusedMs: number, limit: number): Script<number>;
}

export const lockSqlOf: Readonly<Record<Dialect, LockSql>> = {
  postgres: lockPostgres,
  sqlite: lockSqlite,
  mysql: lockMysql,
};
