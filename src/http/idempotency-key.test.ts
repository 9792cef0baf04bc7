// The same claims for each framework, over real loopback HTTP.
import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { Controller, type MiddlewareConsumer, Module, Post, Req, Res } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import express from "express";
import fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { Hono } from "hono";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithOwnRedis } from "../../test/services/describe.ts";
import { silentLog } from "../core/ports.ts";
import { nodeSqlite } from "../participant/adapters/node-sqlite.ts";
import { participant } from "../participant/participant.ts";
import type { IdempotentRun } from "../participant/record/idempotent.ts";
import { createMarkers, type Markers, recordsOf } from "../participant/record/markers.ts";
import { redisMarkers } from "../participant/record/redis/markers.ts";
import { settleRecord } from "../participant/record/settle.ts";
import type { IdempotencyKeyOptions } from "./exchange.ts";
import { idempotencyKeyExpress, idempotencyKeyNest } from "./express.ts";
import { idempotencyKeyFastify } from "./fastify.ts";
import { parseKey } from "./header.ts";
import { idempotencyKeyHono } from "./hono.ts";
import { idempotentRunOf } from "./run-of.ts";

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}
type Handler = (body: unknown, run: IdempotentRun | undefined) => Promise<Answer> | Answer;
type Options = Omit<IdempotencyKeyOptions<never>, "scope" | "fingerprint">;
interface Served {
  readonly url: string;
  readonly close: () => Promise<unknown>;
}
/** Serves POST and GET of every path under `/` with the handler behind the middleware; the tenant is a header. */
type Serve = (options: Options, handler: Handler) => Promise<Served>;

const listen = (server: Server): Promise<Served> =>
  new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      const close = () => {
        server.closeAllConnections();
        return new Promise((closed) => server.close(closed));
      };
      resolve({ url: `http://127.0.0.1:${port}`, close });
    }),
  );

const serveExpress: Serve = (options, handler) => {
  const app = express();
  const scope = (req: express.Request): string => req.get("x-tenant") ?? "none";
  const key = idempotencyKeyExpress<express.Request, express.Response>({ ...options, scope });
  app.all("/{*path}", express.json(), express.raw(), key, async (req, res) => {
    const { status, headers = {}, body } = await handler(req.body, idempotentRunOf(req));
    res.status(status).set(headers);
    if (body === undefined) res.end();
    else res.send(typeof body === "string" ? body : Buffer.from(body));
  });
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
    res.status(500).json({ error: "thrown" });
  });
  return listen(createServer(app));
};

const serveFastify: Serve = async (options, handler) => {
  const app = fastify();
  const scope = (request: { readonly headers: Readonly<Record<string, unknown>> }): string =>
    String(request.headers["x-tenant"] ?? "none");
  app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) =>
    done(null, body),
  );
  await app.register(idempotencyKeyFastify({ ...options, scope }));
  app.all("/*", async (request, reply) => {
    const { status, headers = {}, body } = await handler(request.body, idempotentRunOf(request));
    reply.code(status).headers(headers);
    return reply.send(body === undefined ? undefined : typeof body === "string" ? body : Buffer.from(body));
  });
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  return { url, close: () => app.close() };
};

const serveHono: Serve = (options, handler) => {
  const app = new Hono();
  const key = idempotencyKeyHono({ ...options, scope: (c) => c.req.header("x-tenant") ?? "none" });
  app.all("*", key, async (c) => {
    const text = c.req.method === "GET" ? "" : await c.req.text();
    const isJson = c.req.header("content-type") === "application/json";
    const { status, headers = {}, body } = await handler(isJson ? JSON.parse(text) : text, idempotentRunOf(c.req.raw));
    return new Response((body as string | undefined) ?? null, { status, headers });
  });
  app.onError((_error, c) => c.json({ error: "thrown" }, 500));
  return listen(createServer(fetchListener((request) => app.fetch(request))));
};

