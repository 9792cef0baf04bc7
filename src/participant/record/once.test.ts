import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { openDrizzlePg, openKysely, openPg, openPostgresJs } from "../../../test/participant/postgres-clients.ts";
import { preparePostgres } from "../../../test/participant/postgres-databases.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { participant } from "../participant.ts";

const newRequest = () => ({ scope: "pay", key: randomUUID() });
// A suffix keeps each client's transaction type to itself.
const clients = {
  pg: openPg,
  "postgres.js": openPostgresJs,
  kysely: openKysely,
  "drizzle on pg": openDrizzlePg,
} as const;

describeWithPostgres("once in a transaction that its effect meddles with", (database) => {
  for (const [name, openClient] of Object.entries(clients) as [string, typeof openPg][]) {
    // postgres.js refuses a BEGIN by itself.
    const ends = ["COMMIT", "ROLLBACK", ...(name === "postgres.js" ? [] : ["COMMIT; BEGIN", "ROLLBACK; BEGIN"])];
    it.each(ends)(`finds out an effect that sends %s by itself, with ${name}`, async (end) => {
      const { close: closeDatabase } = await preparePostgres(database.url);
      const { adapter, run, close } = openClient(database.url);
      const orders = participant("orders", adapter);
      await orders.migrate();
      const outcome = adapter.transaction((tx) =>
        orders.once(tx, newRequest(), async () => {
          for (const sql of end.split("; ")) await run(tx, sql);
          return 1;
        }),
      );
      await expect(outcome).rejects.toMatchObject({ code: "INVARIANT" });
      await close();
      await closeDatabase();
    });
  }

  it("works within a savepoint, in both ways of meeting another, and is gone when that is rolled back", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    for (const ifBusy of ["wait", "refuse"] as const) {
      const by = { ...newRequest(), ifBusy };
      const answers = await adapter.transaction(async (tx) => {
        await run(tx, "SAVEPOINT a");
        const first = await orders.once(tx, by, () => 1);
        await run(tx, "ROLLBACK TO SAVEPOINT a");
        const second = await orders.once(tx, by, () => 2);
        await run(tx, "RELEASE SAVEPOINT a");
        return [first, second, await orders.once(tx, by, () => 3)];
      });
      expect(answers).toEqual([1, 2, 2]);
    }
    await close();
    await closeDatabase();
  });

  it("a lock timeout of the session ends the waiting with STORE_CONFLICT", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const by = newRequest();
    await adapter.transaction((first) =>
      orders.once(first, by, async () => {
        const second = adapter.transaction(async (tx) => {
          await run(tx, "SET LOCAL lock_timeout = '20ms'");
          return orders.once(tx, by, () => 2);
        });
        await expect(second).rejects.toMatchObject({
          code: "STORE_CONFLICT",
          retryable: true,
          cause: { code: "55P03" },
        });
      }),
    );
    await close();
    await closeDatabase();
  });

  it("refusing leaves the session's own lock timeout as it was", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const shown = await adapter.transaction(async (tx) => {
      await run(tx, "SET LOCAL lock_timeout = '777ms'");
      await orders.once(tx, { ...newRequest(), ifBusy: "refuse" }, () => 1);
      return run(tx, "SHOW lock_timeout");
    });
    expect(shown).toEqual([{ lock_timeout: "777ms" }]);
    await close();
    await closeDatabase();
  });

  it("a record that came past the lock, from older code, makes the second transaction fail as a whole", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const by = newRequest();
    const older = `SELECT makegood.enter_record('${by.scope}', '${by.key}', NULL, 60000)`;
    const call = () =>
      adapter.transaction(async (tx) => {
        await run(tx, "CREATE TABLE IF NOT EXISTS meanwhile (n integer)");
        return orders.once(tx, by, () => adapter.transaction((other) => run(other, older)));
      });
    await expect(call()).rejects.toMatchObject({ code: "STORE_CONFLICT" });
    await expect(adapter.transaction((tx) => run(tx, "SELECT * FROM meanwhile"))).rejects.toMatchObject({
      code: "42P01",
    });
    // Repeated it finds the other's answer, which was none.
    expect(await call()).toBeUndefined();
    await close();
    await closeDatabase();
  });

  it("an effect that rolls back to before the call is found out", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const call = adapter.transaction(async (tx) => {
      await run(tx, "SAVEPOINT before");
      return orders.once(tx, newRequest(), () => run(tx, "ROLLBACK TO SAVEPOINT before"));
    });
    await expect(call).rejects.toMatchObject({ code: "INVARIANT" });
    await close();
    await closeDatabase();
  });

  it("calls with the same key within each other are refused, one after the other they are one", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const [by, other] = [newRequest(), newRequest()];
    const answers = await adapter.transaction(async (tx) => {
      await expect(orders.once(tx, by, () => orders.once(tx, by, () => 1))).rejects.toMatchObject({
        code: "KEY_IN_PROGRESS",
      });
      const nested = await orders.once(tx, by, () => orders.once(tx, other, () => 2));
      return [nested, await orders.once(tx, by, () => 3), await orders.once(tx, other, () => 4)];
    });
    expect(answers).toEqual([2, 2, 2]);
    await close();
    await closeDatabase();
  });

  it("a snapshot that is older than the record's commit is told apart, at REPEATABLE READ", async () => {
    const { close: closeDatabase } = await preparePostgres(database.url);
    const { adapter, run, close } = openPg(database.url);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const by = newRequest();
    const late = adapter.transaction(async (tx) => {
      await run(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      await run(tx, "SELECT 1");
      await adapter.transaction((other) => orders.once(other, by, () => 1));
      return orders.once(tx, by, () => 2);
    });
    await expect(late).rejects.toMatchObject({ code: "STORE_CONFLICT", cause: { code: "23505" } });
    await close();
    await closeDatabase();
  });
});

it.each([
  ["COMMIT", "counts"],
  ["ROLLBACK", "counts"],
  ["ROLLBACK; BEGIN", "counts"],
  ["ROLLBACK; BEGIN", "returns"],
])("on node:sqlite finds out an effect that sends %s by itself, of a client that %s changes", async (end, way) => {
  const db = new DatabaseSync(":memory:");
  const adapter = nodeSqlite(db);
  const { change: _, ...returning } = adapter;
  const orders = participant("orders", way === "counts" ? adapter : returning);
  await orders.migrate();
  db.exec("BEGIN IMMEDIATE");
  const call = (): unknown =>
    orders.once(db, newRequest(), () => {
      db.exec(end);
      return 1;
    });
  expect(call).toThrow(expect.objectContaining({ code: "INVARIANT" }));
  expect(db.isTransaction).toBe(end.endsWith("BEGIN"));
});

it("on node:sqlite outside of a transaction it writes nothing", async () => {
  const db = new DatabaseSync(":memory:");
  const orders = participant("orders", nodeSqlite(db));
  await orders.migrate();
  expect(() => orders.once(db, newRequest(), () => 1)).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^(INVARIANT|TRANSACTION_REQUIRED)$/) }),
  );
  expect(db.prepare("SELECT count(*) AS n FROM makegood_execution_record").get()).toEqual({ n: 0 });
});
