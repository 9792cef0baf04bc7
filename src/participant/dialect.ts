// What a participant needs to know of a database. One file of SQL and one of error codes for each.
import type { BarrierMark } from "../core/participant.ts";
import type { Script } from "../core/script.ts";
import type { Dialect } from "../core/store.ts";
import { barrierMysql } from "./barrier/mysql.ts";
import { barrierPostgres } from "./barrier/postgres.ts";
import { barrierSqlite } from "./barrier/sqlite.ts";
import { guardMysql, noGuard } from "./guard.ts";
import type { MigrationSql } from "./migrations/migration.ts";
import { migrationsMysql } from "./migrations/mysql.ts";
import { migrationsPostgres } from "./migrations/postgres.ts";
import { migrationsSqlite } from "./migrations/sqlite.ts";
import { outboxMysql } from "./outbox/mysql.ts";
import { outboxPostgres } from "./outbox/postgres.ts";
import type { OutboxSql } from "./outbox/sql.ts";
import { outboxSqlite } from "./outbox/sqlite.ts";
import { recordsMysql } from "./record/mysql.ts";
import { recordsPostgres } from "./record/postgres.ts";
import type { RecordSql } from "./record/record.ts";
import { recordsSqlite } from "./record/sqlite.ts";
import { troubleMysql } from "./trouble/mysql.ts";
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
 * What an error of a statement of ours says. In each case but one nothing has happened, since COMMIT was not sent:
 *   transient  a deadlock, a lock, a server that is full or shuts down: repeating helps
 *   lost       the connection is gone, and the client does not know why
 *   aborted    an earlier statement failed, and the body went on as if it had not
 *   ended      an earlier statement ended the transaction: what came after it has been committed, each by itself
 *   idle       the server ended the transaction because the body let it idle for too long
 *   missing    a table or column is not there
 *   permanent  anything else: repeating alone does not help
 */
export type Trouble = "transient" | "lost" | "aborted" | "ended" | "idle" | "missing" | "permanent";

export interface TroubleCodes {
  troubleOf(error: unknown): Trouble;
  /** Whether this error *of COMMIT* says for certain that the transaction was rolled back. Else its outcome is unknown (D1, D2). */
  isRollback(error: unknown): boolean;
  /** Whether a migration that failed so was only in another one's way. */
  isMigrationRace(error: unknown): boolean;
}

/**
 * Finds out that the transaction which stands open after the body is not the one in which it was called: on MySQL and
 * MariaDB a deadlock ends the whole transaction, and a body that hides its error goes on with statements that commit by
 * themselves. Of a transaction that the participant began; those of callers are theirs to watch, and may nest.
 */
export interface TransactionGuard {
  /** Before the body. */
  enter(): Script<void>;
  /** After it, before any other statement of ours. Its statement fails with trouble `ended`. */
  leave(): Script<void>;
}

export interface ParticipantDialect extends BarrierSql, TroubleCodes {
  readonly name: Dialect;
  readonly migrations: MigrationSql;
  readonly guard: TransactionGuard;
  readonly outbox: OutboxSql;
  readonly records: RecordSql;
}

export function dialectOf(dialect: Dialect): ParticipantDialect {
  switch (dialect) {
    case "postgres":
      return {
        name: dialect,
        migrations: migrationsPostgres,
        guard: noGuard,
        outbox: outboxPostgres,
        records: recordsPostgres,
        ...barrierPostgres,
        ...troublePostgres,
      };
    case "sqlite":
      return {
        name: dialect,
        migrations: migrationsSqlite,
        guard: noGuard,
        outbox: outboxSqlite,
        records: recordsSqlite,
        ...barrierSqlite,
        ...troubleSqlite,
      };
    case "mysql":
      return {
        name: dialect,
        migrations: migrationsMysql,
        guard: guardMysql,
        outbox: outboxMysql,
        records: recordsMysql,
        ...barrierMysql,
        ...troubleMysql,
      };
  }
}
