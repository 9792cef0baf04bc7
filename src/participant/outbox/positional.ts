import type { Statement } from "../../core/script.ts";

/**
 * Lets a statement for SQLite or MySQL name its parameters `?1`, `?2` … in any order and more than once. It is sent with
 * plain `?`, since MySQL knows no others and better-sqlite3 takes numbered ones for names.
 */
export function positional(numbered: string): (...parameters: readonly unknown[]) => Statement {
  const places = [...numbered.matchAll(/\?(\d+)/g)].map((match) => Number(match[1]) - 1);
  const sql = numbered.replaceAll(/\?\d+/g, "?");
  return (...parameters) => ({ sql, parameters: places.map((place) => parameters[place]) });
}