/** What a server package for fetch handlers does. */
function fetchListener(handle: (request: Request) => Response | Promise<Response>): Parameters<typeof createServer>[1] {
  return async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = req.method === "GET" ? {} : { body: Buffer.concat(chunks) };
    const headers = new Headers(Object.entries(req.headers) as [string, string][]);
    const response = await handle(
      new Request(`http://localhost${req.url}`, { method: req.method ?? "GET", headers, ...body }),
    );
    res.writeHead(response.status, [...response.headers].flat());
    if (response.body !== null) for await (const chunk of response.body) res.write(chunk);
    res.end();
  };
}

/** A controller of one route, whose decorators are calls: the tests' TypeScript is erased, and so has none. */
function paymentsOf<Request, Response>(
  path: string,
  answer: (req: Request, res: Response) => Promise<void>,
): abstract new () => unknown {
  class Payments {
    all(req: Request, res: Response): Promise<void> {
      return answer(req, res);
    }
  }
  const { prototype } = Payments;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, "all") as PropertyDescriptor;
  Req()(prototype, "all", 0);
  Res()(prototype, "all", 1);
  Reflect.defineMetadata("design:paramtypes", [Object, Object], prototype, "all");
  Post(path)(prototype, "all", descriptor);
  Controller()(Payments);
  return Payments;
}

const serveNest: Serve = async (options, handler) => {
  const Payments = paymentsOf("*path", async (req: express.Request, res: express.Response) => {
    const { status, headers = {}, body } = await handler(req.body, idempotentRunOf(req));
    res.status(status).set(headers);
    if (body === undefined) res.end();
    else res.send(typeof body === "string" ? body : Buffer.from(body));
  });
  class App {
    configure(consumer: MiddlewareConsumer): void {
      const scope = (req: express.Request): string => req.get("x-tenant") ?? "none";
      consumer
        .apply(express.raw(), idempotencyKeyNest<express.Request, express.Response>({ ...options, scope }))
        .forRoutes(Payments as never);
    }
  }
  Module({ controllers: [Payments as never] })(App);
  const app = await NestFactory.create(App, { logger: false });
  await app.listen(0, "127.0.0.1");
  return { url: await app.getUrl(), close: () => app.close() };
};

const serveNestOnFastify: Serve = async (options, handler) => {
  const Payments = paymentsOf("*", async (request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers = {}, body } = await handler(request.body, idempotentRunOf(request));
    reply.code(status).headers(headers);
    await reply.send(body === undefined ? undefined : typeof body === "string" ? body : Buffer.from(body));
  });
  const scope = (request: FastifyRequest): string => String(request.headers["x-tenant"] ?? "none");
  return listenNestOnFastify(class {}, Payments, async (app) => {
    app.useBodyParser("application/octet-stream", {}, (_request, body, done) => done(null, body));
    await app.register(idempotencyKeyFastify({ ...options, scope }));
  });
};

async function listenNestOnFastify(
  App: new () => object,
  Controlling: ReturnType<typeof paymentsOf>,
  prepare: (app: NestFastifyApplication) => Promise<void>,
): Promise<Served> {
  Module({ controllers: [Controlling as never] })(App);
  const app = await NestFactory.create<NestFastifyApplication>(App, new FastifyAdapter(), { logger: false });
  await prepare(app);
  await app.listen(0, "127.0.0.1");
  return { url: await app.getUrl(), close: () => app.close() };
}

const frameworks: Readonly<Record<string, Serve>> = {
  Express: serveExpress,
  Fastify: serveFastify,
  Hono: serveHono,
  NestJS: serveNest,
  "NestJS on Fastify": serveNestOnFastify,
};

// ── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Sent {
  readonly key?: string;
  readonly tenant?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
}

async function post({ url }: Served, { key, tenant = "acme", path = "/payments", body = { cents: 7 }, bytes }: Sent) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: {
      "content-type": bytes === undefined ? "application/json" : "application/octet-stream",
      "x-tenant": tenant,
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    body: bytes === undefined ? JSON.stringify(body) : Buffer.from(bytes),
  });
  const content = Buffer.from(await response.arrayBuffer());
  const text = content.toString();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return {
    status: response.status,
    headers: response.headers,
    isReplayed: response.headers.get("idempotent-replayed") === "true",
    content,
    text,
    json: isJson ? (JSON.parse(text) as Record<string, unknown>) : undefined,
  };
}

