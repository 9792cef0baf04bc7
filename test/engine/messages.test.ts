import { setTimeout as wait } from "node:timers/promises";
import { type App, job, onMessage, type Schema, topic } from "makegood";
import { expect, it, vi } from "vitest";
import { type AnyBook, describeEngine, logged } from "./harness.ts";

const id: Schema<{ id: string }, { id: string }> = {
  "~standard": {
    version: 1,
    vendor: "makegood-test",
    validate: (value) =>
      typeof (value as { id?: unknown })?.id === "string" ? { value } : { issues: [{ message: "no id" }] },
  },
};
const placed = topic("order.placed", id);
const until = (isSo: () => unknown, timeout = 10_000) => vi.waitUntil(isSo, { timeout, interval: 5 });
// biome-ignore lint/suspicious/noExplicitAny: synchronous and asynchronous clients behind one face
type Any = any;

/** Publishes in a transaction of its own, together with an entry in the book. */
function publishIn(book: AnyBook, payload: { id: string }, options?: object): Promise<string> {
  const publish = (tx: Any): Any => book.on.publish(tx, placed, payload, options);
  return inTransaction(book, (tx) => {
    const added = book.add(tx, payload.id);
    return book.on.mode === "sync" ? publish(tx) : added.then(() => publish(tx));
  });
}

/** The participant's own way to a transaction that commits by itself. */
async function inTransaction(book: AnyBook, body: (tx: Any) => Any): Promise<Any> {
  const outcome = await book.on.port.own(body, () => silent);
  if (outcome.kind !== "committed") throw outcome.error;
  return outcome.result;
}
const silent = { next: () => ({ done: true, value: "done" }) };

