import type { Row } from "../core/script.ts";

/** Append-only: a released one is never changed, a later change is a later one. */
export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

/** Names that the database has and this code has not belong to a newer version, which keeps older code working: ignored. */
export function missingOf(migrations: readonly Migration[], applied: readonly Row[]): readonly Migration[] {
  const names = new Set(applied.map((row) => row["name"]));
  return migrations.filter(({ name }) => !names.has(name));
}
