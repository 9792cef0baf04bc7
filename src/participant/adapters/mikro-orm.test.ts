import { MikroORM } from "@mikro-orm/sqlite";
import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { mikroClient, mikroEffect, mikroQuiet, openMikroOrm } from "../../../test/participant/orm-clients.ts";
import {
  testAsyncSqliteParticipant,
  testMysqlParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { participant } from "../participant.ts";
import { mikroOrm } from "./mikro-orm.ts";

describeWithPostgres("mikroOrm", (database) =>
  testPostgresParticipant("MikroORM on PostgreSQL", database, openMikroOrm),
);
describeWithMariadb("mikroOrm", (database) => testMysqlParticipant("MikroORM on MariaDB", database, openMikroOrm));

const hasSqlite = (await loadBetterSqlite3()) !== null;
const onSqlite = async (dbName: string): Promise<MikroORM> => {
  const orm = await MikroORM.init({ dbName, entities: [mikroEffect], driverOptions: { timeout: 0 }, ...mikroQuiet });
  await orm.em.getConnection().execute("PRAGMA synchronous = FULL");
  return orm;
};

describe.skipIf(!hasSqlite)("mikroOrm", () => {
  testAsyncSqliteParticipant("MikroORM on SQLite", async (path) => {
    const orm = await onSqlite(path);
    const adapter = mikroOrm(orm, { durability: "require" });
    return { ...mikroClient(orm as never), adapter: adapter as never };
  });

  it("takes a constraint that the flush meets for the body's failure, not for one of COMMIT", async () => {
    const orm = await onSqlite(":memory:");
    await orm.em.getConnection().execute("CREATE TABLE effect (note TEXT PRIMARY KEY)");
    const { port, migrate } = participant("orders", mikroOrm(orm));
    await migrate();
    const act = (branch: string) =>
      port.act({ gid: "g", branch, round: 0 }, "action", async (tx) => {
        (tx as typeof orm.em).create(mikroEffect, { note: "once" });
        return null;
      });
    expect(await act("a")).toMatchObject({ kind: "ran" });
    expect(await act("b")).toMatchObject({ kind: "threw" });
    await orm.close();
  });
});

describe("mikroOrm", () => {
  it("refuses drivers that it does not know", () => {
    expect(() => mikroOrm({ driver: {}, em: {} } as never)).toThrow("found Object");
  });
});
