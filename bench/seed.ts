// Many executions in no time: copies of one, made by the database itself. All tables are found by their columns, so that this
// need not follow each change of the schema: a column that names the execution gets the copy's id, times move apart by 1 ms.
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { Place } from "./contender.ts";
import { isPostgres } from "./store.ts";

/** Copies at a time: the journal of the database must not hold all of them at once. */
const batch = 100_000;

const idColumns: readonly string[] = ["id", "execution_id", "root"];
const pastColumns: readonly string[] = ["created_at", "ended_at", "at"];
const futureColumns: readonly string[] = ["wake_at", "prune_at"];

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
}

/** How one database says it; `$n` are: 1 the original's id, 2 and 3 the first and last number of the batch, 4 the original's time. */
interface Dialect {
  readonly series: string;
  readonly newId: string;
  readonly same: (column: string) => string;
}

const postgresDialect: Dialect = {
  series: "generate_series($2::bigint, $3::bigint) AS series (n)",
  newId: "(lpad(to_hex($4::bigint - n), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid",
  same: (column) => `${column} = $1::uuid`,
};

const sqliteDialect: Dialect = {
  series: "(WITH RECURSIVE s (n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM s WHERE n < ?3) SELECT n FROM s) AS series",
  newId: "unhex(printf('%012x70008%015x', ?4 - n, n))",
  same: (column) => `${column} = unhex(?1)`,
};

/** `count` copies, each a millisecond older than the one before, and due a millisecond later. */
export async function cloneExecution(place: Place, id: string, count: number): Promise<void> {
  if (isPostgres(place)) await cloneInPostgres(place.url, id, count);
  else cloneInSqlite(place.url, id, count);
}

async function cloneInPostgres(url: string, id: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; columns: string[] }>(
      `SELECT table_name AS name, array_agg(column_name::text) AS columns FROM information_schema.columns
       WHERE table_schema = 'makegood' AND is_identity = 'NO' GROUP BY table_name`,
    );
    const statements = tablesToCopy(rows, "execution").map((it) => copySql(it, "makegood.", postgresDialect));
    for (const [from, to] of batches(count))
      for (const sql of statements) await client.query(sql, [id, from, to, timeOf(id)]);
    await client.query("VACUUM (ANALYZE)");
    await client.query("CHECKPOINT");
  } finally {
    await client.end();
  }
}

function cloneInSqlite(file: string, id: string, count: number): void {
  using database = new DatabaseSync(file);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const all = tables.map(({ name }) => ({
    name: String(name),
    columns: database
      .prepare("SELECT name FROM pragma_table_info(?)")
      .all(String(name))
      .map((column) => String(column["name"])),
  }));
  const statements = tablesToCopy(all, "makegood_execution").map((it) =>
    database.prepare(copySql(it, "", sqliteDialect)),
  );
  for (const [from, to] of batches(count)) {
    database.exec("BEGIN IMMEDIATE");
    for (const statement of statements) statement.run(id.replaceAll("-", ""), from, to, timeOf(id));
    database.exec("COMMIT");
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
}

/** The execution's own table and those whose rows belong to one. */
function tablesToCopy(tables: readonly Table[], execution: string): readonly Table[] {
  const found = tables.filter(({ name, columns }) => name === execution || columns.includes("execution_id"));
  if (found.some(({ name }) => name === execution)) return found;
  throw new TypeError(
    `Expected the table ${execution} in the store, found ${tables.map(({ name }) => name).join(", ")}.`,
  );
}

/** A table with ids of its own (incidents, audit, runs) has no row of an execution that went well, so none is copied. */
function copySql({ name, columns }: Table, prefix: string, { series, newId, same }: Dialect): string {
  const owner = columns.includes("execution_id") ? "execution_id" : "id";
  const quoted = columns.map((column) => `"${column}"`);
  const values = columns.map((column, at) => copied(column, quoted[at] ?? "", newId, same));
  return `INSERT INTO ${prefix}${name} (${quoted.join(", ")}) SELECT ${values.join(", ")}
    FROM ${series}, ${prefix}${name} AS original WHERE ${same(`original.${owner}`)}`;
}

function copied(column: string, quoted: string, newId: string, same: Dialect["same"]): string {
  const original = `original.${quoted}`;
  if (idColumns.includes(column)) return `CASE WHEN ${same(original)} THEN ${newId} ELSE ${original} END`;
  if (pastColumns.includes(column)) return `${original} - n`;
  if (futureColumns.includes(column)) return `${original} + n`;
  return original;
}

/** Of a UUIDv7: its first 48 bits, in epoch milliseconds. */
function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

function* batches(count: number): Generator<readonly [from: number, to: number]> {
  for (let from = 1; from <= count; from += batch) yield [from, Math.min(count, from + batch - 1)];
}
