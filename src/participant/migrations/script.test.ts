import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { createMariadbDatabase } from "../../../test/services/mariadb.ts";
import { createDatabase } from "../../../test/services/postgres.ts";
import type { Mode, TxAdapter } from "../../core/participant.ts";
import { mysql2 } from "../adapters/mysql2.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { nodePostgres } from "../adapters/pg.ts";
import { participant } from "../participant.ts";
import { participantSql } from "./script.ts";

/** Migrates after the script has run; returns what that still created, and whether the barrier works. */
async function migrateAfter<Tx, M extends Mode>(adapter: TxAdapter<Tx, M>) {
  const created: string[] = [];
  const query = (tx: Tx, sql: string, parameters: readonly unknown[]) => {
    if (/CREATE|INSERT INTO \S*migration/.test(sql)) created.push(sql);
    return adapter.query(tx, sql, parameters);
  };
  await participant("orders", { ...adapter, query }).migrate();
  const outcome = await participant("orders", adapter).port.act(
    { gid: "g", branch: "b", round: 0 },
    "action",
    () => null,
  );
  return [created.filter((sql) => !sql.includes("IF NOT EXISTS")), outcome.kind];
}

describe("participantSql", () => {
  it("leaves migrate() nothing to do on SQLite, and makes the same tables", async () => {
    const [scripted, migrated] = [new DatabaseSync(":memory:"), new DatabaseSync(":memory:")];
    scripted.exec(`BEGIN;\n${participantSql("sqlite").join(";\n")};\nCOMMIT`);
    expect(await migrateAfter(nodeSqlite(scripted))).toEqual([[], "ran"]);
    await participant("orders", nodeSqlite(migrated)).migrate();
    const tables = "SELECT name, type FROM sqlite_master ORDER BY name";
    expect(scripted.prepare(tables).all()).toEqual(migrated.prepare(tables).all());
  });

  it("indents each statement as a person would", () => {
    for (const dialect of ["postgres", "mysql", "sqlite"] as const) {
      for (const sql of participantSql(dialect)) expect(sql).toMatch(/^[A-Z][^\n]*(\n {0,8}\S[^\n]*)*$/);
    }
  });
});

describeWithPostgres("participantSql", (database) => {
  it("leaves migrate() nothing to do on PostgreSQL", async () => {
    const fresh = await createDatabase(database.url);
    const pool = new pg.Pool({ connectionString: fresh.url });
    await pool.query(`BEGIN;\n${participantSql("postgres").join(";\n")};\nCOMMIT`);
    expect(await migrateAfter(nodePostgres(pool))).toEqual([[], "ran"]);
    await pool.end();
    await fresh.drop();
  });
});

describeWithMariadb("participantSql", (database) => {
  it("leaves migrate() nothing to do on MariaDB, also when it was run twice", async () => {
    const fresh = await createMariadbDatabase(database.url);
    const pool = mysql.createPool({ uri: fresh.url });
    for (const sql of [...participantSql("mysql"), ...participantSql("mysql")]) await pool.query(sql);
    expect(await migrateAfter(mysql2(pool))).toEqual([[], "ran"]);
    await pool.end();
    await fresh.drop();
  });
});
