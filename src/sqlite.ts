export { betterSqlite3 } from "./participant/adapters/better-sqlite3.ts";
export { nodeSqlite } from "./participant/adapters/node-sqlite.ts";
export type { SqliteAdapterOptions } from "./participant/adapters/sqlite-durability.ts";
export { type SqliteOptions, sqlite } from "./store/sqlite/sqlite.ts";
