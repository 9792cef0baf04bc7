import { DataSource } from "typeorm";
import { describe, expect, it } from "vitest";
import { loadBetterSqlite3 } from "../../../test/participant/better-sqlite3.ts";
import { openTypeorm, typeormClient, typeormEntities } from "../../../test/participant/orm-clients.ts";
import {
  testAsyncSqliteParticipant,
  testMysqlParticipant,
  testPostgresParticipant,
} from "../../../test/participant/run-claims.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { typeorm } from "./typeorm.ts";

describeWithPostgres("typeorm", (database) => testPostgresParticipant("TypeORM on PostgreSQL", database, openTypeorm));
describeWithMariadb("typeorm", (database) => testMysqlParticipant("TypeORM on MariaDB", database, openTypeorm));

const hasSqlite = (await loadBetterSqlite3()) !== null;
const onSqlite = (database: string): DataSource =>
  new DataSource({
    type: "better-sqlite3",
    database,
    timeout: 0,
    entities: typeormEntities,
    prepareDatabase: (db: { pragma(text: string): unknown }) => void db.pragma("synchronous = FULL"),
  });

describe.skipIf(!hasSqlite)("typeorm", () => {
  testAsyncSqliteParticipant("TypeORM on SQLite", async (path) => {
    const dataSource = await onSqlite(path).initialize();
    const adapter = typeorm(dataSource, { exclusive: true, durability: "require" });
    return { ...typeormClient(dataSource), adapter };
  });

  it("takes turns with itself on the one connection that TypeORM has there", async () => {
    const dataSource = await onSqlite(":memory:").initialize();
    const adapter = typeorm(dataSource, { exclusive: true });
    await dataSource.query("CREATE TABLE effect (note TEXT)");
    const failing = adapter.transaction(async (tx) => {
      await typeormClient(dataSource).insertEffect(tx, "lost");
      throw new Error("roll back");
    });
    const kept = adapter.transaction((tx) => typeormClient(dataSource).insertEffect(tx, "kept"));
    await expect(failing).rejects.toThrow("roll back");
    await kept;
    expect(await dataSource.query("SELECT note FROM effect")).toEqual([{ note: "kept" }]);
    await dataSource.destroy();
  });

  it("does not join a transaction that somebody else began there, and leaves it unharmed", async () => {
    const dataSource = await onSqlite(":memory:").initialize();
    const adapter = typeorm(dataSource, { exclusive: true });
    await dataSource.transaction(async () => {
      await expect(adapter.transaction(async () => 1)).rejects.toMatchObject({ code: "STORE_CONFLICT" });
    });
    await dataSource.destroy();
  });
});

describe("typeorm", () => {
  it("asks on SQLite for a data source of its own, and refuses databases that it does not know", () => {
    expect(() => typeorm(onSqlite(":memory:"))).toThrow("options.exclusive");
    expect(() => typeorm({ options: { type: "oracle" } } as never)).toThrow("found oracle");
    expect(() => typeorm(onSqlite(":memory:"), { exclusiv: true } as never)).toThrow("Did you mean exclusive?");
  });
});
