import { participant } from "makegood";
import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { crashEverywhere, mortalAdapter } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Mailer, sendNotification, sendOnce } from "./job.ts";
import * as naive from "./naive.ts";

const mailerOf = (provider: Provider): Mailer => ({ send: async ({ id }, key) => provider.do(key, `mail ${id}`) });
const noticeOf = (id: string) => ({ id, to: "ann@example.com", text: "It is on its way" });

describeWorlds("send-notification", (world) => {
  it("naive: a crash after the insert leaves it in processing for ever, and nothing is sent", async () => {
    const provider = new Provider();
    const { reached, pass } = grave();
    void naive.sendNotification(world.db, mailerOf(provider), noticeOf("n-1"), pass);
    await reached;
    for (let run = 0; run < 3; run++)
      expect(await naive.sendNotification(world.db, mailerOf(provider), noticeOf("n-1"))).toBe("in progress");
    expect(provider.calls).toEqual([]);
  });

  it.each(["before", "after"] as const)(
    "a crash %s the sending: the next one takes over, one mail is sent",
    async (when) => {
      const provider = new Provider();
      const notice = noticeOf(`${world.namespace} n-1`);
      const doomed = mortalAdapter(world.adapter);
      const { reached, pass } = grave();
      const dying: Mailer = {
        async send(it, key) {
          if (when === "after") await mailerOf(provider).send(it, key);
          doomed.kill();
          await pass();
          return "never";
        },
      };
      void sendOnce(participant("shop", doomed.adapter), dying, "1s")(notice);
      await reached;
      expect(await sendOnce(world.shop, mailerOf(provider), "1s")(notice)).toBe("receipt 1");
      expect(provider.calls.length).toBe(when === "after" ? 2 : 1);
      expect([...provider.effects.values()]).toEqual([`mail ${notice.id}`]);
    },
  );

  it("killed at any point, started twice and asked again, one mail is sent for a notice", async () => {
    const provider = new Provider();
    const job = sendNotification(world.shop, mailerOf(provider), "1s");
    await crashEverywhere(world, {
      jobs: [job],
      act: (app, id) => Promise.all([1, 2].map(async () => (await app.start(job, noticeOf(id))).result())),
      check: (id) =>
        expect([...provider.effects.values()].filter((what) => what === `mail ${id}`)).toEqual([`mail ${id}`]),
    });
  });
});
