import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openMysql2 } from "../../../test/participant/mysql-clients.ts";
import { openPg } from "../../../test/participant/postgres-clients.ts";
import { makeSqliteFiles } from "../../../test/participant/sqlite-files.ts";
import { describeWithMariadb, describeWithOwnRedis, describeWithPostgres } from "../../../test/services/describe.ts";
import type { Participant } from "../../core/participant.ts";
import { silentLog } from "../../core/ports.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { recordStates } from "../migrations/0002-record.ts";
import { participant } from "../participant.ts";
import { idempotentClaims } from "../testing/idempotent-claims.ts";
import { leasedClaims } from "../testing/leased-claims.ts";
import { idempotent } from "./idempotent.ts";
import { type Markers, recordsOf } from "./markers.ts";
import { redisMarkers } from "./redis/markers.ts";
import { settleRecord } from "./settle.ts";

// biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
type On = Participant<any, any> | Markers;

interface Opened {
  readonly on: On;
  readonly otherOn: On;
  readonly close: () => Promise<void> | void;
}

function testRecords(name: string, open: () => Promise<Opened>): void {
  describe(`records on ${name}`, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());
    for (const { name: title, check } of leasedClaims)
      it(title, () => {
        const [records, other] = [recordsOf(opened.on, "on"), recordsOf(opened.otherOn, "on")];
        return check({ records, other, newId: randomUUID });
      });
    for (const { name: title, check } of idempotentClaims) it(title, () => check({ ...opened, newId: randomUUID }));
  });
}

testRecords("node:sqlite", async () => {
  const files = makeSqliteFiles();
  const [first, second] = [new DatabaseSync(files.path), new DatabaseSync(files.path)];
  const on = participant("orders", nodeSqlite(first), { log: silentLog });
  await on.migrate();
  return {
    on,
    otherOn: participant("orders", nodeSqlite(second), { log: silentLog }),
    close: () => {
      for (const db of [first, second]) db.close();
      files.remove();
    },
  };
});

describeWithPostgres("records", (database) => {
  testRecords("pg", async () => {
    const [first, second] = [openPg(database.url), openPg(database.url)];
    const on = participant("orders", first.adapter, { log: silentLog });
    await on.migrate();
    // The table does without this for the sake of speed: what writes its rows must keep to it all the same.
    const check = `ALTER TABLE makegood.execution_record ADD CONSTRAINT state CHECK (${recordStates})`;
    await first.adapter.transaction((tx) => first.run(tx, check));
    const close = async () => void (await Promise.all([first.close(), second.close()]));
    return { on, otherOn: participant("orders", second.adapter, { log: silentLog }), close };
  });
});

describeWithMariadb("records", (database) => {
  // Counting changed rows only must make no difference.
  for (const flags of [[], ["-FOUND_ROWS"]])
    testRecords(`mysql2 ${flags.join()}`, async () => {
      const [first, second] = [openMysql2(database.url, { flags }), openMysql2(database.url, { flags })];
      const on = participant("orders", first.adapter, { log: silentLog });
      await on.migrate();
      const close = async () => void (await Promise.all([first.close(), second.close()]));
      return { on, otherOn: participant("orders", second.adapter, { log: silentLog }), close };
    });
});

