import { describe, expect, it, vi } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { testParticipant } from "../../../test/participant/run-claims.ts";
import { makeSqliteFiles } from "../../../test/participant/sqlite-files.ts";
import { participant } from "../participant.ts";
import { betterSqlite3 } from "./better-sqlite3.ts";

const Database = await loadBetterSqlite3();
const title = Database === null ? "betterSqlite3 (skipped: better-sqlite3 does not load here)" : "betterSqlite3";

describe.skipIf(Database === null)(title, () => {
  if (Database === null) return;
  for (const hasBigInts of [false, true]) {
    testParticipant(hasBigInts ? "better-sqlite3 with bigints" : "better-sqlite3", {
      mode: "sync",
      dialect: "sqlite",
      open: async () => {
        const files = makeSqliteFiles();
        const databases = [files.path, files.path, files.emptyPath].map((path) => {
          const db = new Database(path, { timeout: 0 });
          db.pragma("synchronous = FULL");
          return db.defaultSafeIntegers(hasBigInts);
        });
        const [first, second, empty] = databases.map((db) => betterSqlite3(db, { durability: "require" }));
        if (first === undefined || second === undefined || empty === undefined) throw new Error("not reached");
        return {
          adapter: first,
          otherAdapter: second,
          emptyAdapter: empty,
          insertEffect: (tx, note) => void tx.prepare("INSERT INTO effect (note) VALUES (?)").run(note),
          countInside: (tx, note) => tx.prepare("SELECT 1 FROM effect WHERE note = ?").all(note).length,
          countEffects: files.countEffects,
          byHand: (body) => {
            const [db] = databases;
            if (db === undefined) throw new Error("not reached");
            return db.transaction(() => body(db))();
          },
          root: databases[0],
          close: () => {
            for (const db of databases) db.close();
            files.remove();
          },
        };
      },
    });
  }

  it("warns of better-sqlite3's own default in WAL mode, where commits are not flushed", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const files = makeSqliteFiles();
    const db = new Database(files.path);
    await participant("orders", betterSqlite3(db)).migrate();
    expect(warn).toHaveBeenCalledWith(
      expect.stringContaining("PRAGMA synchronous"),
      expect.objectContaining({ code: "MAKEGOOD_NOT_DURABLE" }),
    );
    warn.mockRestore();
    db.close();
    files.remove();
  });

  it.each(["COMMIT", "ROLLBACK"])("finds out a body that sends %s by itself", async (end) => {
    const db = new Database(":memory:");
    const { port, migrate } = participant("orders", betterSqlite3(db));
    await migrate();
    const outcome = port.act({ gid: "g", branch: "b", round: 0 }, "action", () => {
      db.exec(end);
      return null;
    });
    await expect(outcome).rejects.toMatchObject({ code: "INVARIANT" });
  });
});
