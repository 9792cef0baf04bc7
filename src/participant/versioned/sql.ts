import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { quoteName, quoteTable } from "../identifiers.ts";
import type { RowId } from "../parse-row.ts";

/** The row to be changed, its names quoted. */
export interface VersionedRow {
  readonly table: string;
  readonly idColumn: string;
  readonly versionColumn: string;
  readonly id: RowId;
}

export interface Seen {
  /** The id as text, as the database writes it. */
  readonly entity: string;
  readonly version: number;
}

export interface VersionedSql {
  /** Sets the columns if the row is of this version; answers whether it was. Raises the version, so that it always changes something. */
  update(row: VersionedRow, version: number, columns: readonly string[], values: readonly unknown[]): Script<boolean>;
  /** The row as it is now, though the caller's transaction may have begun to read earlier; `lock`: until that transaction ends. */
  read(row: VersionedRow, lock: boolean): Script<Seen | null>;
  /** Records an intent; false, and no record, if it is there. */
  record(relation: string, entity: string, key: string, version: number): Script<boolean>;
  /** The version that an intent made. */
  recorded(relation: string, entity: string, key: string): Script<number | null>;
}

export interface RowOptions {
  readonly table: unknown;
  readonly id: RowId;
  readonly idColumn: unknown;
  readonly versionColumn: unknown;
}

/** Throws OPTION_INVALID for names that cannot be names. */
export function quoteRow(
  dialect: Dialect,
  { table, id, idColumn, versionColumn }: RowOptions,
  where: string,
): VersionedRow {
  return {
    table: quoteTable(dialect, table, `${where}: table`),
    idColumn: quoteName(dialect, idColumn, `${where}: columns.id`),
    versionColumn: quoteName(dialect, versionColumn, `${where}: columns.version`),
    id,
  };
}
