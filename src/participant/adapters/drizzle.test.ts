import { eq } from "drizzle-orm";
import { drizzle as overBetterSqlite3 } from "drizzle-orm/better-sqlite3";
import { drizzle as overPg } from "drizzle-orm/node-postgres";
import { PgDialect } from "drizzle-orm/pg-core";
import { sqliteTable, text as sqliteText } from "drizzle-orm/sqlite-core";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { openDrizzleCallbackMysql2, openDrizzleMysql2 } from "../../../test/participant/mysql-clients.ts";
import { openDrizzlePg, openDrizzlePostgresJs } from "../../../test/participant/postgres-clients.ts";
import {
  testMysqlParticipant,
  testParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { makeSqliteFiles } from "../../../test/participant/sqlite-files.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { drizzle, statementOf } from "./drizzle.ts";

const sqliteEffect = sqliteTable("effect", { note: sqliteText().notNull() });

describeWithPostgres("drizzle", (database) => {
  testPostgresParticipant("Drizzle over pg", database, openDrizzlePg);
  testPostgresParticipant("Drizzle over postgres.js", database, openDrizzlePostgresJs);

  it("leaves the body its nested transactions, over pg", async () => {
    const { adapter, run, close } = openDrizzlePg(database.url);
    const answer = await adapter.transaction(async (tx) => {
      await run(tx, "CREATE TEMP TABLE kept (n integer)");
      await tx.transaction((inner) => run(inner, "INSERT INTO kept VALUES (1)"));
      await expect(tx.transaction((inner) => run(inner, "INSERT INTO kept VALUES (2 / 0)"))).rejects.toThrow(
        /Failed query|division/,
      );
      return run(tx, "SELECT n FROM kept");
    });
    expect(answer).toMatchObject([{ n: 1 }]);
    await close();
  });

  it("leaves the body its nested transactions, over postgres.js", async () => {
    const { adapter, run, close } = openDrizzlePostgresJs(database.url);
    const answer = await adapter.transaction(async (tx) => {
      await run(tx, "CREATE TEMP TABLE kept (n integer)");
      await tx.transaction((inner) => run(inner, "INSERT INTO kept VALUES (1)"));
      await expect(tx.transaction((inner) => run(inner, "INSERT INTO kept VALUES (2 / 0)"))).rejects.toThrow(
        /Failed query|division/,
      );
      return run(tx, "SELECT n FROM kept");
    });
    expect(answer).toMatchObject([{ n: 1 }]);
    await close();
  });
});

describeWithMariadb("drizzle", (database) => {
  testMysqlParticipant("Drizzle over mysql2", database, openDrizzleMysql2);
  testMysqlParticipant("Drizzle over mysql2 with callbacks", database, openDrizzleCallbackMysql2);
});

const Database = await loadBetterSqlite3();

describe.skipIf(Database === null)("drizzle", () => {
  if (Database === null) return;
  testParticipant("Drizzle over better-sqlite3", {
    mode: "sync",
    dialect: "sqlite",
    open: async () => {
      const files = makeSqliteFiles();
      const make = (path: string) => {
        const client = new Database(path, { timeout: 0 });
        client.pragma("synchronous = FULL");
        return overBetterSqlite3(client, { schema: { sqliteEffect } });
      };
      const [first, second, empty] = [make(files.path), make(files.path), make(files.emptyPath)];
      return {
        adapter: drizzle(first, { durability: "require" }),
        otherAdapter: drizzle(second),
        emptyAdapter: drizzle(empty),
        insertEffect: (tx, note) => void tx.insert(sqliteEffect).values({ note }).run(),
        countInside: (tx, note) => tx.select().from(sqliteEffect).where(eq(sqliteEffect.note, note)).all().length,
        countEffects: files.countEffects,
        byHand: (body) => first.transaction(body),
        root: first,
        close: () => {
          for (const db of [first, second, empty]) db.$client.close();
          files.remove();
        },
      };
    },
  });
});

describe("drizzle", () => {
  it("refuses a database over a single connection of pg, where other queries would come into the transaction", () => {
    expect(() => drizzle(overPg(new pg.Client()))).toThrow("single connection");
  });

  it("puts parameters where the placeholders are, and leaves quotes and comments alone", () => {
    const text = `SELECT $2::text, '$1 it''s', "$1", $1::bytea -- $2\n WHERE $2::text = $10`;
    const parameters = ["one", "two", ...Array(7), "ten"];
    const { sql, params } = new PgDialect().sqlToQuery(statementOf(text, parameters));
    expect(sql).toBe(`SELECT $1::text, '$1 it''s', "$1", $2::bytea -- $2\n WHERE $3::text = $4`);
    expect(params).toEqual(["two", "one", "two", "ten"]);
  });
});
