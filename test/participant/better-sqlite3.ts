import type BetterSqlite3 from "better-sqlite3";

export type BetterSqlite3Module = typeof BetterSqlite3;

/**
 * better-sqlite3 is native code, which is not there on every platform. Without it its tests are skipped, loudly; where CI
 * is set they must run, so there its absence is an error.
 */
export async function loadBetterSqlite3(): Promise<BetterSqlite3Module | null> {
  try {
    const { default: Database } = await import("better-sqlite3");
    new Database(":memory:").close();
    return Database;
  } catch (error) {
    const isCi = (process.env["CI"] ?? "") !== "" && process.env["CI"] !== "false";
    if (isCi)
      throw new Error("Expected better-sqlite3 to load where CI is set, found that it does not.", { cause: error });
    console.warn(`SKIPPED: the tests of better-sqlite3, which does not load on this machine: ${error}`);
    return null;
  }
}