describeEngine("messages", (scene) => {
  it("start every job that subscribes once, from a participant in the engine's own database and from another one", async () => {
    const here = scene();
    for (const book of [await here.own(), await here.far()]) {
      const seen: string[] = [];
      const award = job(
        "award",
        { input: id, on: [onMessage(placed)] },
        (_ctx, { id: order }) => void seen.push(`award ${order}`),
      );
      const mail = job(
        "mail",
        { on: [onMessage(placed, { input: ({ headers, payload }) => `${headers["to"]} ${payload.id}` })] } as Any,
        (_ctx, text) => void seen.push(`mail ${text}`),
      );
      const app = here.app({ participants: [book.on], namespace: book.on.name }, award, mail);
      await app.run();
      for (let n = 0; n < 20; n++) await publishIn(book, { id: `${n}` }, { headers: { to: "ann" } });
      await until(() => seen.length >= 40);
      await wait(60);
      expect(seen.sort()).toEqual(
        Array.from({ length: 20 }, (_, n) => [`award ${n}`, `mail ann ${n}`])
          .flat()
          .sort(),
      );
      expect(await app.messages.stuck()).toEqual([]);
      await app.stop();
    }
  });

  it("are started once per business key where the job has one, however often they are published", async () => {
    const here = scene();
    const book = await here.far();
    const seen: string[] = [];
    const award = job(
      "award",
      { input: id, key: (it) => it.id, on: [onMessage(placed)] },
      (_ctx, it) => void seen.push(it.id),
    );
    const app = here.app({ participants: [book.on] }, award);
    await app.run();
    for (let n = 0; n < 5; n++) await publishIn(book, { id: "A" });
    await publishIn(book, { id: "B" });
    await until(() => seen.includes("B"));
    expect(seen.sort()).toEqual(["A", "B"]);
  });

  it("wait for a subscriber that only another process has", async () => {
    const here = scene();
    const book = await here.far();
    const seen: string[] = [];
    const award = job("award", { input: id, on: [onMessage(placed)] }, () => void seen.push("award"));
    const mail = job("mail", { input: id, on: [onMessage(placed)] }, () => void seen.push("mail"));
    const [one, two] = [here.app({ participants: [book.on] }, award), here.app({ participants: [book.on] }, mail)];
    await two.run();
    await publishIn(book, { id: "warm up" });
    await until(() => seen.includes("mail"));
    await two.stop();
    await one.run();
    await publishIn(book, { id: "1" });
    await until(() => seen.includes("award"));
    expect(seen).toEqual(["mail", "award"]);
    const three = here.app({ participants: [book.on] }, mail);
    await three.run();
    await until(() => seen.length === 3);
    expect(seen).toEqual(["mail", "award", "mail"]);
  });

  it("of one key come one after another, and the next only when the one before has completed", async () => {
    const here = scene();
    const book = await here.far();
    const [running, seen] = [new Set<string>(), [] as string[]];
    const ship = job("ship", { input: id, on: [onMessage(placed)] }, async (_ctx, it) => {
      expect(running.has(it.id[0] ?? "")).toBe(false);
      running.add(it.id[0] ?? "");
      await wait(2);
      running.delete(it.id[0] ?? "");
      seen.push(it.id);
    });
    const apps = [1, 2, 3].map((n) => here.app({ participants: [book.on], workerName: `${n}` }, ship));
    await Promise.all(apps.map((app) => app.run()));
    for (let n = 0; n < 8; n++)
      for (const key of ["a", "b", "c"]) await publishIn(book, { id: `${key}${n}` }, { orderingKey: key });
    await until(() => seen.length === 24, 25_000);
    for (const key of ["a", "b", "c"])
      expect(seen.filter((one) => one.startsWith(key))).toEqual(Array.from({ length: 8 }, (_, n) => `${key}${n}`));
  }, 30_000);

  it("of one key stop behind one that failed, until it is retried or skipped", async () => {
    const here = scene();
    const book = await here.far();
    const seen: string[] = [];
    const broken = new Set(["bad 1", "bad 3"]);
    const ship = job("ship", { input: id, onFailure: "compensate", on: [onMessage(placed)] }, (_ctx, it) => {
      if (broken.has(it.id)) throw Object.assign(new Error("no stock"), { code: "NO_STOCK" });
      seen.push(it.id);
    });
    const app = here.app({ participants: [book.on] }, ship);
    await app.run();
    for (const one of ["bad 1", "2", "bad 3", "4"]) await publishIn(book, { id: one }, { orderingKey: "A" });
    await publishIn(book, { id: "other" }, { orderingKey: "B" });
    const blocked = async () => (await app.messages.stuck())[0];
    await until(async () => (await blocked()) !== undefined && seen.length > 0);
    expect(seen).toEqual(["other"]);
    const first = await blocked();
    expect(first).toMatchObject({ status: "blocked", orderingKey: "A", error: { code: "MESSAGE_BLOCKED" } });
    expect(logged.some(([message]) => message.startsWith("message blocks its ordering key"))).toBe(true);
    broken.delete("bad 1");
    await app.messages.retry(first as Any, { actor: { kind: "user", id: "ann" } });
    await until(async () => ![undefined, first?.id].includes((await blocked())?.id), 15_000);
    expect(seen).toEqual(["other", "bad 1", "2"]);
    const second = (await blocked()) as Any;
    await app.messages.skip(second, { actor: { kind: "user", id: "ann" }, note: "was shipped by hand" });
    await until(() => seen.length === 4);
    expect(seen).toEqual(["other", "bad 1", "2", "4"]);
    await expect(app.messages.skip(second)).rejects.toMatchObject({ code: "MESSAGE_UNKNOWN" });
  }, 60_000);

  it("that no job can take are set aside with the error, and delivered when a person retries them", async () => {
    const here = scene();
    const book = await here.far();
    const seen: string[] = [];
    let isStrict = true;
    const strict: Schema<{ id: string }, { id: string }> = {
      "~standard": {
        version: 1,
        vendor: "makegood-test",
        validate: (value) => (isStrict ? { issues: [{ message: "too strict" }] } : { value: value as { id: string } }),
      },
    };
    const award = job("award", { input: strict, on: [onMessage(placed)] }, (_ctx, it) => void seen.push(it.id));
    const app = here.app({ participants: [book.on] }, award);
    await app.run();
    await publishIn(book, { id: "1" });
    await until(async () => (await app.messages.stuck()).length === 1);
    const [dead] = await app.messages.stuck();
    expect(dead).toMatchObject({
      participant: "far",
      topic: "order.placed",
      status: "dead",
      error: { code: "INPUT_INVALID" },
    });
    isStrict = false;
    await app.messages.retry(dead as Any);
    await until(() => seen.length === 1);
    expect(await app.messages.stuck()).toEqual([]);
  });

  it("are tried again when a function of the job throws", async () => {
    const here = scene();
    const book = await here.far();
    let calls = 0;
    const seen: string[] = [];
    const award = job(
      "award",
      {
        input: id,
        on: [
          onMessage(placed, {
            input: ({ payload }) => {
              if (++calls === 1) throw new Error("not yet");
              return { id: payload.id };
            },
          }),
        ],
      },
      (_ctx, it) => void seen.push(it.id),
    );
    const app = here.app({ participants: [book.on] }, award);
    await app.run();
    await publishIn(book, { id: "1" });
    await until(() => seen.length === 1);
    expect([calls, seen]).toEqual([2, ["1"]]);
  });

  it("of a transaction that rolled back never start anything", async () => {
    const here = scene();
    const book = await here.far();
    const seen: string[] = [];
    const award = job("award", { input: id, on: [onMessage(placed)] }, (_ctx, it) => void seen.push(it.id));
    const app = here.app({ participants: [book.on] }, award);
    await app.run();
    const tx = await book.raw.begin();
    await book.on.publish(tx, placed, { id: "lost" });
    await book.raw.rollback(tx);
    await publishIn(book, { id: "kept" });
    await until(() => seen.length > 0);
    await wait(100);
    expect(seen).toEqual(["kept"]);
    expect(await book.read()).toEqual(["kept"]);
  });
});

