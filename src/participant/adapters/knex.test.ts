import makeKnex from "knex";
import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { knexClient, openKnex } from "../../../test/participant/orm-clients.ts";
import {
  testAsyncSqliteParticipant,
  testMysqlParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { knex } from "./knex.ts";

describeWithPostgres("knex", (database) => testPostgresParticipant("Knex on PostgreSQL", database, openKnex));
describeWithMariadb("knex", (database) => testMysqlParticipant("Knex on MariaDB", database, openKnex));

const hasSqlite = (await loadBetterSqlite3()) !== null;

describe.skipIf(!hasSqlite)("knex", () => {
  testAsyncSqliteParticipant("Knex on SQLite", (filename) => {
    const afterCreate = (db: { pragma(text: string): unknown }, done: (error: unknown, db: unknown) => void): void => {
      db.pragma("busy_timeout = 0");
      db.pragma("synchronous = FULL");
      done(null, db);
    };
    const pool = { min: 1, max: 1, afterCreate };
    const db = makeKnex({ client: "better-sqlite3", connection: { filename }, useNullAsDefault: true, pool });
    return { ...knexClient(db), adapter: knex(db, { durability: "require" }) };
  });
});

describe("knex", () => {
  it("refuses what is no Knex, and a Knex over a driver that it does not know", () => {
    expect(() => knex({} as never)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    expect(() => knex(makeKnex({ client: "mysql2", connection: {} }).withUserParams({}) as never)).not.toThrow();
    const mssql = { client: { driverName: "tedious", acquireConnection: () => undefined } };
    expect(() => knex(mssql as never)).toThrow("found it over tedious");
  });
});
