import pg from "pg";
import { expect, inject, it } from "vitest";
import { describeWithOwnPostgres, describeWithPostgres } from "./describe.ts";
import { createDatabase } from "./postgres.ts";

describeWithPostgres("the shared PostgreSQL", (database) => {
  it("commits durably, as production does", async () => {
    for (const setting of ["fsync", "synchronous_commit", "full_page_writes"]) {
      expect(await scalar(database.url, `SHOW ${setting}`)).toBe("on");
    }
  });

  it("gives a fresh database that is gone after drop", async () => {
    const another = await createDatabase(inject("postgresUrl") ?? "");
    expect(await scalar(another.url, "SELECT current_database()")).not.toBe(new URL(database.url).pathname.slice(1));
    await another.drop();
    await expect(scalar(another.url, "SELECT 1")).rejects.toThrow("does not exist");
  });
});

describeWithOwnPostgres("a PostgreSQL of a test's own", (server) => {
  it.each(["fast", "immediate", "kill"] as const)("keeps address and data over a restart (%s)", async (mode) => {
    const { url, pid } = server();
    await scalar(url, `CREATE TABLE survives_${mode} AS SELECT 42 AS answer`);
    await server().restart(mode);
    expect(server().url).toBe(url);
    expect(server().pid).not.toBe(pid);
    expect(await scalar(url, `SELECT answer FROM survives_${mode}`)).toBe(42);
  });

  it("starts again after a kill, though the sessions leave late and each with a line in the log", async () => {
    const connections = Array.from({ length: 60 }, () => new pg.Client({ connectionString: server().url }));
    for (const it of connections) it.on("error", () => undefined);
    await Promise.all(connections.map((it) => it.connect()));
    const pids = (
      await Promise.all(connections.map((it) => it.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")))
    ).map(({ rows }) => rows[0]?.pid ?? 0);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    const letGo = async (): Promise<void> => {
      while (pids.length > 0) {
        await new Promise((resolve) => void setTimeout(resolve, 20));
        for (const pid of pids.splice(0, 8)) process.kill(pid, "SIGCONT");
      }
    };
    await Promise.all([server().restart("kill"), letGo()]);
    expect(await scalar(server().url, "SELECT 1")).toBe(1);
    await Promise.allSettled(connections.map((it) => it.end()));
  });

  it("refuses connections while it is stopped", async () => {
    await server().stop();
    await expect(scalar(server().url, "SELECT 1")).rejects.toThrow("ECONNREFUSED");
    await server().start();
    expect(await scalar(server().url, "SELECT 1")).toBe(1);
  });
});

async function scalar(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query({ text: statement, rowMode: "array" });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}
