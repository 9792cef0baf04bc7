// Optimistic versions. Without a key: compare the version, set, and raise it, in one statement; on a miss a look at the row
// tells whether it is of another version or gone. With a key: the row is locked first, so that whoever brings the same
// intent queues up at it; then the intent is recorded, which can be done only once; then the row is changed.
import { OptionError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { AlreadyUpdated, Mode, Participant, VersionedUpdate } from "../../core/participant.ts";
import type { Dialect } from "../../core/store.ts";
import type { Base } from "../base.ts";
import { namingUserTables } from "../own-tables.ts";
import { parseId, parseMark, parseVersion } from "../parse-row.ts";
import { quoteColumns } from "../set-columns.ts";
import { ask, type Work } from "../work.ts";
import { versionedMysql } from "./mysql.ts";
import { versionedPostgres } from "./postgres.ts";
import { quoteRow, type VersionedRow, type VersionedSql } from "./sql.ts";
import { versionedSqlite } from "./sqlite.ts";

const where = "updateVersioned";
const changeKeys = ["table", "id", "version", "set", "columns", "key"] as const;

const sqlOf: Readonly<Record<Dialect, VersionedSql>> = {
  postgres: versionedPostgres,
  sqlite: versionedSqlite,
  mysql: versionedMysql,
};

export function createUpdateVersioned<Tx, M extends Mode>(base: Base<Tx, M>): Participant<Tx, M>["updateVersioned"] {
  const dialect = base.dialect.name;
  const sql = sqlOf[dialect];
  function* perform(given: unknown): Work<VersionedUpdate | AlreadyUpdated> {
    const change = parseChange(dialect, given);
    return yield* change.key === null ? update(sql, change) : updateOnce(sql, change, change.key);
  }
  const updateVersioned = (tx: Tx, given: unknown): unknown => base.inside(tx, namingUserTables(perform(given)));
  return updateVersioned as Participant<Tx, M>["updateVersioned"];
}

interface Change {
  readonly row: VersionedRow;
  /** The table as it was named. */
  readonly relation: string;
  readonly version: number;
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
  readonly key: string | null;
}

function* update(sql: VersionedSql, { row, version, columns, values }: Change): Work<VersionedUpdate> {
  if (yield* ask(sql.update(row, version, columns, values))) return { kind: "updated", version: version + 1 };
  const seen = yield* ask(sql.read(row, false));
  return seen === null ? { kind: "missing" } : { kind: "stale", version: seen.version };
}

function* updateOnce(sql: VersionedSql, change: Change, key: string): Work<VersionedUpdate | AlreadyUpdated> {
  const { row, relation, version, columns, values } = change;
  const seen = yield* ask(sql.read(row, true));
  if (seen === null) return { kind: "missing" };
  // Stale is only who was not there before: whoever repeats has often read the row again, or others have written since.
  if (seen.version !== version) {
    const made = yield* ask(sql.recorded(relation, seen.entity, key));
    return made === null ? { kind: "stale", version: seen.version } : { kind: "already", version: made };
  }
  if (!(yield* ask(sql.record(relation, seen.entity, key, version + 1)))) {
    const made = yield* ask(sql.recorded(relation, seen.entity, key));
    return { kind: "already", version: made ?? version };
  }
  yield* ask(sql.update(row, version, columns, values));
  return { kind: "updated", version: version + 1 };
}

function parseChange(dialect: Dialect, given: unknown): Change {
  checkOptions(given, changeKeys, where);
  const { table, id, version, set, columns = {}, key } = given as Readonly<Record<string, unknown>>;
  checkOptions(columns, ["id", "version"], `${where}: columns`);
  const { id: idColumn = "id", version: versionColumn = "version" } = columns as Readonly<Record<string, unknown>>;
  const row = quoteRow(dialect, { table, id: parseId(id, where), idColumn, versionColumn }, where);
  const written = quoteColumns(dialect, set, [row.idColumn, row.versionColumn], `${where}: set`);
  if (version === undefined || version === null)
    throw new OptionError("version", `${where}: version: expected the version that was read with the row, found none`);
  return {
    row,
    relation: String(table),
    version: parseVersion(version, where),
    columns: Object.keys(written),
    values: Object.values(written),
    key: key === undefined ? null : parseMark(key, "key", where),
  };
}
