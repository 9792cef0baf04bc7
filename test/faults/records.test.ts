/**
 * A process that dies in the middle of a recorded effect, or freezes there and comes back after another took over.
 *
 * Faults F1, F6, F25; guarantees G3, G4.
 */
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Redis } from "ioredis";
import { idempotent, participant } from "makegood";
import { mysql2 } from "makegood/mysql";
import { nodePostgres } from "makegood/postgres";
import { redisMarkers } from "makegood/redis";
import { nodeSqlite } from "makegood/sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareMysql } from "../participant/mysql-databases.ts";
import { preparePostgres } from "../participant/postgres-databases.ts";
import { makeSqliteFiles } from "../participant/sqlite-files.ts";
import { describeWithMariadb, describeWithOwnRedis, describeWithPostgres } from "../services/describe.ts";
import { makeNursery } from "./support/processes.ts";
import { childScope, insertEffect, type RecordArguments } from "./support/record-child.ts";

interface Here {
  readonly url: string;
  readonly on: Parameters<typeof idempotent>[0]["on"];
  /** In a transaction of this process: inserts the effect, answers "parent". */
  readonly once?: (key: string) => Promise<unknown>;
  readonly countEffects?: (note: string) => Promise<number> | number;
  readonly close: () => Promise<void>;
}

function testRecords(on: RecordArguments["on"], open: () => Promise<Here>): void {
  describe(`records on ${on}`, () => {
    const { start } = makeNursery<RecordArguments>("./record-child.ts");
    let here: Here;
    beforeAll(async () => {
      here = await open();
    });
    afterAll(() => here?.close());

    it.skipIf(on === "redis")(
      "once: of a process that is killed in the effect nothing stays, and the next one runs",
      async () => {
        const key = randomUUID();
        const child = start({ on, url: here.url, how: "once", key });
        await child.said("inside");
        child.kill("SIGKILL");
        await child.exit;
        expect(await here.countEffects?.(key)).toBe(0);
        expect(await here.once?.(key)).toBe("parent");
        expect(await here.once?.(key)).toBe("parent");
        expect(await here.countEffects?.(key)).toBe(1);
      },
    );

    it("idempotent: after a process that was killed the next one takes over when the lease is over, not before", async () => {
      const key = randomUUID();
      const child = start({ on, url: here.url, how: "idempotent", key });
      await child.said("inside");
      child.kill("SIGKILL");
      await child.exit;
      const options = { on: here.on, scope: childScope, key: (id: string) => id };
      expect(await idempotent(options, () => "early").outcome(key)).toMatchObject({ kind: "busy" });
      const patient = idempotent({ ...options, ifBusy: { wait: "10s" } }, (_, { attempt }) => attempt);
      expect(await patient(key)).toBe(2);
    });

    it("idempotent: a process that froze and was overtaken notices, and cannot write its answer", async () => {
      const key = randomUUID();
      const child = start({ on, url: here.url, how: "idempotent", key });
      await child.said("inside");
      child.kill("SIGSTOP");
      const options = { on: here.on, scope: childScope, key: (id: string) => id, ifBusy: { wait: "10s" } } as const;
      const next = idempotent(options, (_, { attempt }) => `parent ${attempt}`);
      expect(await next(key)).toBe("parent 2");
      child.kill("SIGCONT");
      child.tell("go on");
      expect(await child.said("aborted")).toBe("aborted true");
      expect(await child.said("failed")).toBe("failed RECORD_LEASE_LOST");
      expect((await child.exit).code).toBe(0);
      expect(await next(key)).toBe("parent 2");
    });
  });
}

testRecords("sqlite", async () => {
  const files = makeSqliteFiles();
  const db = new DatabaseSync(files.path, { timeout: 50 });
  const adapter = nodeSqlite(db);
  const on = participant("orders", adapter);
  await on.migrate();
  return {
    url: files.path,
    on,
    once: async (key) =>
      adapter.transaction((tx) =>
        on.once(tx, { scope: childScope, key }, () => {
          tx.exec(insertEffect(key));
          return "parent";
        }),
      ),
    countEffects: files.countEffects,
    close: async () => {
      db.close();
      files.remove();
    },
  };
});

describeWithPostgres("records", (database) => {
  testRecords("pg", async () => {
    const { countEffects, close } = await preparePostgres(database.url);
    const pool = new pg.Pool({ connectionString: database.url });
    const adapter = nodePostgres(pool);
    const on = participant("orders", adapter);
    await on.migrate();
    return {
      url: database.url,
      on,
      once: (key) =>
        adapter.transaction((tx) =>
          on.once(tx, { scope: childScope, key }, async () => {
            await tx.query(insertEffect(key));
            return "parent";
          }),
        ),
      countEffects,
      close: async () => {
        await pool.end();
        await close();
      },
    };
  });
});

describeWithMariadb("records", (database) => {
  testRecords("mysql2", async () => {
    const { countEffects, close } = await prepareMysql(database.url);
    const pool = mysql.createPool(database.url);
    const adapter = mysql2(pool);
    const on = participant("orders", adapter);
    await on.migrate();
    return {
      url: database.url,
      on,
      once: (key) =>
        adapter.transaction((tx) =>
          on.once(tx, { scope: childScope, key }, async () => {
            await tx.query(insertEffect(key));
            return "parent";
          }),
        ),
      countEffects,
      close: async () => {
        await pool.end();
        await close();
      },
    };
  });
});

describeWithOwnRedis("records", (server) => {
  testRecords("redis", async () => {
    const client = new Redis(server().url);
    return {
      url: server().url,
      on: redisMarkers(client),
      close: async () => client.disconnect(),
    };
  });
});

describe("Idempotency-Key", () => {
  const { start } = makeNursery<RecordArguments>("./record-child.ts");

  it("of a server that was killed in the handler is busy at the next one, until it runs there as the second attempt", async () => {
    const files = makeSqliteFiles();
    const db = new DatabaseSync(files.path);
    await participant("orders", nodeSqlite(db)).migrate();
    db.close();
    const serve = async () => {
      const child = start({ on: "sqlite", url: files.path, how: "http", key: "" });
      const port = (await child.said("at ")).slice(3);
      const post = () =>
        fetch(`http://127.0.0.1:${port}/payments`, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": '"A-17"' },
          body: JSON.stringify({ cents: 7 }),
        });
      return { child, post };
    };
    const [first, second] = [await serve(), await serve()];
    const hanging = expect(first.post()).rejects.toThrow();
    await first.child.said("inside 1");
    first.child.kill("SIGKILL");
    await hanging;
    const busy = await second.post();
    expect([busy.status, await busy.json()]).toMatchObject([409, { code: "KEY_IN_PROGRESS" }]);
    await expect.poll(async () => (await second.post()).status, { timeout: 5_000, interval: 100 }).toBe(201);
    const replay = await second.post();
    expect(replay.headers.get("idempotent-replayed")).toBe("true");
    expect(await replay.json()).toEqual({ attempt: 2 });
    second.child.kill("SIGKILL");
    await second.child.exit;
    files.remove();
  });
});
