import type { DatabaseSync } from "node:sqlite";
import { migrations } from "../../src/participant/migrations/list.ts";

/** Leaves the tables as they were before the migration of that name. */
export function migrateBefore(db: DatabaseSync, name: string): void {
  const at = migrations.findIndex((migration) => migration.name === name);
  if (at < 0) throw new Error(`Expected a migration ${name}, found none`);
  db.exec("CREATE TABLE makegood_participant_migration (name TEXT PRIMARY KEY, applied_at INTEGER DEFAULT 0)");
  for (const { name, statements } of migrations.slice(0, at)) {
    for (const sql of statements.sqlite) db.exec(sql);
    db.prepare("INSERT INTO makegood_participant_migration (name) VALUES (?)").run(name);
  }
}
