// One executor's job calls another executor's service over HTTP, through a network that repeats, loses and delays. The
// service has no engine: a database of its own, a handler for each call, and the barrier.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { fromHeaders, job, type StepInfo } from "makegood";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { type AnyBook, describeEngine } from "./harness.ts";

const Id = z.object({ id: z.string() });
const quick = { maxAttempts: 3, backoff: { initial: 1, max: 2 } } as const;

/** What the network does with a call: how often it arrives, when, and whether the caller hears the answer. */
interface Weather {
  readonly times?: number;
  readonly loseReplies?: number;
  /** The first so many calls of this path stay in the air until `land()`. */
  readonly delayed?: string;
}

class Network {
  readonly #url: string;
  readonly #weather: Weather;
  #lost = 0;
  #held: (() => Promise<Response>) | null = null;

  constructor(url: string, weather: Weather) {
    this.#url = url;
    this.#weather = weather;
  }

  async call(path: string, step: StepInfo): Promise<string> {
    const send = () => fetch(this.#url + path, { method: "POST", headers: step.headers() });
    const { times = 1, loseReplies = 0, delayed } = this.#weather;
    if (delayed === path && this.#held === null) {
      this.#held = send;
      throw new Error("no answer in time");
    }
    let response = await send();
    for (let sent = 1; sent < times; sent++) response = await send();
    if (this.#lost++ < loseReplies) throw new Error("the reply was lost");
    if (!response.ok) throw new Error(`answered ${response.status}`);
    return response.text();
  }

  /** What was in the air arrives, so often. */
  async land(times: number): Promise<number[]> {
    if (this.#held === null) throw new Error("nothing is in the air");
    const statuses: number[] = [];
    for (let sent = 0; sent < times; sent++) statuses.push((await this.#held()).status);
    return statuses;
  }
}

/** A handler as a user writes it: one transaction, one barrier, one answer. */
async function handle(book: AnyBook, request: IncomingMessage): Promise<{ status: number; text: string }> {
  const call = fromHeaders(request);
  const path = request.url ?? "";
  const tx = await book.raw.begin();
  try {
    const done = await book.on.barrier(tx, call, (origin: unknown) => {
      const what = origin === undefined ? path : `${path} of ${origin}`;
      const added: unknown = book.add(tx, what);
      return added instanceof Promise ? added.then(() => `receipt ${path}`) : `receipt ${path}`;
    });
    await book.raw.commit(tx);
    return done.kind === "blocked" ? { status: 409, text: "undone before" } : { status: 200, text: done.result ?? "" };
  } catch (error) {
    await book.raw.rollback(tx);
    throw error;
  }
}

const servers: (() => void)[] = [];
afterEach(() => {
  for (const close of servers.splice(0)) close();
});

async function serve(book: AnyBook): Promise<string> {
  const server = createServer((request, response) => {
    handle(book, request).then(
      ({ status, text }) => response.writeHead(status).end(text),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Takes stock at the service, then fails, so that it is given back. */
const takeThenFail = (network: Network) =>
  job("take-then-fail", { input: Id, key: ({ id }) => id, retry: quick }, async (ctx) => {
    await ctx.step("take stock", {
      run: (step) => network.call("/take", step),
      compensate: (undo) => network.call("/give-back", undo),
      retry: { ...quick, maxAttempts: 1 },
    });
    throw new Error("the next step failed");
  });

const take = (network: Network) =>
  job("take", { input: Id, key: ({ id }) => id, retry: quick }, (ctx) =>
    ctx.step("take stock", {
      run: (step) => network.call("/take", step),
      compensate: (undo) => network.call("/give-back", undo),
      retry: quick,
    }),
  );

const reserve = (network: Network, fails: boolean) =>
  job("reserve", { input: Id, key: ({ id }) => id, retry: quick }, async (ctx) => {
    await ctx.tcc("freeze", {
      try: (step) => network.call("/freeze", step),
      confirm: (step) => network.call("/settle", step),
      cancel: (step) => network.call("/release", step),
    });
    if (fails) throw new Error("no");
  });

describeEngine("a service behind the barrier", (newScene) => {
  const open = async (weather: Weather) => {
    const scene = newScene();
    const book = await scene.far();
    return { scene, book, network: new Network(await serve(book), weather) };
  };

  describe.each([
    ["once", 1],
    ["twice", 2],
  ])("with every call arriving %s", (_word, times) => {
    it("takes effect once although the reply is lost, and answers the repeat as it did the first call", async () => {
      const { scene, book, network } = await open({ times, loseReplies: 2 });
      const work = take(network);
      const app = scene.app({}, work);
      await app.run();
      expect(await (await app.start(work, { id: "1" })).result()).toBe("receipt /take");
      expect(await book.read()).toEqual(["/take"]);
    });

    it("gives back what was taken, with the receipt of the taking, once", async () => {
      const { scene, book, network } = await open({ times });
      const work = takeThenFail(network);
      const app = scene.app({}, work);
      await app.run();
      expect((await (await app.start(work, { id: "1" })).outcome()).state).toBe("compensated");
      expect(await book.read()).toEqual(["/take", "/give-back of receipt /take"]);
    });

    it("does nothing when the compensation comes first, and refuses the action that comes after it", async () => {
      const { scene, book, network } = await open({ times, delayed: "/take" });
      const work = takeThenFail(network);
      const app = scene.app({}, work);
      await app.run();
      expect((await (await app.start(work, { id: "1" })).outcome()).state).toBe("compensated");
      expect(await network.land(times)).toEqual(Array(times).fill(409));
      expect(await book.read()).toEqual([]);
    });

    it("confirms once after the try, and cancels once instead where the job fails", async () => {
      const { scene, book, network } = await open({ times });
      const [good, bad] = [reserve(network, false), { ...reserve(network, true), name: "reserve-and-fail" }];
      const app = scene.app({}, good, bad);
      await app.run();
      await (await app.start(good, { id: "1" })).outcome();
      await (await app.start(bad, { id: "2" })).outcome();
      expect(await book.read()).toEqual([
        "/freeze",
        "/settle of receipt /freeze",
        "/freeze",
        "/release of receipt /freeze",
      ]);
    });

    it("refuses the try that arrives after its cancel", async () => {
      const { scene, book, network } = await open({ times, delayed: "/freeze" });
      const work = {
        ...reserve(network, false),
        options: { ...reserve(network, false).options, retry: { maxAttempts: 1 } },
      };
      const app = scene.app({}, work);
      await app.run();
      expect((await (await app.start(work, { id: "1" })).outcome()).state).toBe("compensated");
      expect(await network.land(times)).toEqual(Array(times).fill(409));
      expect(await book.read()).toEqual([]);
    });
  });
});
