import type { Row, Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";

/** Append-only: a released one is never changed, a later change is a later one. */
export interface Migration {
  readonly name: string;
  /**
   * MySQL and MariaDB commit each DDL statement by itself: theirs must be safe to run again after a crash behind any of them
   * (CREATE TABLE IF NOT EXISTS, indexes within it).
   */
  readonly statements: Readonly<Record<Dialect, readonly string[]>>;
}

/** How a database keeps its list of migrations, so that several processes take turns. Runs on one connection. */
export interface MigrationSql {
  /** Takes the lock, makes the place for the list, and returns the names on it. */
  begin(): Script<readonly Row[]>;
  /** Enters a name, after its statements. */
  enter(name: string): Script<void>;
  /** The same without a lock, for people who run their own migrations: what makes the place, and an entry for a name. */
  readonly place: readonly string[];
  entry(name: string): string;
  /** Lets go of a lock that the transaction's end does not. Runs last in any case, also after a statement that failed. */
  end(): Script<void>;
}

/** Names that the database has and this code has not belong to a newer version, which keeps older code working: ignored. */
export function missingOf(migrations: readonly Migration[], applied: readonly Row[]): readonly Migration[] {
  const names = new Set(applied.map((row) => row["name"]));
  return migrations.filter(({ name }) => !names.has(name));
}
