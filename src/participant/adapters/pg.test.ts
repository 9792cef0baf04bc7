import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import Cursor from "pg-cursor";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openPg } from "../../../test/participant/postgres-clients.ts";
import { testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { startProxy } from "../../../test/participant/tcp-proxy.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import type { Script } from "../../core/script.ts";
import { participant } from "../participant.ts";
import { type NodePostgresOptions, nodePostgres } from "./pg.ts";

function* seal(note: string, isLast: boolean): Script<"done"> {
  yield { sql: "INSERT INTO noted (note) VALUES ($1)", parameters: [note], isLast };
  return "done";
}

describeWithPostgres("nodePostgres", (database) => {
  testPostgresParticipant("pg", database, openPg);

  it.each([
    [{}, ["SELECT makegood.begin_once(", "SELECT makegood.end_once("]],
    [{ prepare: false }, []],
  ] as const)("with %j prepares what is for one row, and nothing of the user's", async (options, prepared) => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const adapter = nodePostgres(pool, options);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const found = await adapter.transaction(async (tx) => {
      const by = { scope: "prepared", key: JSON.stringify(options) };
      await orders.once(tx, by, async () => (await tx.query("SELECT $1::text", ["a"])).rowCount);
      await adapter.query(tx, "SELECT o.seq AS once FROM makegood.outbox o LIMIT $1", [1]);
      const { rows } = await tx.query(
        "SELECT name, statement FROM pg_prepared_statements WHERE statement LIKE '%once%' ORDER BY prepare_time",
      );
      return rows as readonly { readonly name: string; readonly statement: string }[];
    });
    await pool.end();
    expect(found.map(({ statement }) => statement.slice(0, statement.indexOf("(") + 1))).toEqual(prepared);
    for (const { name } of found) expect(name).toMatch(/^makegood_[\w-]{22}$/);
  });

  it("gives no connection to another body on which a statement ran into the pool's own time limit", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1, query_timeout: 400 });
    const { transaction } = nodePostgres(pool);
    const slow = transaction((tx) => tx.query("SELECT pg_sleep($1), 'slow' AS said", [0.6]));
    await expect(slow).rejects.toThrow("timeout");
    for (const said of ["one", "two", "three"]) {
      const { rows } = await transaction((tx) => tx.query("SELECT $1::text AS said", [said]));
      expect(rows).toEqual([{ said }]);
    }
    await pool.end();
  });

  describe("begins with the first statement and commits with the last:", () => {
    const noted = async (pool: pg.Pool, note: string): Promise<number> =>
      (await pool.query("SELECT 1 FROM noted WHERE note = $1", [note])).rows.length;
    const insert = "INSERT INTO noted (note) VALUES ($1)";
    let pool: pg.Pool;
    let note = "";
    beforeEach(async () => {
      pool = new pg.Pool({ connectionString: database.url, max: 1 });
      await pool.query("CREATE TABLE IF NOT EXISTS noted (note text)");
      note = randomUUID();
    });
    afterEach(() => pool.end());

    const callback = (tx: pg.PoolClient): Promise<unknown> =>
      new Promise((resolve, reject) => {
        tx.query(insert, [note], (error, result) => (error ? reject(error) : resolve(result)));
      });
    const callbackWithin = (tx: pg.PoolClient): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const callback = (error: Error | null, result: unknown): void => (error ? reject(error) : resolve(result));
        tx.query({ text: insert, values: [note], callback } as never);
      });
    const cursor = async (tx: pg.PoolClient): Promise<void> => {
      const opened = tx.query(new Cursor(`${insert} RETURNING note`, [note]));
      expect(await opened.read(2)).toEqual([{ note }]);
      await opened.close();
    };
    it.each<readonly [string, (tx: pg.PoolClient) => Promise<unknown>]>([
      ["a text with values", (tx) => tx.query(insert, [note])],
      ["a config", (tx) => tx.query({ text: insert, values: [note] })],
      ["a config and values", (tx) => tx.query({ text: insert }, [note])],
      ["a name", (tx) => tx.query({ name: "insert note", text: insert, values: [note] })],
      ["a text alone", (tx) => tx.query(`INSERT INTO noted (note) VALUES ('${note}')`)],
      ["two statements", (tx) => tx.query(`SELECT 1; INSERT INTO noted (note) VALUES ('${note}')`)],
      ["a time limit of its own", (tx) => tx.query({ text: insert, values: [note], query_timeout: 5_000 } as never)],
      ["a callback", callback],
      ["a callback in its config", callbackWithin],
      ["a cursor", cursor],
      ["a query of pg's", (tx) => once(tx.query(new pg.Query({ text: insert, values: [note] })), "end")],
      ["three at once", (tx) => Promise.all([tx.query("SELECT 1"), tx.query("SELECT $1::text", [""]), callback(tx)])],
    ])("%s", async (_, first) => {
      const { transaction } = nodePostgres(pool);
      await transaction(async (tx) => {
        await first(tx);
        expect(tx.getTransactionStatus()).toBe("T");
        expect((await tx.query("SELECT note FROM noted WHERE note = $1", [note])).rows).toEqual([{ note }]);
      });
      expect(await noted(pool, note)).toBe(1);
      const error = new Error("as asked");
      const failing = transaction(async (tx) => {
        await first(tx);
        throw error;
      });
      await expect(failing).rejects.toBe(error);
      expect(await noted(pool, note)).toBe(1);
    });

    it.each([
      ["a text alone", (tx: pg.PoolClient) => tx.query(`INSERT INTO noted (note) VALUES ('${note}')`)],
      ["a text with values", (tx: pg.PoolClient) => tx.query(insert, [note])],
    ] as const)("%s that nobody awaits is part of the transaction all the same", async (_, send) => {
      const { transaction } = nodePostgres(pool);
      const failing = transaction(async (tx) => {
        send(tx).catch(() => undefined);
        throw new Error("as asked");
      });
      await expect(failing).rejects.toThrow("as asked");
      expect(await noted(pool, note)).toBe(0);
      await transaction(async (tx) => {
        send(tx).catch(() => undefined);
        tx.query("SELECT 1 / $1::int", [0]).catch(() => undefined);
      }).catch(() => undefined);
      expect(await noted(pool, note)).toBe(0);
      await transaction(async (tx) => void send(tx));
      expect(await noted(pool, note)).toBe(1);
    });

    it("a time limit of the first statement's own holds", async () => {
      const { transaction } = nodePostgres(pool);
      const limited = { text: "SELECT pg_sleep($1)", values: [1], query_timeout: 100 } as never;
      await expect(transaction((tx) => tx.query(limited))).rejects.toThrow("timeout");
    });

    it("of a pool with pipelining too", async () => {
      const pipelined = new pg.Pool({ connectionString: database.url, max: 1, pipeline: true });
      const { transaction } = nodePostgres(pipelined);
      await transaction(async (tx) => {
        await Promise.all([tx.query(insert, [note]), tx.query(insert, [note])]);
      });
      const failing = transaction(async (tx) => {
        await Promise.all([tx.query(insert, [note]), tx.query("SELECT 1 / $1::int", [0])]);
      });
      await expect(failing).rejects.toThrow("division by zero");
      expect(await noted(pipelined, note)).toBe(2);
      await pipelined.end();
    });

    it("a first statement that fails says so, and its name can be used again", async () => {
      const { transaction } = nodePostgres(pool);
      const named = (text: string) => transaction((tx) => tx.query({ name: "named", text, values: [note] }));
      await expect(named("INSERT INTO no_such_table VALUES ($1)")).rejects.toMatchObject({ code: "42P01" });
      await named(insert);
      await named(insert);
      expect(await noted(pool, note)).toBe(2);
    });

    it("parameters that pg refuses, and a name of another text, cost the statement, not the pool", async () => {
      const { transaction } = nodePostgres(pool);
      const circle: unknown[] = [];
      circle.push({ circle });
      await expect(transaction((tx) => tx.query(insert, [{ circle }]))).rejects.toThrow(/circular/);
      await transaction((tx) => tx.query({ name: "one", text: "SELECT $1::text", values: [""] }));
      const other = transaction((tx) => tx.query({ name: "one", text: "SELECT $1::int", values: [1] }));
      await expect(other).rejects.toThrow(/must be unique/);
      await transaction((tx) => tx.query(insert, [note]));
      expect(await noted(pool, note)).toBe(1);
    });

    it("a body that sends nothing asks the server for nothing, whether it fails or not", async () => {
      const { transaction } = nodePostgres(pool);
      const xact = async (): Promise<number> => {
        const { rows } = await pool.query("SELECT xact_start FROM pg_stat_activity WHERE pid = pg_backend_pid()");
        return rows.length;
      };
      await xact();
      const client = await pool.connect();
      const sent = vi.spyOn((client as never as { connection: { stream: Socket } }).connection.stream, "write");
      client.release();
      await transaction(async () => 1);
      await transaction(() => Promise.reject(new Error("no stock"))).catch(() => undefined);
      expect(sent).not.toHaveBeenCalled();
    });

    it("a connection that had been idle and was dead at BEGIN is no failure of the body's", async () => {
      const proxy = await startProxy(database.url);
      const proxied = new pg.Pool({ connectionString: proxy.url, max: 1 });
      const { port } = participant("orders", nodePostgres(proxied));
      const noteThen =
        (then: (tx: pg.PoolClient) => unknown) =>
        async (tx: unknown): Promise<void> => {
          await then(tx as pg.PoolClient);
          await (tx as pg.PoolClient).query(insert, [note]);
        };
      const own = async (body: (tx: unknown) => Promise<void>): Promise<string> =>
        (await port.own(body, () => seal(note, false))).kind;
      // New, or in use a moment ago: it is the body that comes in question.
      expect(await own(noteThen(() => proxy.reset()))).toBe("threw");
      expect(await own(noteThen(() => undefined))).toBe("committed");
      expect(await own(noteThen(() => proxy.reset()))).toBe("threw");
      await own(noteThen(() => undefined));
      await delay(1_100);
      expect(await own(noteThen(() => proxy.reset()))).toBe("unavailable");
      await own(noteThen(() => undefined));
      await delay(1_100);
      const late = async (tx: pg.PoolClient): Promise<void> => {
        await tx.query(insert, [note]);
        proxy.reset();
      };
      expect(await own(noteThen(late))).toBe("threw");
      expect(await noted(pool, note)).toBe(3 * 2);
      await proxied.end();
      await proxy.close();
    });

    it.each([true, false])(
      "own: seal and COMMIT in one, behind a body that sends nothing or something",
      async (sends) => {
        const { port } = participant("orders", nodePostgres(pool));
        const body = async (tx: unknown): Promise<void> => {
          if (sends) await (tx as pg.PoolClient).query(insert, [note]);
        };
        expect(await port.own(body, () => seal(note, true))).toMatchObject({ kind: "committed" });
        expect(await noted(pool, note)).toBe(sends ? 2 : 1);
      },
    );
  });

  it("keeps a body that goes on after its transaction from giving the connection back", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const held = await nodePostgres(pool).transaction(async (tx) => tx);
    expect(() => held.release()).toThrow("has ended");
    await pool.end();
  });

  it("refuses options that it does not know", () => {
    const wrong = { prepared: true } as NodePostgresOptions;
    expect(() => nodePostgres(new pg.Pool(), wrong)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