const json = (status: number, body: unknown, headers = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});
const newKey = (): string => `"${randomUUID()}"`;

async function openOrders() {
  const orders = participant("orders", nodeSqlite(new DatabaseSync(":memory:")), { log: silentLog });
  await orders.migrate();
  return orders;
}

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`Idempotency-Key with ${name}`, () => {
    let orders: Awaited<ReturnType<typeof openOrders>>;
    const open: Served[] = [];
    beforeAll(async () => {
      orders = await openOrders();
    });
    afterAll(() => Promise.all(open.map(({ close }) => close())));

    let runs = 0;
    const start = async (handler: Handler, options: Partial<Options> = {}): Promise<Served> => {
      runs = 0;
      const counting: Handler = (body, run) => {
        runs++;
        return handler(body, run);
      };
      const served = await serve({ on: orders, ...options }, counting);
      open.push(served);
      return served;
    };

    it("runs the handler once, and replays status, headers and body", async () => {
      const headers = { location: "/payments/1", "set-cookie": "session=1", "x-rate": "9", "x-trace": "t" };
      const served = await start(() => json(201, { id: "p-1", ü: "ö" }, headers), { headers: ["X-Rate"] });
      const key = newKey();
      const first = await post(served, { key });
      expect([first.status, first.isReplayed, first.json]).toEqual([201, false, { id: "p-1", ü: "ö" }]);
      expect(first.headers.get("set-cookie")).toBe("session=1");
      for (const sent of [key, key.slice(1, -1), ` ${key};v=1 `]) {
        const again = await post(served, { key: sent });
        expect([again.status, again.isReplayed, again.text]).toEqual([201, true, first.text]);
        expect(again.headers.get("content-type")).toBe(first.headers.get("content-type"));
        expect(["location", "x-rate", "x-trace", "set-cookie"].map((header) => again.headers.get(header))).toEqual([
          "/payments/1",
          "9",
          null,
          null,
        ]);
      }
      expect(runs).toBe(1);
    });

    it("refuses a request without a key, or with a malformed one, with a problem", async () => {
      const served = await start(() => json(201, {}));
      const missing = await post(served, {});
      expect([missing.status, missing.json?.["code"]]).toEqual([400, "KEY_MISSING"]);
      expect(missing.headers.get("content-type")).toBe("application/problem+json");
      for (const key of ['"a', "a b", '""', "a, b", "x".repeat(256)]) {
        const malformed = await post(served, { key });
        expect([key, malformed.status, malformed.json?.["code"]]).toEqual([key, 400, "KEY_INVALID"]);
      }
      expect(runs).toBe(0);
    });

    it("lets requests without a key pass where none is required", async () => {
      const served = await start(() => json(201, {}), { required: false });
      for (const _ of [1, 2]) expect((await post(served, {})).status).toBe(201);
      expect(runs).toBe(2);
    });

    it("another payload or path under the same key is 422; another tenant's key is another", async () => {
      const served = await start((body) => json(201, body));
      const key = newKey();
      expect((await post(served, { key })).status).toBe(201);
      for (const sent of [{ body: { cents: 8 } }, { path: "/refunds" }, { path: "/payments?a=1" }]) {
        const other = await post(served, { key, ...sent });
        expect([other.status, other.json?.["code"]]).toEqual([422, "KEY_INPUT_MISMATCH"]);
      }
      const otherTenant = await post(served, { key, tenant: "other", body: { cents: 8 } });
      expect([otherTenant.status, otherTenant.isReplayed, otherTenant.json]).toEqual([201, false, { cents: 8 }]);
      expect(runs).toBe(2);
    });

    it("of twenty at once one runs; the others are 409 with Retry-After, and replays when it is done", async () => {
      let goOn = (): void => undefined;
      const mayGoOn = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const served = await start(async (_, run) => {
        await mayGoOn;
        return json(201, { run: run?.attempt });
      });
      const key = newKey();
      let refusedCount = 0;
      const requests = Array.from({ length: 20 }, async () => {
        const answer = await post(served, { key });
        // Only when all others have been refused does the one that runs go on.
        if (answer.status === 409 && ++refusedCount === 19) goOn();
        return answer;
      });
      const answers = await Promise.all(requests);
      expect(answers.filter(({ status }) => status === 201)).toMatchObject([{ isReplayed: false, json: { run: 1 } }]);
      for (const { json: body, headers } of answers.filter(({ status }) => status === 409)) {
        expect(body?.["code"]).toBe("KEY_IN_PROGRESS");
        expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      }
      expect(runs).toBe(1);
      expect(await post(served, { key })).toMatchObject({ status: 201, isReplayed: true, json: { run: 1 } });
    });

    it("those who wait are given the answer", async () => {
      const served = await start(
        async () => {
          await wait(100);
          return json(201, { id: 1 });
        },
        { ifBusy: { wait: "10s" } },
      );
      const key = newKey();
      const answers = await Promise.all(Array.from({ length: 5 }, () => post(served, { key })));
      expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(201));
      expect(answers.filter(({ isReplayed }) => isReplayed).length).toBe(4);
      expect(runs).toBe(1);
    });

    it("a 5xx is sent and not stored: the next request runs again under the same key downstream, until a person is asked", async () => {
      const keys = new Set<string | undefined>();
      const served = await start(
        (_, run) => {
          keys.add(run?.key);
          return json(503, { attempt: run?.attempt });
        },
        { maxAttempts: 2 },
      );
      const key = newKey();
      for (const attempt of [1, 2])
        expect(await post(served, { key })).toMatchObject({ status: 503, json: { attempt } });
      expect(await post(served, { key })).toMatchObject({ status: 409, json: { code: "RECORD_MANUAL" } });
      expect([runs, keys.size]).toEqual([2, 1]);
      const at = { scope: "http:acme", key: key.slice(1, -1) };
      const result = { status: 201, headers: [["content-type", "text/plain"]], body: Buffer.from("paid") };
      await settleRecord(orders, at, { kind: "succeeded", result }, { by: { kind: "user", id: "ann" } });
      expect(await post(served, { key })).toMatchObject({ status: 201, isReplayed: true, text: "paid" });
    });

    it("a handler that throws is of unknown outcome", async () => {
      const served = await start((_, run) => {
        if (run?.attempt === 1) throw new Error("down");
        return json(201, { attempt: run?.attempt });
      });
      const key = newKey();
      expect((await post(served, { key })).status).toBe(500);
      expect(await post(served, { key })).toMatchObject({ status: 201, isReplayed: false, json: { attempt: 2 } });
    });

    it("a 4xx is stored, or released where that was asked for; a 429 always is", async () => {
      const served = await start(() => json(404, { run: runs }));
      const key = newKey();
      await post(served, { key });
      expect(await post(served, { key })).toMatchObject({ status: 404, isReplayed: true, json: { run: 1 } });
      const releasing = await start((body) => json((body as { cents: number }).cents > 0 ? 201 : 400, {}), {
        clientErrors: "release",
      });
      const second = newKey();
      expect((await post(releasing, { key: second, body: { cents: 0 } })).status).toBe(400);
      expect(await post(releasing, { key: second, body: { cents: 1 } })).toMatchObject({
        status: 201,
        isReplayed: false,
      });
      const limited = await start(() => json(runs === 1 ? 429 : 201, {}));
      const third = newKey();
      expect((await post(limited, { key: third })).status).toBe(429);
      expect(await post(limited, { key: third })).toMatchObject({ status: 201, isReplayed: false });
    });

    it("a response above the cap is sent whole, and its repeat is 409 and runs nothing", async () => {
      const served = await start(
        () => ({ status: 201, headers: { "content-type": "text/plain" }, body: "x".repeat(5_000) }),
        { maxBodyBytes: 4_000 },
      );
      const key = newKey();
      expect(await post(served, { key })).toMatchObject({ status: 201, text: "x".repeat(5_000) });
      expect(await post(served, { key })).toMatchObject({
        status: 409,
        json: { code: "RESPONSE_NOT_STORED", originalStatus: 201 },
      });
      expect(runs).toBe(1);
    });

    it("replays an empty response, and all bytes of a binary one", async () => {
      const empty = await start(() => ({ status: 204 }));
      const key = newKey();
      for (const isReplayed of [false, true])
        expect(await post(empty, { key })).toMatchObject({ status: 204, isReplayed, text: "" });
      const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const binary = await start(() => ({
        status: 200,
        headers: { "content-type": "application/octet-stream" },
        body,
      }));
      const second = newKey();
      for (const isReplayed of [false, true]) {
        const answer = await post(binary, { key: second, bytes: body });
        expect([answer.status, answer.isReplayed, [...answer.content]]).toEqual([200, isReplayed, [...body]]);
      }
      expect((await post(binary, { key: second, bytes: body.slice(1) })).status).toBe(422);
    });

    it("a request whose process died is busy until its lease is over; then it runs, as the second attempt", async () => {
      const served = await start((_, run) => json(201, { attempt: run?.attempt }));
      const key = randomUUID();
      const died = {
        scope: "http:acme",
        key,
        fingerprint: null,
        owner: "dead",
        leaseMs: 700,
        maxAttempts: 5,
        retainMs: 60_000,
      };
      expect((await recordsOf(orders, "on").claim(died)).kind).toBe("claimed");
      expect(await post(served, { key })).toMatchObject({ status: 409, json: { code: "KEY_IN_PROGRESS" } });
      await expect
        .poll(async () => post(served, { key }), { timeout: 5_000 })
        .toMatchObject({ status: 201, isReplayed: false, json: { attempt: 2 } });
      expect(await post(served, { key })).toMatchObject({ status: 201, isReplayed: true, json: { attempt: 2 } });
    });

    it("a handler that was overtaken answers 409, and not with what nobody recorded", async () => {
      const served = await start(
        async (_, run) => {
          if (run?.attempt === 1) {
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100);
            const key = "taken over";
            await expect
              .poll(() => recordsOf(orders, "on").claim({ ...rival, key }), { timeout: 5_000 })
              .toMatchObject({ kind: "claimed" });
          }
          return json(201, {});
        },
        { lease: "1s" },
      );
      const rival = {
        scope: `http:${name}`,
        fingerprint: null,
        owner: "rival",
        leaseMs: 60_000,
        maxAttempts: 5,
        retainMs: 60_000,
      };
      const answer = await post(served, { key: '"taken over"', tenant: name });
      expect(answer).toMatchObject({ status: 409, json: { code: "RECORD_LEASE_LOST" } });
    });

    it("a handler that never answers counts as unknown after its time", async () => {
      const served = await start((_, run) => (run?.attempt === 1 ? new Promise(() => undefined) : json(201, {})), {
        timeout: "50ms",
      });
      const key = newKey();
      const controller = new AbortController();
      const hanging = fetch(`${served.url}/payments`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-tenant": "acme", "idempotency-key": key },
        body: JSON.stringify({ cents: 7 }),
        signal: controller.signal,
      }).catch(() => undefined);
      await expect.poll(async () => (await post(served, { key })).status, { timeout: 5_000 }).toBe(201);
      controller.abort();
      await hanging;
    });

    it("a client that hangs up is answered when it comes again", async () => {
      const served = await start(async () => {
        await wait(150);
        return json(201, { id: 1 });
      });
      const key = newKey();
      const hungUp = fetch(`${served.url}/payments`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-tenant": "acme", "idempotency-key": key },
        body: JSON.stringify({ cents: 7 }),
        signal: AbortSignal.timeout(60),
      });
      await expect(hungUp).rejects.toThrow();
      await expect
        .poll(async () => post(served, { key }), { timeout: 5_000 })
        .toMatchObject({ status: 201, isReplayed: true, json: { id: 1 } });
      expect(runs).toBe(1);
    });

    it("sends nothing of a response before it is recorded", async () => {
      const records = recordsOf(orders, "on");
      let record = (): void => undefined;
      const mayRecord = new Promise<void>((resolve) => {
        record = resolve;
      });
      let isAsked = false;
      const end: typeof records.end = async (...ending) => {
        isAsked = true;
        await mayRecord;
        return records.end(...ending);
      };
      const served = await start(() => json(201, { id: 1 }), { on: createMarkers("slow", { ...records, end }) });
      let isAnswered = false;
      const answer = post(served, { key: newKey() }).finally(() => {
        isAnswered = true;
      });
      await expect.poll(() => isAsked).toBe(true);
      await wait(50);
      expect(isAnswered).toBe(false);
      record();
      expect((await answer).status).toBe(201);
    });

    it("sends a response that could not be recorded, since its effect has happened, and says so in the log", async () => {
      const records = recordsOf(orders, "on");
      const errors: string[] = [];
      const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) };
      const end = () => Promise.reject(new Error("disk full"));
      const on = createMarkers("failing", { ...records, tools: { ...records.tools, log }, end });
      const served = await start(() => json(201, { id: 1 }), { on });
      expect(await post(served, { key: newKey() })).toMatchObject({ status: 201, json: { id: 1 } });
      expect(errors).toEqual([expect.stringContaining("could not be recorded")]);
    });

    it("is 503 when the records cannot be reached, and the handler does not run", async () => {
      const on: Markers = redisMarkers({ eval: () => Promise.reject(new Error("down")) }, { log: silentLog });
      const served = await start(() => json(201, {}), { on });
      expect(await post(served, { key: newKey() })).toMatchObject({ status: 503, json: { code: "STORE_UNAVAILABLE" } });
      expect(runs).toBe(0);
    });
  });
}

