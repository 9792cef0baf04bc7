import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import {
  generatedPrisma,
  openPrismaMariadb,
  openPrismaPg,
  openPrismaSqlite,
} from "../../../test/participant/prisma-client.ts";
import {
  testAsyncSqliteParticipant,
  testMysqlParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { prisma } from "./prisma.ts";

describeWithPostgres("prisma", (database) => {
  const client = generatedPrisma("postgres");
  testPostgresParticipant("Prisma on PostgreSQL", database, (url) => openPrismaPg(client(), url));
});

describeWithMariadb("prisma", (database) => {
  const client = generatedPrisma("mysql");
  testMysqlParticipant("Prisma on MariaDB", database, (url) => openPrismaMariadb(client(), url));
});

const hasSqlite = (await loadBetterSqlite3()) !== null;

describe.skipIf(!hasSqlite)("prisma", () => {
  const client = generatedPrisma("sqlite");
  testAsyncSqliteParticipant("Prisma on SQLite", (path) => openPrismaSqlite(client(), path), {
    "ask: bytes, empty bytes, null and text pass through unchanged, under the names that the statement gave them":
      "Prisma's driver adapter cannot read bytes that are no column of a table",
  });
});

describe("prisma", () => {
  const client = { $transaction: () => undefined };

  it("refuses unknown dialects and options, and asks on SQLite for a client of its own", () => {
    expect(() => prisma(client, { dialect: "mssql" as never })).toThrow("options.dialect");
    expect(() => prisma(client, { dialect: "sqlite" })).toThrow("options.exclusive");
    expect(() => prisma(client, { dialect: "postgres", timeoutMs: 0 })).toThrow("options.timeoutMs");
    expect(() => prisma(client, { dialect: "postgres", timeout: 5 } as never)).toThrow("unknown option");
  });
});