describeEngine("starts in another database", (scene) => {
  const add = job("add", { input: id, key: (it) => it.id }, (_ctx, it) => it.id);

  const startIn = async (app: App, book: AnyBook, order: string, end: "commit" | "rollback", options = {}) => {
    const tx = await book.raw.begin();
    try {
      const execution = await app.start(add, { id: order }, { in: [book.on, tx] as never, ...options });
      await book.raw[end](tx);
      return execution;
    } catch (error) {
      await book.raw.rollback(tx);
      throw error;
    }
  };

  it("go through its outbox: they exist if and only if the transaction commits", async () => {
    const here = scene();
    const book = await here.far();
    const app = here.app({ participants: [book.on] }, add);
    await app.run();
    const lost = await startIn(app, book, "lost", "rollback");
    const kept = await startIn(app, book, "kept", "commit");
    expect(await kept.result()).toBe("kept");
    expect(await app.find(kept.id)).toMatchObject({ key: "kept", state: "completed" });
    expect(await app.find(lost.id)).toBeNull();
    await expect(lost.result({ signal: AbortSignal.timeout(50) })).rejects.toThrow();
  });

  it("answer an existing key as a start here does", async () => {
    const here = scene();
    const book = await here.far();
    const app = here.app({ participants: [book.on] }, add);
    await app.run();
    const first = await app.start(add, { id: "A" });
    await first.result();
    expect(await startIn(app, book, "A", "commit")).toMatchObject({ id: first.id, isNew: false });
    await expect(startIn(app, book, "A", "commit", { ifExists: "refuse" })).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
    // Two that do not know of each other: one execution, and both wait for it.
    const [one, two] = [await startIn(app, book, "B", "commit"), await startIn(app, book, "B", "commit")];
    expect([await one.result(), await two.result()]).toEqual(["B", "B"]);
    expect((await app.list({ key: "B" })).length).toBe(1);
  });

  it("are refused where no relay would bring them", async () => {
    const here = scene();
    const book = await here.far();
    const app = here.app({}, add);
    await app.run();
    await expect(startIn(app, book, "A", "commit")).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });
});