describeWithOwnRedis("records", (server) => {
  testRecords("Redis", async () => {
    const [first, second] = [new Redis(server().url), new Redis(server().url)];
    const close = () => {
      for (const client of [first, second]) client.disconnect();
    };
    return { on: redisMarkers(first, { log: silentLog }), otherOn: redisMarkers(second, { log: silentLog }), close };
  });

  it("a record that Redis has lost is claimed anew, with a fence above those handed out before", async () => {
    const client = new Redis(server().url);
    const pay = idempotent(
      { on: redisMarkers(client), scope: "pay", key: (id: string) => id },
      (_, { fence }) => fence,
    );
    const before = await pay("A-17");
    expect(await pay("A-17")).toBe(before);
    await client.flushall();
    expect(await pay("A-17")).toBeGreaterThan(before);
    client.disconnect();
  });

  it("records expire with their retention, except those that wait for a person", async () => {
    const client = new Redis(server().url);
    const on = redisMarkers(client, { prefix: "expiring:", log: silentLog });
    const options = { on, scope: "pay", key: (id: string) => id, retention: "1h", maxAttempts: 1 } as const;
    await idempotent(options, () => 1)("done");
    await idempotent(options, () => Promise.reject(new Error("?")))("manual").catch(() => undefined);
    const ttls = await Promise.all((await client.keys("expiring:*")).map((key) => client.pttl(key)));
    const [forGood, expiring] = ttls.sort((a, b) => a - b);
    expect(forGood).toBe(-1);
    expect(expiring).toBeGreaterThan(3_590_000);
    expect(expiring).toBeLessThanOrEqual(3_630_000);
    client.disconnect();
  });

  it("keeps a record of unknown outcome until its lease is over, unless told otherwise", async () => {
    const client = new Redis(server().url);
    const options = { on: redisMarkers(client), scope: "unknown", key: (id: string) => id };
    const fail = () => Promise.reject(new Error("?"));
    await idempotent(options, fail)("kept").catch(() => undefined);
    expect(await idempotent(options, () => 1).outcome("kept")).toMatchObject({ kind: "busy" });
    await idempotent({ ...options, retryAfter: 0 }, fail)("open").catch(() => undefined);
    expect(await idempotent(options, () => 1).outcome("open")).toMatchObject({ kind: "executed", attempt: 2 });
    client.disconnect();
  });

  it("says STORE_UNAVAILABLE when Redis is down before anything happened, and STORE_OUTCOME_UNKNOWN after", async () => {
    const client = new Redis(server().url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
    client.on("error", () => undefined);
    let runs = 0;
    const pay = idempotent({ on: redisMarkers(client), scope: "pay", key: (id: string) => id }, () => {
      runs++;
      client.disconnect();
      return 1;
    });
    await expect(pay("down")).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN", effect: "unknown" });
    await expect(pay("down")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", effect: "none" });
    expect(runs).toBe(1);
  });
});

describe("idempotent's options", () => {
  const db = new DatabaseSync(":memory:");
  const on = participant("orders", nodeSqlite(db));
  beforeAll(() => on.migrate());
  const good = { on, scope: "pay", key: (id: string) => id };

  it.each([
    [{ on: {} }, "idempotent.on"],
    [{ scope: "" }, "idempotent.scope"],
    [{ key: "A-17" }, "idempotent.key"],
    [{ fingerprint: 1 }, "idempotent.fingerprint"],
    [{ lease: "10ms" }, "idempotent.lease"],
    [{ maxAttempts: 0 }, "idempotent.maxAttempts"],
    [{ ifBusy: "wait" }, "idempotent.ifBusy"],
    [{ ifBusy: { wait: "soon" } }, "idempotent.ifBusy.wait"],
    [{ retention: "1s" }, "idempotent.retention"],
    [{ leese: "10s" }, "Did you mean lease?"],
  ])("refuses %o", (wrong, message) => {
    expect(() => idempotent({ ...good, ...wrong } as never, () => 1)).toThrow(message);
  });

  it("refuses keys and scopes of a call that cannot be stored, before anything happens", async () => {
    let runs = 0;
    await expect(idempotent(good, () => runs++)("")).rejects.toMatchObject({ code: "KEY_INVALID" });
    await expect(idempotent({ ...good, scope: () => "" }, () => runs++)("a")).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
    expect(runs).toBe(0);
  });

  it("refuses a verdict without an actor", async () => {
    const at = { scope: "pay", key: "A-17" };
    await expect(settleRecord(on, at, { kind: "retry" }, { by: undefined as never })).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
  });
});
