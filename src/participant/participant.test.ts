import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { TxAdapter } from "../core/participant.ts";
import type { Row } from "../core/script.ts";
import { nodeSqlite } from "./adapters/node-sqlite.ts";
import { participant } from "./participant.ts";
import { silentScript } from "./testing/scene.ts";

const mark = { gid: "0195f2a0-0000-7000-8000-000000000000", branch: "b", round: 0 };
const done = () => silentScript("done" as const);

/** An adapter that touches no database; `transaction` is what a test says. */
function fake(
  transaction: TxAdapter<object, "async">["transaction"],
  query = async (): Promise<Row[]> => [],
): TxAdapter<object, "async"> {
  return { mode: "async", dialect: "postgres", transaction, query };
}

describe("participant", () => {
  it("takes names fit for logs and commands, of 1 to 64 characters", () => {
    const adapter = nodeSqlite(new DatabaseSync(":memory:"));
    for (const name of ["o", "orders", "eu-west.orders_2", "9", "x".repeat(64)])
      expect(participant(name, adapter).name).toBe(name);
    for (const name of ["", "Orders", "orders db", "-orders", ".", "bestellungen-ü", "x".repeat(65), 7, null]) {
      expect(() => participant(name as string, adapter)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    }
  });

  it("refuses what is no adapter, and says what was expected", () => {
    for (const adapter of [undefined, {}, new DatabaseSync(":memory:"), { mode: "sync", dialect: "sqlite" }]) {
      expect(() => participant("orders", adapter as never)).toThrow(/expected an adapter, such as nodePostgres/);
    }
  });

  it("shows mode and dialect to the engine", () => {
    const { mode, port } = participant("orders", nodeSqlite(new DatabaseSync(":memory:")));
    expect([mode, port.mode, port.dialect, port.name]).toEqual(["sync", "sync", "sqlite", "orders"]);
  });
});

describe("what an adapter's answer means", () => {
  const lost = new Error("connection lost");

  it("rejected before the body: unavailable", async () => {
    const { port } = participant(
      "orders",
      fake(async () => Promise.reject(lost)),
    );
    expect(await port.own(() => 1, done)).toEqual({ kind: "unavailable", error: lost });
  });

  it("rejected after body and seal: unknown", async () => {
    const adapter = fake(async (body) => {
      await body({});
      throw lost;
    });
    expect(await participant("orders", adapter).port.own(() => 1, done)).toEqual({ kind: "unknown", error: lost });
  });

  it("rejected after body and seal, with a code of the server's that says rolled back: certain", async () => {
    const failing = (code: string) =>
      fake(async (body) => {
        await body({});
        throw Object.assign(new Error("at COMMIT"), { code });
      });
    const kindOf = async (code: string) => (await participant("orders", failing(code)).port.own(() => 1, done)).kind;
    expect([await kindOf("23503"), await kindOf("25P02"), await kindOf("P0001")]).toEqual(["threw", "threw", "threw"]);
    expect([await kindOf("40001"), await kindOf("40P01")]).toEqual(["unavailable", "unavailable"]);
    expect([await kindOf("40003"), await kindOf("57P01"), await kindOf("08006"), await kindOf("EPIPE")]).toEqual(
      Array(4).fill("unknown"),
    );
  });

  it("rejected while the body still ran: the body's failure, and nothing lands", async () => {
    const adapter = fake((body) => {
      void Promise.resolve(body({})).catch(() => undefined);
      return new Promise((_, reject) => setImmediate(reject, lost));
    });
    const outcome = await participant("orders", adapter).port.own(() => new Promise(() => undefined), done);
    expect(outcome).toMatchObject({ kind: "threw", error: { cause: lost } });
  });

  it("resolved although the body threw: an impossible state, told and not hidden", async () => {
    const adapter = fake(async (body) => {
      await Promise.resolve(body({})).catch(() => undefined);
      return undefined as never;
    });
    const outcome = participant("orders", adapter).port.own(() => Promise.reject(lost), done);
    await expect(outcome).rejects.toMatchObject({ code: "INVARIANT" });
  });

  it("a body that an adapter calls again is judged by its last run", async () => {
    const adapter = fake(async (body) => {
      await Promise.resolve(body({})).catch(() => undefined);
      return body({});
    });
    let runs = 0;
    const body = () => (++runs === 1 ? Promise.reject(lost) : runs);
    expect(await participant("orders", adapter).port.own(body, done)).toEqual({ kind: "committed", result: 2 });
  });

  it("a barrier row that stands in the way and cannot be read is unavailable: the isolation is too high, or it was pruned", async () => {
    const adapter = fake(async (body) => body({}));
    const outcome = await participant("orders", adapter).port.act(mark, "action", () => null);
    expect(outcome).toMatchObject({ kind: "unavailable", error: { code: "STORE_CONFLICT" } });
  });

  it("a statement of ours that is refused for good is not repeated for ever", async () => {
    const denied = Object.assign(new Error("permission denied"), { code: "42501" });
    const adapter = fake(
      async (body) => body({}),
      () => Promise.reject(denied),
    );
    expect(await participant("orders", adapter).port.act(mark, "action", () => null)).toEqual({
      kind: "threw",
      error: denied,
    });
  });

  it("a lost connection before the body is unavailable, after it the body's failure", async () => {
    let queries = 0;
    const failingAt = (at: number) =>
      fake(
        async (body) => body({}),
        async () => (++queries === at ? Promise.reject(lost) : [{ op: "action" }]),
      );
    const kindAt = async (at: number) => {
      queries = 0;
      return (await participant("orders", failingAt(at)).port.act(mark, "action", () => null)).kind;
    };
    expect([await kindAt(1), await kindAt(2), await kindAt(3)]).toEqual(["unavailable", "threw", "ran"]);
  });

  it("a result that is no Uint8Array names the type parser that must be at fault", async () => {
    let queries = 0;
    const row = { op: "action", reason: "action", result: "\\x00" };
    const adapter = fake(
      async (body) => body({}),
      async () => (++queries === 1 ? [] : [row]),
    );
    await expect(participant("orders", adapter).port.act(mark, "action", () => null)).rejects.toThrow(
      "is a type parser set",
    );
  });
});
