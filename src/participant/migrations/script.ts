import type { Dialect } from "../../core/store.ts";
import { dialectOf } from "../dialect.ts";
import { migrations } from "./list.ts";

/**
 * Every statement that `migrate()` runs in a database without tables of ours, in order, for tools that run migrations of
 * their own. Each name is entered, so that `migrate()` afterwards finds nothing missing. Run them in one transaction where
 * the database can: PostgreSQL and SQLite.
 */
export function participantSql(dialect: Dialect): readonly string[] {
  const { place, entry } = dialectOf(dialect).migrations;
  const applied = migrations.flatMap(({ name, statements }) => [...statements[dialect], entry(name)]);
  return [...place, ...applied].map(withoutIndent);
}

/** The statements are indented as the code around them is. */
function withoutIndent(sql: string): string {
  const lines = sql.trim().split("\n");
  const indents = lines.slice(1).map((line) => line.search(/\S|$/));
  const least = Math.min(...indents, Number.POSITIVE_INFINITY);
  return [lines[0], ...lines.slice(1).map((line) => line.slice(least))].join("\n");
}
