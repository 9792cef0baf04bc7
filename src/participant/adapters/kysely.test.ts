import { CamelCasePlugin, Kysely, ParseJSONResultsPlugin, SqliteDialect, type Transaction } from "kysely";
import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { openKyselyMysql } from "../../../test/participant/mysql-clients.ts";
import { openKysely } from "../../../test/participant/postgres-clients.ts";
import {
  testMysqlParticipant,
  testParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { makeSqliteFiles } from "../../../test/participant/sqlite-files.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { kysely } from "./kysely.ts";

interface Tables {
  effect: { note: string };
}
type Tx = Transaction<Tables>;

// Plugins are the user's; makegood's own statements must not notice.
const plugins = [new CamelCasePlugin(), new ParseJSONResultsPlugin()];
const insertEffect = async (tx: Tx, note: string): Promise<void> => {
  await tx.insertInto("effect").values({ note }).execute();
};
const countInside = async (tx: Tx, note: string): Promise<number> =>
  (await tx.selectFrom("effect").selectAll().where("note", "=", note).execute()).length;

describeWithPostgres("kysely", (database) => {
  testPostgresParticipant("Kysely on PostgreSQL", database, openKysely);
});

describeWithMariadb("kysely", (database) => {
  testMysqlParticipant("Kysely on MariaDB", database, openKyselyMysql);
});

const Database = await loadBetterSqlite3();

describe.skipIf(Database === null)("kysely", () => {
  if (Database === null) return;
  testParticipant("Kysely on SQLite", {
    mode: "async",
    dialect: "sqlite",
    open: async () => {
      const files = makeSqliteFiles();
      const made = [files.path, files.path, files.emptyPath].map((path) => {
        const database = new Database(path, { timeout: 0 });
        database.pragma("synchronous = FULL");
        const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }), plugins });
        return { db, adapter: kysely(db, { dialect: "sqlite", durability: "require" }) };
      });
      const [first, second, empty] = made;
      if (first === undefined || second === undefined || empty === undefined) throw new Error("not reached");
      return {
        adapter: first.adapter,
        otherAdapter: second.adapter,
        emptyAdapter: empty.adapter,
        insertEffect,
        countInside,
        countEffects: files.countEffects,
        byHand: (body) => first.db.transaction().execute(body),
        root: first.db,
        close: async () => {
          await Promise.all(made.map(({ db }) => db.destroy()));
          files.remove();
        },
      };
    },
  });

  it("keeps other queries of the same Kysely out of an open transaction", async () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE effect (note TEXT)");
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
    const adapter = kysely(db, { dialect: "sqlite" });
    let stranger: Promise<unknown> = Promise.resolve();
    const failing = adapter.transaction(async (tx) => {
      stranger = db.insertInto("effect").values({ note: "stranger" }).execute();
      await insertEffect(tx, "mine");
      throw new Error("roll back");
    });
    await expect(failing).rejects.toThrow("roll back");
    await stranger;
    expect(await db.selectFrom("effect").select("note").execute()).toEqual([{ note: "stranger" }]);
    await db.destroy();
  });
});

describe("kysely", () => {
  it("refuses unknown dialects and options", () => {
    const db = {} as Kysely<Tables>;
    expect(() => kysely(db, { dialect: "mssql" } as never)).toThrow("options.dialect");
    expect(() => kysely(db, { dialect: "sqlite", pool: {} } as never)).toThrow("unknown option");
  });
});
