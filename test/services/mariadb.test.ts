import mysql, { type RowDataPacket } from "mysql2/promise";
import { expect, inject, it } from "vitest";
import { describeWithMariadb, describeWithOwnMariadb } from "./describe.ts";
import { createMariadbDatabase } from "./mariadb.ts";

describeWithMariadb("the shared MariaDB", (database) => {
  it("commits durably, as production does", async () => {
    expect(await scalar(database.url, "SELECT @@innodb_flush_log_at_trx_commit")).toBe(1);
    expect(await scalar(database.url, "SELECT @@innodb_doublewrite")).toBe(1);
  });

  it("gives a fresh database that is gone after drop", async () => {
    const another = await createMariadbDatabase(inject("mariadbUrl") ?? "");
    expect(await scalar(another.url, "SELECT DATABASE()")).not.toBe(new URL(database.url).pathname.slice(1));
    await another.drop();
    await expect(scalar(another.url, "SELECT 1")).rejects.toThrow("Unknown database");
  });
});

describeWithOwnMariadb("a MariaDB of a test's own", (server) => {
  it.each(["fast", "kill"] as const)("keeps address and data over a restart (%s)", async (mode) => {
    const { url, pid } = server();
    await scalar(url, `CREATE TABLE survives_${mode} ENGINE=InnoDB SELECT 42 AS answer`);
    await server().restart(mode);
    expect(server().url).toBe(url);
    expect(server().pid).not.toBe(pid);
    expect(await scalar(url, `SELECT answer FROM survives_${mode}`)).toBe(42);
  });

  it("refuses connections while it is stopped", async () => {
    await server().stop();
    await expect(scalar(server().url, "SELECT 1")).rejects.toThrow("ECONNREFUSED");
    await server().start();
    expect(await scalar(server().url, "SELECT 1")).toBe(1);
  });
});

async function scalar(url: string, statement: string): Promise<unknown> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    const [rows] = await connection.query<RowDataPacket[][]>({ sql: statement, rowsAsArray: true });
    return rows[0]?.[0];
  } finally {
    await connection.end();
  }
}
