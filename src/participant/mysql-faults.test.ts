// What a network and a server can do to a transaction, for every client of MySQL and MariaDB. As in postgres-faults.test.ts
// a claim that the process survives is in each of them.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  openDrizzleCallbackMysql2,
  openDrizzleMysql2,
  openKyselyMysql,
  openMysql2,
} from "../../test/participant/mysql-clients.ts";
import { type MysqlDatabases, prepareMysql } from "../../test/participant/mysql-databases.ts";
import { openKnex, openMikroOrm, openSequelize, openTypeorm } from "../../test/participant/orm-clients.ts";
import { generatedPrisma, openPrismaMariadb } from "../../test/participant/prisma-client.ts";
import type { OpenClient, ServerClient } from "../../test/participant/server-client.ts";
import { testRestart } from "../../test/participant/server-restart.ts";
import { startProxy, type TcpProxy } from "../../test/participant/tcp-proxy.ts";
import { until } from "../../test/participant/until.ts";
import { describeWithMariadb, describeWithOwnMariadb } from "../../test/services/describe.ts";
import type { Participant } from "../core/participant.ts";
import type { Script } from "../core/script.ts";
import { participant } from "./participant.ts";

describeWithMariadb("a participant on MariaDB, when things go wrong,", (database) => {
  testFaults("with mysql2", database, openMysql2);
  testFaults("with Kysely", database, openKyselyMysql);
  testFaults("with Drizzle over mysql2", database, openDrizzleMysql2);
  testFaults("with Drizzle over callbacks", database, openDrizzleCallbackMysql2);
  testFaults("with Knex", database, openKnex);
  testFaults("with TypeORM", database, openTypeorm);
  testFaults("with Sequelize", database, openSequelize);
  testFaults("with MikroORM", database, openMikroOrm);
  const generated = generatedPrisma("mysql");
  testFaults("with Prisma", database, (url, settings) => openPrismaMariadb(generated(), url, settings));
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function* insertScript<T>(note: string, answer: T): Script<T> {
  yield { sql: "INSERT INTO effect (note) VALUES (?)", parameters: [note] };
  return answer;
}

function testFaults<Tx>(name: string, database: { readonly url: string }, open: OpenClient<Tx>): void {
  describe(name, () => {
    let mariadb: MysqlDatabases;
    let proxy: TcpProxy;
    let client: ServerClient<Tx>;
    let orders: Participant<Tx>;
    let note = "";
    let mark = { gid: "", branch: "take stock", round: 0 };

    const doing =
      (result: Uint8Array | null = null) =>
      async (tx: unknown): Promise<Uint8Array | null> => {
        await client.insertEffect(tx as Tx, note);
        return result;
      };
    const insertNow = (tx: unknown, text: string): Promise<unknown> =>
      client.run(tx as Tx, `INSERT INTO effect (note) VALUES ('${text}')`);
    const idOf = async (tx: unknown): Promise<number> => {
      const [row] = (await client.run(tx as Tx, "SELECT CONNECTION_ID() AS id")) as { id: number }[];
      return Number(row?.id);
    };

    beforeAll(async () => {
      mariadb = await prepareMysql(database.url);
      await mariadb.run("CREATE TABLE IF NOT EXISTS account (id INT PRIMARY KEY, amount INT) ENGINE = InnoDB");
      await mariadb.run("INSERT IGNORE INTO account VALUES (1, 0), (2, 0)");
    });
    afterAll(() => mariadb.close());
    beforeEach(async () => {
      proxy = await startProxy(database.url);
      client = await open(proxy.url);
      orders = participant("orders", client.adapter);
      await orders.migrate();
      note = randomUUID();
      mark = { ...mark, gid: note };
    });
    afterEach(async () => {
      await client.close();
      await proxy.close();
    });

    it("COMMIT carried out and its reply lost is unknown; the repeat is given the stored result, effect once", async () => {
      proxy.loseNextCommit("reply");
      expect(await orders.port.act(mark, "action", doing(bytes("7")))).toMatchObject({ kind: "unknown" });
      expect(await orders.port.act(mark, "action", doing())).toEqual({ kind: "stored", result: bytes("7") });
      expect(await mariadb.countEffects(note)).toBe(1);
    });

    it("COMMIT lost on its way is unknown as well; the repeat runs, effect once", async () => {
      proxy.loseNextCommit("request");
      expect(await orders.port.act(mark, "action", doing(bytes("7")))).toMatchObject({ kind: "unknown" });
      expect(await orders.port.act(mark, "action", doing(bytes("8")))).toEqual({ kind: "ran", result: bytes("8") });
      expect(await mariadb.countEffects(note)).toBe(1);
    });

    it.each(["killed by the server", "reset by the network"])(
      "a connection %s under a statement of the body is its failure, and nothing lands",
      async (how) => {
        const outcome = await orders.port.act(mark, "action", async (tx) => {
          await client.insertEffect(tx as Tx, note);
          const id = await idOf(tx);
          const sleeping = client.run(tx as Tx, "SELECT SLEEP(30)");
          sleeping.catch(() => undefined);
          if (how.startsWith("reset")) proxy.reset();
          else await mariadb.run(`KILL ${id}`);
          // Goes on in the very turn in which it hears of the loss, as a body does that logs its errors in the database.
          try {
            await sleeping;
          } catch {
            await insertNow(tx, note);
          }
          return null;
        });
        expect(outcome).toMatchObject({ kind: "threw" });
        expect(await mariadb.countEffects(note)).toBe(0);
        await until(async () => (await orders.port.act(mark, "action", doing())).kind === "ran");
      },
    );

    it("after a connection was lost between two statements, what the body still sends lands nowhere", async () => {
      const outcome = await orders.port.act(mark, "action", async (tx) => {
        await insertNow(tx, note);
        proxy.reset();
        await delay(100);
        for (let tried = 0; tried < 3; tried++) {
          await Promise.resolve()
            .then(() => insertNow(tx, note))
            .catch(() => undefined);
        }
        return null;
      });
      expect(["threw", "unavailable"]).toContain(outcome.kind);
      expect(await mariadb.countEffects(note)).toBe(0);
    });

    it("a server that is away is unavailable, and of use again when it is back", async () => {
      await proxy.stop();
      expect(await orders.port.act(mark, "action", doing())).toMatchObject({ kind: "unavailable" });
      expect(await orders.port.own(doing(), () => insertScript(note, "done" as const))).toMatchObject({
        kind: "unavailable",
      });
      await proxy.resume();
      await until(async () => (await orders.port.act(mark, "action", doing())).kind === "ran");
    });

    it.each(["COMMIT", "ROLLBACK", "CREATE TABLE IF NOT EXISTS account (id INT)"])(
      "a body that ends its transaction by itself, with %s, is found out before the seal, and nothing is said of its effect",
      async (end) => {
        const body = async (tx: unknown): Promise<null> => {
          await client.insertEffect(tx as Tx, note);
          await client.run(tx as Tx, end);
          return null;
        };
        await expect(orders.port.act(mark, "action", body)).rejects.toMatchObject({ code: "INVARIANT" });
        const sealing = orders.port.own(body, () => insertScript(`${note} seal`, "done" as const));
        await expect(sealing).rejects.toMatchObject({ code: "INVARIANT" });
        expect(await mariadb.countEffects(`${note} seal`)).toBe(0);
      },
    );

    it.each(["act", "own"] as const)(
      "%s: a deadlock that the body hid, after which its statements commit by themselves, is found out",
      async (how) => {
        const body = async (tx: unknown): Promise<null> => {
          await client.run(tx as Tx, "UPDATE account SET amount = amount + 1 WHERE id = 1");
          await provokeDeadlock((sql) => client.run(tx as Tx, sql), mariadb);
          // Sequelize refuses it by itself; the others send it.
          await Promise.resolve(client.insertEffect(tx as Tx, note)).catch(() => undefined);
          return null;
        };
        const outcome =
          how === "act"
            ? orders.port.act(mark, "action", body)
            : orders.port.own(body, () => insertScript(`${note} seal`, "done" as const));
        await expect(outcome).rejects.toMatchObject({ code: "INVARIANT" });
        expect(await mariadb.countEffects(`${note} seal`)).toBe(0);
      },
    );

    it("a barrier row that another holds for longer than the lock may be waited for is unavailable", async () => {
      const other = await open(database.url);
      const holder = participant("orders", other.adapter);
      const holding = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      const first = holder.port.act(mark, "action", async () => {
        held.resolve();
        await holding.promise;
        return null;
      });
      await held.promise;
      await mariadb.run("SET GLOBAL innodb_lock_wait_timeout = 1");
      try {
        const impatient = await open(database.url);
        expect(await participant("orders", impatient.adapter).port.act(mark, "action", doing())).toMatchObject({
          kind: "unavailable",
        });
        await impatient.close();
      } finally {
        await mariadb.run("SET GLOBAL innodb_lock_wait_timeout = 50");
        holding.resolve();
      }
      expect(await first).toMatchObject({ kind: "ran" });
      await other.close();
    });

    it("an error of a statement of makegood's does not show the statement's parameters, which hold results", async () => {
      function* refused(): Script<"done"> {
        yield { sql: "INSERT INTO effect (note) VALUES (IF(? = '', NULL, NULL))", parameters: ["secret of a result"] };
        return "done";
      }
      const outcome = await orders.port.own(doing(), refused);
      expect(outcome.kind).toBe("threw");
      expect(String("error" in outcome && outcome.error)).not.toMatch(/secret/);
    });

    it("runs at READ COMMITTED, whatever the session's default", async () => {
      const isolations: unknown[] = [];
      await orders.port.act(mark, "action", async (tx) => {
        await client.countInside(tx as Tx, note);
        await mariadb.run(`INSERT INTO effect (note) VALUES ('${note}')`);
        isolations.push(await client.countInside(tx as Tx, note));
        return null;
      });
      expect(isolations).toEqual([1]);
    });

    it("a body that idles for longer than the server allows is its own failure, and nothing lands", async () => {
      const outcome = await orders.port.act(mark, "action", async (tx) => {
        await insertNow(tx, note);
        const id = await idOf(tx);
        await client.run(tx as Tx, "SET SESSION idle_transaction_timeout = 1");
        const find = `SELECT 1 FROM information_schema.processlist WHERE id = ${id}`;
        await until(async () => (await mariadb.run(find)).length === 0);
        return null;
      });
      expect(outcome).toMatchObject({
        kind: "threw",
        error: { message: expect.stringContaining("nothing was committed") },
      });
      expect(await mariadb.countEffects(note)).toBe(0);
    });
  });
}

/** Waits for a row that another transaction has, which then asks for ours; the one that did less is rolled back: this one. */
async function provokeDeadlock(run: (sql: string) => Promise<unknown>, mariadb: MysqlDatabases): Promise<void> {
  const another = await mariadb.connect();
  try {
    await another.query("START TRANSACTION");
    for (let weight = 0; weight < 20; weight++)
      await another.query("INSERT INTO effect (note) VALUES (?)", [`weight ${randomUUID()}`]);
    await another.query("UPDATE account SET amount = amount + 1 WHERE id = 2");
    const waiting = run("UPDATE account SET amount = amount + 1 WHERE id = 2").catch(() => "deadlock");
    await delay(100);
    const asking = another.query("UPDATE account SET amount = amount + 1 WHERE id = 1");
    expect(await waiting).toBe("deadlock");
    await asking;
  } finally {
    await another.query("ROLLBACK");
    another.destroy();
  }
}

describeWithOwnMariadb("a participant on a MariaDB that is restarted", (server) => {
  const restarted = { url: () => server().url, restart: () => server().restart("kill"), prepare: prepareMysql };
  testRestart("mysql2", restarted, openMysql2);
  testRestart("Kysely", restarted, openKyselyMysql);
  testRestart("Drizzle over mysql2", restarted, openDrizzleMysql2);
  testRestart("Knex", restarted, openKnex);
  testRestart("TypeORM", restarted, openTypeorm);
  testRestart("Sequelize", restarted, openSequelize);
  testRestart("MikroORM", restarted, openMikroOrm);
  const generated = generatedPrisma("mysql");
  testRestart("Prisma", restarted, (url, settings) => openPrismaMariadb(generated(), url, settings));
});
