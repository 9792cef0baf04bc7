// What a participant needs to know of a database. One file of SQL and one of error codes for each.
import { OptionError } from "../core/errors.ts";
import type { BarrierMark } from "../core/participant.ts";
import type { Script } from "../core/script.ts";
import type { Dialect } from "../core/store.ts";
import { barrierPostgres } from "./barrier/postgres.ts";
import { barrierSqlite } from "./barrier/sqlite.ts";
import type { MigrationSql } from "./migrations/migration.ts";
import { migrationsPostgres } from "./migrations/postgres.ts";
import { migrationsSqlite } from "./migrations/sqlite.ts";
import { troublePostgres } from "./trouble/postgres.ts";
import { troubleSqlite } from "./trouble/sqlite.ts";

export type BarrierOp = "action" | "compensation" | "try" | "confirm" | "cancel";

export interface BarrierRow {
  readonly op: BarrierOp;
  /** Who inserted it: itself, or its undo, which then stands in its way for good. */
  readonly byOp: BarrierOp;
  readonly result: Uint8Array | null;
}

export interface BarrierSql {
  /**
   * Inserts, in this order, those of the rows that are not there yet, and returns which ones they were. Meets an open
   * transaction that inserted the same row: waits for its end. Insert first, never select for update first: on InnoDB two
   * newcomers would deadlock.
   */
  insert(mark: BarrierMark, ops: readonly BarrierOp[], byOp: BarrierOp): Script<readonly BarrierOp[]>;
  /** All rows of the branch. A statement of its own, begun after the insert returned: the insert's own snapshot is older (D6, D7). */
  read(mark: BarrierMark): Script<readonly BarrierRow[]>;
  /**
   * Last before COMMIT: stores the result in the row that this transaction inserted. Fails if an earlier statement has
   * aborted the transaction; returns false if the transaction that inserted the row is over, so that a body which sent
   * COMMIT or ROLLBACK by itself is found out.
   */
  keep(mark: BarrierMark, op: BarrierOp, result: Uint8Array | null): Script<boolean>;
  /** Takes the row back that this transaction inserted: its effect threw, and the caller may commit all the same. */
  remove(mark: BarrierMark, op: BarrierOp): Script<void>;
  /** Deletes all rows of these executions; returns how many. */
  prune(executionIds: readonly string[]): Script<number>;
  /** Deletes at most so many rows of executions whose ids sort before this one; returns how many. */
  pruneBefore(firstId: string, limit: number): Script<number>;
}

/**
 * What an error of a statement of ours says. In each case nothing has happened, since COMMIT was not sent:
 *   transient  a deadlock, a lock, a server that is full or shuts down: repeating helps
 *   lost       the connection is gone, and the client does not know why
 *   aborted    an earlier statement failed, and the body went on as if it had not
 *   idle       the server ended the transaction because the body let it idle for too long
 *   missing    a table or column is not there
 *   permanent  anything else: repeating alone does not help
 */
export type Trouble = "transient" | "lost" | "aborted" | "idle" | "missing" | "permanent";

export interface TroubleCodes {
  troubleOf(error: unknown): Trouble;
  /** Whether this error *of COMMIT* says for certain that the transaction was rolled back. Else its outcome is unknown (D1, D2). */
  isRollback(error: unknown): boolean;
  /** Whether a migration that failed so was only in another one's way. */
  isMigrationRace(error: unknown): boolean;
}

export interface ParticipantDialect extends BarrierSql, TroubleCodes {
  readonly name: Dialect;
  readonly migrations: MigrationSql;
}

export function dialectOf(dialect: Dialect): ParticipantDialect {
  switch (dialect) {
    case "postgres":
      return { name: dialect, migrations: migrationsPostgres, ...barrierPostgres, ...troublePostgres };
    case "sqlite":
      return { name: dialect, migrations: migrationsSqlite, ...barrierSqlite, ...troubleSqlite };
    case "mysql":
      throw new OptionError("adapter.dialect", "adapter.dialect: expected postgres or sqlite, found mysql");
  }
}
