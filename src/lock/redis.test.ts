import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { describeWithOwnRedis } from "../../test/services/describe.ts";
import { silentLog } from "../core/ports.ts";
import { redisLocks } from "./redis.ts";
import { lockClaims } from "./testing/lock-claims.ts";

const clients: Redis[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

describeWithOwnRedis("locks in Redis", (server) => {
  const open = (): Redis => {
    const client = new Redis(server().url, { maxRetriesPerRequest: 1 });
    client.on("error", () => undefined);
    clients.push(client);
    return client;
  };
  let made = 0;

  describe("claims", () => {
    for (const claim of lockClaims)
      it(claim.name, () =>
        claim.check({ lock: redisLocks(open()).lock, other: redisLocks(open()).lock, name: `report ${++made}` }),
      );
  });

  it("leave nothing behind but the last fence, which expires", async () => {
    const client = open();
    await redisLocks(client, { prefix: "t:" }).lock("x", {}, () => "ran");
    expect(await client.keys("t:*")).toEqual(["t:{x}:fence"]);
    expect(await client.pttl("t:{x}:fence")).toBeGreaterThan(3_600_000);
  });

  it("go on growing their fence after the last one was lost", async () => {
    const client = open();
    const { lock } = redisLocks(client);
    const first = await lock("forgotten", {}, ({ fence }) => fence);
    await client.flushall();
    await new Promise((settle) => setTimeout(settle, 2));
    const second = await lock("forgotten", {}, ({ fence }) => fence);
    expect(first.kind === "done" && second.kind === "done" && second.result > first.result).toBe(true);
  });

  it("say LOCK_LOST when Redis forgets them under way, and the process lives when Redis is gone", async () => {
    const client = open();
    const { lock } = redisLocks(client, { log: silentLog });
    const lost = lock("evicted", { lease: "300ms" }, async (held) => {
      await client.flushall();
      await new Promise((settle) => held.signal.addEventListener("abort", settle));
      return "void";
    });
    await expect(lost).rejects.toThrow(expect.objectContaining({ code: "LOCK_LOST" }));
    const cut = lock("cut off", { lease: "300ms" }, async (held) => {
      client.disconnect();
      await new Promise((settle) => held.signal.addEventListener("abort", settle));
      return "void";
    });
    await expect(cut).rejects.toThrow(expect.objectContaining({ code: "LOCK_LOST" }));
    await expect(lock("gone", {}, () => "ran")).rejects.toThrow("Connection is closed");
  });

  it("refuse a client that cannot run scripts", () => {
    expect(() => redisLocks({} as never)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
