import { DatabaseSync, StatementSync } from "node:sqlite";
import { afterEach, describe, expect, it, vi } from "vitest";
import { testParticipant } from "../../../test/participant/run-claims.ts";
import { makeSqliteFiles } from "../../../test/participant/sqlite-files.ts";
import { participant } from "../participant.ts";
import { nodeSqlite } from "./node-sqlite.ts";

// Settings that a user may have chosen must not reach makegood's own statements.
const allSettings = {
  "node:sqlite": {},
  "node:sqlite with bigints and arrays": { readBigInts: true, returnArrays: true },
};

for (const [name, settings] of Object.entries(allSettings)) {
  testParticipant(name, {
    mode: "sync",
    dialect: "sqlite",
    open: async () => {
      const files = makeSqliteFiles();
      const databases = [files.path, files.path, files.emptyPath].map((path) => new DatabaseSync(path, settings));
      const [first, second, empty] = databases as [DatabaseSync, DatabaseSync, DatabaseSync];
      return {
        adapter: nodeSqlite(first),
        otherAdapter: nodeSqlite(second),
        emptyAdapter: nodeSqlite(empty),
        insertEffect: (tx, note) => void tx.prepare("INSERT INTO effect (note) VALUES (?)").run(note),
        countInside: (tx, note) => tx.prepare("SELECT * FROM effect WHERE note = ?").all(note).length,
        countEffects: files.countEffects,
        byHand: (body) => {
          first.exec("BEGIN");
          try {
            const result = body(first);
            first.exec("COMMIT");
            return result;
          } catch (error) {
            first.exec("ROLLBACK");
            throw error;
          }
        },
        root: first,
        close: () => {
          for (const db of databases) db.close();
          files.remove();
        },
      };
    },
  });
}

const sending = (db: DatabaseSync, sql: string) => (): null => {
  db.exec(sql);
  return null;
};

describe("nodeSqlite", () => {
  afterEach(() => vi.restoreAllMocks());
  const files = makeSqliteFiles();
  const open = (synchronous: string): DatabaseSync => {
    const db = new DatabaseSync(files.path);
    db.exec(`PRAGMA synchronous = ${synchronous}`);
    return db;
  };

  it("warns once of a connection that a power cut can rob of commits", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const orders = participant("orders", nodeSqlite(open("NORMAL")));
    await orders.migrate();
    await orders.migrate();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]).toEqual([
      expect.stringContaining("found 1"),
      { type: "MakegoodWarning", code: "MAKEGOOD_NOT_DURABLE" },
    ]);
  });

  it("is silent where the connection is durable, in memory, or the user said so", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const adapters = [
      nodeSqlite(open("FULL"), { durability: "require" }),
      nodeSqlite(open("EXTRA")),
      nodeSqlite(open("OFF"), { durability: "ignore" }),
      nodeSqlite(new DatabaseSync(":memory:"), { durability: "require" }),
    ];
    for (const adapter of adapters) await participant("orders", adapter).migrate();
    expect(warn).not.toHaveBeenCalled();
  });

  it("refuses transactions on a connection that is not durable, where that is required", async () => {
    const orders = participant("orders", nodeSqlite(open("NORMAL"), { durability: "require" }));
    await expect(orders.migrate()).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  it("refuses unknown options and choices", () => {
    const db = new DatabaseSync(":memory:");
    expect(() => nodeSqlite(db, { durabilty: "warn" } as never)).toThrow("Did you mean durability?");
    expect(() => nodeSqlite(db, { durability: "full" as never })).toThrow("options.durability");
  });

  it.each(["COMMIT", "ROLLBACK"])(
    "finds out a body that sends %s by itself, and says nothing about its effect",
    async (end) => {
      const db = new DatabaseSync(":memory:");
      const { port, migrate } = participant("orders", nodeSqlite(db));
      await migrate();
      const mark = { gid: "g", branch: end, round: 0 };
      await expect(port.act(mark, "action", sending(db, end))).rejects.toMatchObject({ code: "INVARIANT" });
      expect(db.isTransaction).toBe(false);
    },
  );

  it("knows that a constraint deferred to COMMIT rolled everything back", async () => {
    const db = new DatabaseSync(":memory:");
    db.exec("PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY)");
    db.exec("CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    const { port, migrate } = participant("orders", nodeSqlite(db));
    await migrate();
    const mark = { gid: "g", branch: "b", round: 0 };
    const outcome = await port.act(mark, "action", sending(db, "INSERT INTO child VALUES (1)"));
    expect(outcome).toMatchObject({ kind: "threw", error: { message: expect.stringContaining("FOREIGN KEY") } });
    expect(db.prepare("SELECT count(*) AS n FROM child").get()).toEqual({ n: 0 });
    expect(db.isTransaction).toBe(false);
  });

  it("treats an unclear error of COMMIT as unknown", async () => {
    const db = new DatabaseSync(":memory:");
    const { port, migrate } = participant("orders", nodeSqlite(db));
    await migrate();
    const run = StatementSync.prototype.run;
    vi.spyOn(StatementSync.prototype, "run").mockImplementation(function (this: StatementSync, ...parameters) {
      if (this.sourceSQL === "COMMIT")
        throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 10 });
      return run.apply(this, parameters);
    });
    const outcome = await port.act({ gid: "g", branch: "b", round: 0 }, "action", () => null);
    expect(outcome.kind).toBe("unknown");
  });

  it("goes on with a connection that was closed and opened again", async () => {
    const files = makeSqliteFiles();
    const db = new DatabaseSync(files.path);
    const orders = participant("orders", nodeSqlite(db, { durability: "ignore" }));
    await orders.migrate();
    const mark = { gid: "g", branch: "b", round: 0 };
    expect((await orders.port.act(mark, "action", () => null)).kind).toBe("ran");
    db.close();
    db.open();
    expect((await orders.port.act(mark, "action", () => null)).kind).toBe("stored");
    db.close();
    files.remove();
  });
});
