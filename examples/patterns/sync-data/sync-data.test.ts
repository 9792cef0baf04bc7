import { setTimeout as wait } from "node:timers/promises";
import { participant } from "makegood";
import { beforeEach, expect, it } from "vitest";
import { crashEverywhere, mortalAdapter } from "../testing/crash.ts";
import { gate, type Pause } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { type Source, syncData, syncOnce, writeFeed } from "./job.ts";
import * as naive from "./naive.ts";

/** Counts how often it is read. `before`: what the reading waits for. */
function sourceOf(body: string, before?: Pause): Source & { readCount: number } {
  const source = {
    readCount: 0,
    async read(day: string) {
      source.readCount++;
      await before?.();
      return `${day} ${body}`;
    },
  };
  return source;
}

describeWorlds("sync-data", (world) => {
  const bodyOf = async (name: string) =>
    (await world.db.selectFrom("feeds").select("body").where("name", "=", name).executeTakeFirst())?.body;
  const insertFeed = (name: string) => world.db.insertInto("feeds").values({ name, body: "", fence: 0 }).execute();
  beforeEach(() => insertFeed("prices"));

  it("naive: work that takes longer than the lease runs beside its successor, and overwrites it with older data", async () => {
    const { db } = world;
    const { reached, pass, open } = gate();
    const first = naive.syncData(db, sourceOf("old", pass), "prices", "Monday", "one", 0);
    await reached;
    expect(await naive.syncData(db, sourceOf("new"), "prices", "Monday", "two", 31)).toBe("synced");
    open();
    await first;
    expect(await bodyOf("prices")).toBe("Monday old");
  });

  it("naive: who waited for the lock does the work again", async () => {
    const source = sourceOf("same");
    for (const owner of ["one", "two"]) await naive.syncData(world.db, source, "prices", "Monday", owner, 0);
    expect(source.readCount).toBe(2);
  });

  it("work that takes longer than the lease keeps the lock, and who waits for it has nothing left to do", async () => {
    const { shop, db } = world;
    const feed = `${world.namespace} long`;
    await insertFeed(feed);
    const request = { feed, day: "Monday", lease: "1s" } as const;
    const { reached, pass, open } = gate();
    const source = sourceOf("same", pass);
    const first = syncOnce(shop, db, source, request);
    await reached;
    await wait(1_500);
    expect((await syncOnce(shop, db, source, { ...request, wait: 0 })).kind).toBe("not-acquired");
    const second = syncOnce(shop, db, source, request);
    open();
    expect([(await first).kind, (await second).kind]).toEqual(["done", "unneeded"]);
    expect(source.readCount).toBe(1);
  });

  it("one that froze and was overtaken writes nothing, whether it asks or not", async () => {
    const { shop, db } = world;
    const feed = `${world.namespace} frozen`;
    await insertFeed(feed);
    const request = { feed, day: "Monday", lease: "1s" } as const;
    const frozen = mortalAdapter(world.adapter);
    const { reached, pass, open } = gate();
    const first = syncOnce(participant("shop", frozen.adapter), db, sourceOf("old", pass), request);
    first.catch(() => undefined);
    await reached;
    frozen.kill();
    expect((await syncOnce(shop, db, sourceOf("new"), request)).kind).toBe("done");
    frozen.revive();
    open();
    await expect(first).rejects.toMatchObject({ code: "LOCK_LOST" });
    // Had it slept between the question and the write: the fence of its time is smaller.
    expect(await writeFeed(db, feed, "Monday old", 1)).toBe(false);
    expect(await bodyOf(feed)).toBe("Monday new");
  });

  it("killed at any point and asked again, beside another run, the feed is there", async () => {
    const { shop, db } = world;
    const source = sourceOf("same");
    const job = syncData(shop, db, source);
    await crashEverywhere(world, {
      jobs: [job],
      prepare: insertFeed,
      act: (app, feed) =>
        Promise.all(
          [1, 2].map(async (n) => (await app.start(job, { runId: `${feed} ${n}`, feed, day: "Monday" })).result()),
        ),
      check: async (feed) => expect(await bodyOf(feed)).toBe("Monday same"),
    });
  });
});
