import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { newId, record, Scene, until } from "../testing/scene.ts";
import { type OpenStore, openStore } from "./testing/store.ts";

describeWithPostgres("announcements", (database) => {
  let here: OpenStore;
  let there: OpenStore;
  beforeAll(async () => {
    here = await openStore(database.url);
    there = await openStore(database.url);
  });
  afterAll(() => Promise.all([here?.close(), there?.close()]));

  /** Listens, and waits until it does. */
  async function listening(store: OpenStore["store"], namespace: string) {
    const heard: (string | null)[] = [];
    const stop = store.listen(namespace, (execution) => heard.push(execution));
    await until("the listener", async () => (heard.length > 0 ? true : undefined));
    return { heard, stop };
  }

  /** After it a commit may carry news. */
  const quietMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

  it("a listener is told to look once when it begins to hear", async () => {
    const { heard, stop } = await listening(there.store, "begins");
    expect(heard).toEqual([null]);
    stop();
  });

  it("what is announced within a moment comes as one notification, each news once", async () => {
    const { heard, stop } = await listening(there.store, "coalesced");
    const counted = await here.pool.connect();
    let payloads = 0;
    counted.on("notification", () => void payloads++);
    await counted.query("LISTEN makegood");
    const ids = Array.from({ length: 100 }, newId);
    for (const id of [...ids, ...ids]) here.store.announce("coalesced", id);
    here.store.announce("coalesced", null);
    await until("all news", async () => (heard.length > 100 ? true : undefined));
    await counted.query("UNLISTEN makegood");
    expect(payloads).toBe(1);
    expect(new Set(heard.slice(1))).toEqual(new Set([...ids, null]));
    expect(heard).toHaveLength(102);
    counted.release(true);
    stop();
  });

  it("work that is started after a quiet moment is announced by its own commit, later work is not", async () => {
    const scene = new Scene(here.store);
    const { heard, stop } = await listening(there.store, scene.namespace);
    await quietMoment();
    const start = async (given = {}) => {
      const { starts } = await here.store.executions.commit([scene.execution(given), scene.execution(given)], []);
      return starts.map((outcome) => outcome.kind === "started" && outcome.isAnnounced);
    };
    const { id } = await scene.worker();
    expect(await start({ claimFor: id })).toEqual([false, false]);
    expect(await start()).toEqual([true, true]);
    expect(await start()).toEqual([false, false]);
    await until("the news", async () => (heard.length > 1 ? true : undefined));
    expect(heard).toEqual([null, null]);
    stop();
  });

  it("a commit with news in it lands its writes, too, and tells each namespace", async () => {
    const scenes = [new Scene(here.store), new Scene(here.store)];
    const heard = await Promise.all(scenes.map(({ namespace }) => listening(there.store, namespace)));
    const [scene] = scenes as [Scene];
    const lease = await scene.running(await scene.worker());
    await quietMoment();
    const outcomes = await here.store.executions.commit(
      scenes.map((one) => one.execution()),
      [{ lease, direction: "forward", records: [record("one")] }],
    );
    expect(outcomes).toMatchObject({
      starts: [{ isAnnounced: true }, { isAnnounced: true }],
      writes: [{ kind: "done" }],
    });
    for (const one of heard) {
      await until("the news", async () => (one.heard.length > 1 ? true : undefined));
      one.stop();
    }
  });

  it("a store does not hear itself", async () => {
    const mine = await listening(here.store, "self");
    const others = await listening(there.store, "self");
    here.store.announce("self", null);
    await until("the other to hear", async () => (others.heard.length > 1 ? true : undefined));
    there.store.announce("self", null);
    await until("this one to hear the other", async () => (mine.heard.length > 1 ? true : undefined));
    expect(mine.heard).toEqual([null, null]);
    mine.stop();
    others.stop();
  });

  it("a listener whose connection the server ends connects anew, and is told to look", async () => {
    const { heard, stop } = await listening(there.store, "ended");
    await here.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN makegood'",
    );
    await until("it to hear again", async () => (heard.length > 1 ? true : undefined));
    const id = newId();
    here.store.announce("ended", id);
    await until("the news", async () => (heard.includes(id) ? true : undefined));
    stop();
  });

  it("what others say on the channel is ignored", async () => {
    const { heard, stop } = await listening(there.store, "strange");
    for (const said of ["", "hello", "[1,2]", '["x"]', '{"a":1}', "null"])
      await here.pool.query("SELECT pg_notify('makegood', $1)", [said]);
    here.store.announce("strange", null);
    await until("the one that counts", async () => (heard.length > 1 ? true : undefined));
    expect(heard).toEqual([null, null]);
    stop();
  });
});