describeWithOwnRedis("Idempotency-Key on Redis", (server) => {
  it.each(Object.entries(frameworks))("runs once and replays, with %s", async (_, serve) => {
    const client = new Redis(server().url);
    let runs = 0;
    const served = await serve({ on: redisMarkers(client, { log: silentLog }) }, () => json(201, { run: ++runs }));
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(served, { key })));
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(await post(served, { key })).toMatchObject({ status: 201, isReplayed: true, json: { run: 1 } });
    await served.close();
    client.disconnect();
  });
});

describe("what a server of node:http hands out", () => {
  const withMiddleware = async (handle: (res: express.Response) => void, maxBodyBytes = 100): Promise<Served> => {
    const orders = await openOrders();
    const app = express();
    app.post(
      "/payments",
      express.json(),
      idempotencyKeyExpress({ on: orders, scope: () => "acme", maxBodyBytes }),
      (_req, res) => handle(res),
    );
    return listen(createServer(app));
  };

  it.each([
    [
      "writeHead, write and end with a callback",
      (res: express.Response) => {
        res.writeHead(202, "Taken", { "content-type": "text/plain" });
        res.write("a", () => res.write(Buffer.from("b"), () => res.end("c", "latin1", () => undefined)));
      },
    ],
    [
      "writeHead with a list, and flushHeaders",
      (res: express.Response) => {
        res.writeHead(202, ["content-type", "text/plain"]);
        res.flushHeaders();
        res.write("YWI=", "base64");
        res.end("c");
      },
    ],
  ])("stores a response of %s", async (_, handle) => {
    const served = await withMiddleware(handle);
    const key = newKey();
    for (const isReplayed of [false, true]) {
      const answer = await post(served, { key });
      expect(answer).toMatchObject({ status: 202, isReplayed, text: "abc" });
      expect(answer.headers.get("content-type")).toContain("text/plain");
    }
    await served.close();
  });

  it("streams what is larger than the cap, and ends it when it is recorded", async () => {
    const served = await withMiddleware((res) => {
      res.status(200).type("text/plain");
      for (let part = 0; part < 50; part++) res.write(`${part} `.padEnd(10));
      res.end("end");
    });
    const key = newKey();
    const first = await post(served, { key });
    expect([first.status, first.text.length, first.text.endsWith("end")]).toEqual([200, 503, true]);
    expect(await post(served, { key })).toMatchObject({
      status: 409,
      json: { code: "RESPONSE_NOT_STORED", originalStatus: 200 },
    });
    await served.close();
  });

  it("does not mix what a handler wrote before it threw with an error page", async () => {
    const served = await withMiddleware((res) => {
      res.write("half of an answer");
      throw new Error("and then");
    });
    await expect(post(served, { key: newKey() })).rejects.toThrow();
    await served.close();
  });

  it("refuses a body that nobody has parsed with 415", async () => {
    const app = express();
    app.post(
      "/payments",
      idempotencyKeyExpress({ on: await openOrders(), scope: () => "acme" }),
      (_req, res) => void res.end(),
    );
    const served = await listen(createServer(app));
    expect(await post(served, { key: newKey() })).toMatchObject({ status: 415, json: { code: "BODY_UNREAD" } });
    await served.close();
  });

  it("refuses with 415 what NestJS on Fastify hands to middleware, which comes before its parsers", async () => {
    const on = await openOrders();
    class App {
      configure(consumer: MiddlewareConsumer): void {
        consumer.apply(idempotencyKeyNest({ on, scope: () => "acme" })).forRoutes("*path");
      }
    }
    let runs = 0;
    const Payments = paymentsOf("*", async (_: FastifyRequest, reply: FastifyReply) => void reply.send(`${++runs}`));
    const served = await listenNestOnFastify(App, Payments, async () => {});
    expect(await post(served, { key: newKey() })).toMatchObject({ status: 415, json: { code: "BODY_UNREAD" } });
    expect(runs).toBe(0);
    await served.close();
  });

  it("takes a fingerprint of the user's own in place of the body", async () => {
    const app = express();
    const key = idempotencyKeyExpress({ on: await openOrders(), scope: () => "acme", fingerprint: (req) => req.url });
    app.post("/payments", key, (_req, res) => void res.end("done"));
    const served = await listen(createServer(app));
    const sent = newKey();
    expect(await post(served, { key: sent, body: 1 })).toMatchObject({ status: 200, isReplayed: false });
    expect(await post(served, { key: sent, body: 2 })).toMatchObject({ status: 200, isReplayed: true });
    await served.close();
  });
});

