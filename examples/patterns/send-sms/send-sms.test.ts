import { Redis } from "ioredis";
import { redisMarkers } from "makegood/redis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithOwnRedis } from "../../../test/services/describe.ts";
import { Provider } from "../provider.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Gateway, sendOnce, sendSms } from "./job.ts";
import * as naive from "./naive.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const gatewayOf = (provider: Provider): Gateway => ({ send: async ({ id }, key) => provider.do(key, `sms ${id}`) });
const smsOf = (id: string) => ({ id, to: "+49 1", text: "It is on its way" });

describeWithOwnRedis("send-sms", (server) => {
  let redis: Redis;
  beforeAll(() => {
    redis = new Redis(server().url);
  });
  afterAll(() => redis?.disconnect());

  it("naive: an unknown outcome deletes the marker, and there are two messages", async () => {
    const provider = new Provider().trouble("sms n-1", "answer-lost", 1);
    await expect(naive.sendSms(redis, gatewayOf(provider), smsOf("n-1"))).rejects.toThrow("no answer");
    expect(await naive.sendSms(redis, gatewayOf(provider), smsOf("n-1"))).toBe("sent");
    expect([...provider.effects.values()]).toEqual(["sms n-1", "sms n-1"]);
  });

  it("naive: a crash keeps the marker, and there is none", async () => {
    const provider = new Provider();
    const { reached, pass } = grave();
    void naive.sendSms(redis, gatewayOf(provider), smsOf("n-2"), pass);
    await reached;
    expect(await naive.sendSms(redis, gatewayOf(provider), smsOf("n-2"))).toBe("skipped");
    expect(provider.calls).toEqual([]);
  });

  it("an unknown outcome is sent again under the same key, a certain no frees the marker, and ten at once send one", async () => {
    const provider = new Provider().trouble("sms s-1", "answer-lost", 1).trouble("sms s-2", "refused", 1);
    const send = sendOnce(redisMarkers(redis), gatewayOf(provider), { lease: "1s" });
    await expect(send(smsOf("s-1"))).rejects.toThrow("no answer");
    expect(await send(smsOf("s-1"))).toBe("receipt 1");
    await expect(send(smsOf("s-2"))).rejects.toMatchObject({ code: "REFUSED" });
    await send(smsOf("s-2"));
    await Promise.all(Array.from({ length: 10 }, () => send(smsOf("s-3"))));
    expect([...provider.effects.values()]).toEqual(["sms s-1", "sms s-2", "sms s-3"]);
    expect(provider.calls.length).toBe(5);
  });

  it("of a gateway without keys an unknown outcome waits for a person", async () => {
    const provider = new Provider().trouble("sms s-4", "answer-lost", 1);
    const send = sendOnce(redisMarkers(redis, { log: silent }), gatewayOf(provider), { maxAttempts: 1 });
    await expect(send(smsOf("s-4"))).rejects.toThrow("no answer");
    await expect(send(smsOf("s-4"))).rejects.toMatchObject({ code: "RECORD_MANUAL" });
    expect(provider.calls.length).toBe(1);
  });

  it("a sender that dies with the marker is taken over from, and one message is sent", async () => {
    const provider = new Provider();
    const doomed = { isDead: false };
    const dying = redisMarkers({
      eval: (...args: Parameters<Redis["eval"]>) => (doomed.isDead ? new Promise(() => {}) : redis.eval(...args)),
    });
    const { reached, pass } = grave();
    void sendOnce(
      dying,
      {
        async send() {
          doomed.isDead = true;
          await pass();
          return "never";
        },
      },
      { lease: "1s" },
    )(smsOf("s-5"));
    await reached;
    expect(await sendOnce(redisMarkers(redis), gatewayOf(provider), { lease: "1s" })(smsOf("s-5"))).toBe("receipt 1");
  });

  describeWorlds("as a job", (world) => {
    it("killed at any point, started twice and asked again, one message is sent", async () => {
      const provider = new Provider();
      const job = sendSms(redisMarkers(redis), gatewayOf(provider), { lease: "1s" });
      // The databases share one Redis.
      const smsIn = (id: string) => smsOf(`${world.kind} ${id}`);
      const deaths = await crashEverywhere(world, {
        jobs: [job],
        act: (app, id) => Promise.all([1, 2].map(async () => (await app.start(job, smsIn(id))).result())),
        check: (id) => {
          const what = `sms ${smsIn(id).id}`;
          expect([...provider.effects.values()].filter((it) => it === what)).toEqual([what]);
        },
      });
      expect(deaths).toBeGreaterThan(1);
    });
  });
});
