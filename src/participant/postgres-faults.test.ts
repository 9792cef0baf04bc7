// What a network and a server can do to a transaction, for every client of PostgreSQL. A claim that the process survives is
// in each of them: an `error` event that nobody hears, or a driver that throws from a timer, ends the test run.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openKnex, openMikroOrm, openSequelize, openTypeorm } from "../../test/participant/orm-clients.ts";
import {
  openDrizzlePg,
  openDrizzlePostgresJs,
  openKysely,
  openPg,
  openPostgresJs,
} from "../../test/participant/postgres-clients.ts";
import { type PostgresDatabases, preparePostgres } from "../../test/participant/postgres-databases.ts";
import { generatedPrisma, openPrismaPg } from "../../test/participant/prisma-client.ts";
import type { ClientSettings, OpenClient, ServerClient } from "../../test/participant/server-client.ts";
import { testRestart } from "../../test/participant/server-restart.ts";
import { startProxy, type TcpProxy } from "../../test/participant/tcp-proxy.ts";
import { until } from "../../test/participant/until.ts";
import { describeWithOwnPostgres, describeWithPostgres } from "../../test/services/describe.ts";
import type { Participant } from "../core/participant.ts";
import type { Script } from "../core/script.ts";
import { participant } from "./participant.ts";

describeWithPostgres("a participant on PostgreSQL, when things go wrong,", (database) => {
  testFaults("with pg", database, openPg);
  testFaults("with postgres.js", database, openPostgresJs);
  testFaults("with Kysely", database, openKysely);
  testFaults("with Drizzle over pg", database, openDrizzlePg);
  testFaults("with Drizzle over postgres.js", database, openDrizzlePostgresJs);
  testFaults("with Knex", database, openKnex);
  testFaults("with TypeORM", database, openTypeorm);
  testFaults("with Sequelize", database, openSequelize);
  testFaults("with MikroORM", database, openMikroOrm);
  const generated = generatedPrisma("postgres");
  testFaults("with Prisma", database, (url, settings) => openPrismaPg(generated(), url, settings));
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function* insertScript<T>(note: string, answer: T, isLast = false): Script<T> {
  yield { sql: "INSERT INTO effect (note) VALUES ($1::text)", parameters: [note], isLast };
  return answer;
}

/** Also where COMMIT may be sent right behind it. */
const sealing = [false, true];

function* raising(code: string, isLast: boolean): Script<"done"> {
  yield { sql: "SELECT raise_as_asked($1::text)", parameters: [code], isLast };
  return "done";
}

function testFaults<Tx>(name: string, database: { readonly url: string }, open: OpenClient<Tx>): void {
  describe(name, () => {
    let postgres: PostgresDatabases;
    let proxy: TcpProxy;
    let client: ServerClient<Tx>;
    let orders: Participant<Tx>;
    let note = "";
    let mark = { gid: "", branch: "take stock", round: 0 };
    const closing: (() => Promise<void>)[] = [];

    /** A participant whose sessions have these settings of the server's. */
    const openWith = async (settings: Readonly<Record<string, string>>, clientSettings?: ClientSettings) => {
      const url = new URL(proxy.url);
      const options = Object.entries(settings).map(([key, value]) => `-c ${key}=${value}`);
      if (options.length > 0) url.searchParams.set("options", options.join(" "));
      const opened = await open(url.href, clientSettings);
      closing.push(opened.close);
      return { ...opened, port: participant("orders", opened.adapter).port };
    };
    const doing =
      (result: Uint8Array | null = null) =>
      async (tx: unknown): Promise<Uint8Array | null> => {
        await client.insertEffect(tx as Tx, note);
        return result;
      };
    const terminate = async (pid: number): Promise<void> => {
      await postgres.run(`SELECT pg_terminate_backend(${pid}, 5000)`);
    };
    const pidOf = (tx: unknown): Promise<number> => pidFrom(client.run, tx as Tx);

    beforeAll(async () => {
      postgres = await preparePostgres(database.url);
      await postgres.run(`CREATE OR REPLACE FUNCTION public.raise_as_asked(code text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = code; END $$`);
    });
    afterAll(() => postgres.close());
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
      for (const close of closing.splice(0)) await close();
      await proxy.close();
    });

    it("COMMIT carried out and its reply lost is unknown; the repeat is given the stored result, effect once", async () => {
      proxy.loseNextCommit("reply");
      expect(await orders.port.act(mark, "action", doing(bytes("7")))).toMatchObject({ kind: "unknown" });
      expect(await orders.port.act(mark, "action", doing())).toEqual({ kind: "stored", result: bytes("7") });
      expect(await postgres.countEffects(note)).toBe(1);
    });

    it("COMMIT lost on its way is unknown as well; the repeat runs, effect once", async () => {
      proxy.loseNextCommit("request");
      expect(await orders.port.act(mark, "action", doing(bytes("7")))).toMatchObject({ kind: "unknown" });
      expect(await orders.port.act(mark, "action", doing(bytes("8")))).toEqual({ kind: "ran", result: bytes("8") });
      expect(await postgres.countEffects(note)).toBe(1);
    });

    it("an undo and a confirm whose COMMIT reply was lost are unknown, and done once", async () => {
      await orders.port.act(mark, "action", doing());
      await orders.port.act(mark, "try", doing());
      const undoing = async (tx: unknown): Promise<void> => client.insertEffect(tx as Tx, `${note} after`);
      proxy.loseNextCommit("reply");
      expect(await orders.port.undo(mark, "compensation", undoing)).toMatchObject({ kind: "unknown" });
      expect(await orders.port.undo(mark, "compensation", undoing)).toEqual({ kind: "already" });
      proxy.loseNextCommit("reply");
      expect(await orders.port.confirm(mark, undoing)).toMatchObject({ kind: "unknown" });
      expect(await orders.port.confirm(mark, undoing)).toEqual({ kind: "already" });
      expect(await postgres.countEffects(`${note} after`)).toBe(2);
    });

    it.each(sealing)(
      "own: COMMIT's lost reply is unknown, with body and seal both there (last: %s)",
      async (isLast) => {
        proxy.loseNextCommit("reply");
        const outcome = await orders.port.own(doing(), () => insertScript(`${note} seal`, "done" as const, isLast));
        expect(outcome).toMatchObject({ kind: "unknown" });
        expect([await postgres.countEffects(note), await postgres.countEffects(`${note} seal`)]).toEqual([1, 1]);
      },
    );

    it.each(sealing)("own: COMMIT lost on its way is unknown, with neither there (last: %s)", async (isLast) => {
      proxy.loseNextCommit("request");
      const outcome = await orders.port.own(doing(), () => insertScript(`${note} seal`, "done" as const, isLast));
      expect(outcome).toMatchObject({ kind: "unknown" });
      expect([await postgres.countEffects(note), await postgres.countEffects(`${note} seal`)]).toEqual([0, 0]);
    });

    it.each(sealing)(
      "own: a connection that was lost before the seal is the body's failure (last: %s)",
      async (isLast) => {
        const outcome = await orders.port.own(
          async (tx) => {
            await client.insertEffect(tx as Tx, note);
            await terminate(await pidOf(tx));
            await delay(100);
          },
          () => insertScript(`${note} seal`, "done" as const, isLast),
        );
        expect(["threw", "unavailable"]).toContain(outcome.kind);
        expect([await postgres.countEffects(note), await postgres.countEffects(`${note} seal`)]).toEqual([0, 0]);
      },
    );

    it.each(["terminated by the server", "reset by the network"])(
      "a connection %s under a statement of the body is its failure, and nothing lands",
      async (how) => {
        const outcome = await orders.port.act(mark, "action", async (tx) => {
          await client.insertEffect(tx as Tx, note);
          const pid = await pidOf(tx);
          const sleeping = client.run(tx as Tx, "SELECT pg_sleep(30)");
          sleeping.catch(() => undefined);
          if (how.startsWith("reset")) proxy.reset();
          else await terminate(pid);
          // Goes on in the very turn in which it hears of the loss, as a body does that logs its errors in the database.
          try {
            await sleeping;
          } catch {
            await client.run(tx as Tx, `INSERT INTO effect (note) VALUES ('${note}')`);
          }
          return null;
        });
        expect(outcome).toMatchObject({ kind: "threw" });
        expect(await postgres.countEffects(note)).toBe(0);
        expect(await orders.port.act(mark, "action", doing())).toMatchObject({ kind: "ran" });
      },
    );

    it.each(["terminated by the server", "reset by the network"])(
      "after a connection %s between two statements, what the body still sends lands nowhere",
      async (how) => {
        const { port, insertEffect, run } = await openWith({}, { max: 1 });
        let others: Promise<unknown> = Promise.resolve();
        const bodyEnds = Promise.withResolvers<void>();
        const outcome = await port.act(mark, "action", async (tx) => {
          await insertEffect(tx as Tx, note);
          if (how.startsWith("reset")) proxy.reset();
          else await terminate(await pidFrom(run, tx as Tx));
          // Another transaction gets the one connection of this client, as soon as there is one again.
          others = port.act({ ...mark, branch: "another" }, "action", async (other) => {
            await insertEffect(other as Tx, `${note} another`);
            return null;
          });
          await Promise.race([others, delay(300)]);
          for (let tried = 0; tried < 3; tried++) {
            await Promise.resolve()
              .then(() => insertEffect(tx as Tx, note))
              .catch(() => undefined);
          }
          bodyEnds.resolve();
          return null;
        });
        // Some clients report the loss while the body still runs.
        await bodyEnds.promise;
        expect(["threw", "unavailable"]).toContain(outcome.kind);
        expect(await others).toMatchObject({ kind: "ran" });
        expect([await postgres.countEffects(note), await postgres.countEffects(`${note} another`)]).toEqual([0, 1]);
        expect(await port.act(mark, "action", doing())).toMatchObject({ kind: "ran" });
        expect(await postgres.countEffects(note)).toBe(1);
      },
    );

    it("a server that is away is unavailable, and of use again when it is back", async () => {
      await proxy.stop();
      expect(await orders.port.act(mark, "action", doing())).toMatchObject({ kind: "unavailable" });
      expect(await orders.port.own(doing(), () => insertScript(note, "done" as const))).toMatchObject({
        kind: "unavailable",
      });
      await proxy.resume();
      // Some pools still hand out a failure of before, once.
      await until(async () => (await orders.port.act(mark, "action", doing())).kind === "ran");
    });

    it.each(
      ["40P01", "40001", "55P03", "53200", "57014"].flatMap((code) => sealing.map((isLast) => [code, isLast] as const)),
    )("a seal that fails with %s, which repeating mends, is unavailable (last: %s)", async (code, isLast) => {
      expect(await orders.port.own(doing(), () => raising(code, isLast))).toMatchObject({ kind: "unavailable" });
      expect(await postgres.countEffects(note)).toBe(0);
    });

    it("a constraint deferred to COMMIT is the body's failure, for certain", async () => {
      await postgres.run("CREATE TABLE IF NOT EXISTS parent (id integer PRIMARY KEY)");
      await postgres.run(
        "CREATE TABLE IF NOT EXISTS child (parent integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
      );
      const outcome = await orders.port.act(mark, "action", async (tx) => {
        await client.insertEffect(tx as Tx, note);
        await client.run(tx as Tx, "INSERT INTO child VALUES (1)");
        return null;
      });
      expect(outcome).toMatchObject({ kind: "threw" });
      expect(await postgres.countEffects(note)).toBe(0);
    });

    it.each(sealing)("own: so it is of a transaction with a seal (last: %s)", async (isLast) => {
      await postgres.run("CREATE TABLE IF NOT EXISTS parent (id integer PRIMARY KEY)");
      await postgres.run(
        "CREATE TABLE IF NOT EXISTS child (parent integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
      );
      const body = async (tx: unknown) => client.run(tx as Tx, "INSERT INTO child VALUES (1)");
      const outcome = await orders.port.own(body, () => insertScript(note, "done" as const, isLast));
      expect(outcome).toMatchObject({ kind: "threw" });
      expect(await postgres.countEffects(note)).toBe(0);
    });

    it("a statement that failed and was swallowed is the body's failure", async () => {
      const outcome = await orders.port.act(mark, "action", async (tx) => {
        await client.insertEffect(tx as Tx, note);
        await client.run(tx as Tx, "SELECT 1 / 0").catch(() => undefined);
        return null;
      });
      expect(outcome).toMatchObject({
        kind: "threw",
        error: { message: expect.stringContaining("went on in a transaction") },
      });
      expect(await postgres.countEffects(note)).toBe(0);
    });

    it("an error of a statement of makegood's does not show the statement's parameters, which hold results", async () => {
      function* refused(): Script<"done"> {
        yield {
          sql: "SELECT 1 / length($1::text) - length($1::text)::smallint / 0",
          parameters: ["secret of a result"],
        };
        return "done";
      }
      const outcome = await orders.port.own(doing(), refused);
      expect(outcome.kind).toBe("threw");
      expect(String("error" in outcome && outcome.error)).toMatch(/division by zero/);
      expect(String("error" in outcome && outcome.error)).not.toMatch(/secret/);
    });

    it("the adapter by itself does not take a COMMIT that was answered with ROLLBACK for done", async () => {
      // These do; a participant's last statement finds it out before (the claim above).
      if (["with Drizzle over pg", "with MikroORM", "with Prisma"].includes(name)) return;
      const committing = client.adapter.transaction(async (tx) => {
        await client.run(tx, "SELECT 1 / 0").catch(() => undefined);
      });
      await expect(committing).rejects.toThrow();
    });

    it.each(["COMMIT", "ROLLBACK"])(
      "a body that sends %s by itself is found out, and nothing is said of its effect",
      async (end) => {
        const body = async (tx: unknown): Promise<null> => {
          await client.run(tx as Tx, end);
          return null;
        };
        await expect(orders.port.act(mark, "action", body)).rejects.toMatchObject({ code: "INVARIANT" });
      },
    );

    it("runs at READ COMMITTED, whatever the session's default", async () => {
      const { port, run } = await openWith({ default_transaction_isolation: "serializable" });
      const isolations: unknown[] = [];
      const outcome = await port.act(mark, "action", async (tx) => {
        isolations.push(
          ...((await run(tx as Tx, "SELECT current_setting('transaction_isolation') AS value")) as unknown[]),
        );
        return null;
      });
      expect(outcome).toMatchObject({ kind: "ran" });
      expect(isolations).toMatchObject([{ value: "read committed" }]);
    });

    it.each([
      ["0", "30s"],
      ["7000", "7s"],
    ])(
      "a frozen process cannot hold its barrier row for long: idling is limited where the session allows %s ms",
      async (setting, limit) => {
        const { port, run } = await openWith({ idle_in_transaction_session_timeout: setting });
        const limits: unknown[] = [];
        const show = "SELECT current_setting('idle_in_transaction_session_timeout') AS value";
        await port.act(mark, "action", async (tx) => {
          limits.push(...((await run(tx as Tx, show)) as unknown[]));
          return null;
        });
        await port.own(
          async (tx) => {
            limits.push(...((await run(tx as Tx, show)) as unknown[]));
          },
          () => insertScript(note, "done" as const),
        );
        // Only for that transaction: the next one on the same connection has the session's again.
        expect(limits).toMatchObject([{ value: limit }, { value: setting === "0" ? "0" : limit }]);
      },
    );

    it("a body that idles for longer than the server allows is its own failure, and nothing lands", async () => {
      const { port, run, insertEffect } = await openWith({ idle_in_transaction_session_timeout: "50" });
      const outcome = await port.act(mark, "action", async (tx) => {
        await insertEffect(tx as Tx, note);
        const pid = await pidFrom(run, tx as Tx);
        await until(async () => (await postgres.run(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`)).length === 0);
        return null;
      });
      expect(outcome).toMatchObject({
        kind: "threw",
        error: { message: expect.stringContaining("nothing was committed") },
      });
      expect(await postgres.countEffects(note)).toBe(0);
    });
  });
}

describeWithOwnPostgres("a participant on a PostgreSQL that is restarted", (server) => {
  const restarted = { url: () => server().url, restart: () => server().restart("immediate"), prepare: preparePostgres };
  testRestart("pg", restarted, openPg);
  testRestart("postgres.js", restarted, openPostgresJs);
  testRestart("Kysely", restarted, openKysely);
  testRestart("Drizzle over pg", restarted, openDrizzlePg);
  testRestart("Drizzle over postgres.js", restarted, openDrizzlePostgresJs);
  testRestart("Knex", restarted, openKnex);
  testRestart("TypeORM", restarted, openTypeorm);
  testRestart("Sequelize", restarted, openSequelize);
  testRestart("MikroORM", restarted, openMikroOrm);
  const generated = generatedPrisma("postgres");
  testRestart("Prisma", restarted, (url, settings) => openPrismaPg(generated(), url, settings));
});

const pidFrom = async <Tx>(run: ServerClient<Tx>["run"], tx: Tx): Promise<number> => {
  const [row] = (await run(tx, "SELECT pg_backend_pid() AS pid")) as { pid: number }[];
  return row?.pid ?? 0;
};