describe("the options", () => {
  it("demand a scope, and refuse what they do not know", async () => {
    const on = await openOrders();
    const scope = () => "acme";
    expect(() => idempotencyKeyExpress({ on } as never)).toThrow("idempotencyKey.scope");
    expect(() => idempotencyKeyHono({ on, scope, clientErrors: "keep" as never })).toThrow("clientErrors");
    expect(() => idempotencyKeyFastify({ on: {} as never, scope })).toThrow("idempotencyKey.on");
    expect(() => idempotencyKeyExpress({ on, scope, methodes: [] } as never)).toThrow("Did you mean methods?");
  });

  it("an empty scope fails the request and lets no tenant into another's answers", async () => {
    const app = express();
    let runs = 0;
    app.post(
      "/payments",
      express.json(),
      idempotencyKeyExpress({ on: await openOrders(), scope: () => "" }),
      (_req, res) => {
        runs++;
        res.end();
      },
    );
    app.use((error: { code: string }, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      res.status(500).json({ code: error.code });
    });
    const served = await listen(createServer(app));
    expect(await post(served, { key: newKey() })).toMatchObject({ status: 500, json: { code: "OPTION_INVALID" } });
    expect(runs).toBe(0);
    await served.close();
  });
});

describe("the header", () => {
  it.each([
    ['"abc"', "abc"],
    ["abc", "abc"],
    ['"a b"', "a b"],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['"abc";a=1;b="x"', "abc"],
    ["8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"],
  ])("%s is the key %s", (header, key) => {
    expect(parseKey(header)).toEqual({ key });
  });

  it.each([
    "",
    '"',
    '"a',
    'a"',
    '"a"b',
    '"a", "b"',
    "a,b",
    "a;b",
    "a b",
    '"a\\b"',
    "ä",
    '"ä"',
    '"a\u0007"',
    `"${"x".repeat(256)}"`,
  ])("%s is none", (header) => {
    expect(parseKey(header)).toHaveProperty("fault");
  });
});
