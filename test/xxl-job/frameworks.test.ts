// In an HTTP server that is there already, on its port: the real frameworks, the bytes of each generation.
import "reflect-metadata";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { type XxlExecutor, xxlExecutor, xxlHandler } from "makegood/xxl-job";
import { describe, expect, it, vi } from "vitest";
import { beatBody, javaRequest, logQuery, sendRaw, triggerBody, triggerPath } from "./raw.ts";
import { atEnd, generations, newAdmin, newFolder, silent } from "./scene.ts";

const path = "/internal/xxl-job";

/** Mounts the executor in a server that has a page of its own, and a parser of JSON bodies; returns its port. */
type Mount = (executor: XxlExecutor) => Promise<number>;

const frameworks: Readonly<Record<string, Mount>> = {
  "node:http": async (executor) => {
    const handle = executor.handler();
    return listening(
      createServer((request, response) => {
        if (request.url?.startsWith(`${path}/`) === true) handle(request, response);
        else response.end("mine");
      }),
    );
  },

  Express: async (executor) => {
    const app = express();
    app.use(path, executor.handler());
    app.use(express.json());
    app.get("/mine", (_, response) => void response.send("mine"));
    return listening(createServer(app));
  },

  Fastify: async (executor) => {
    const app = fastify();
    const handle = executor.handler();
    app.addHook("onRequest", (request, reply, next) => {
      if (!request.url.startsWith(`${path}/`)) return next();
      reply.hijack();
      handle(request.raw, reply.raw);
    });
    app.get("/mine", () => "mine");
    await app.listen({ host: "127.0.0.1", port: 0 });
    atEnd(() => app.close());
    return (app.server.address() as AddressInfo).port;
  },

  NestJS: async (executor) => {
    class Root {}
    Module({})(Root);
    const app = await NestFactory.create<NestExpressApplication>(Root, { logger: false });
    // Before `listen`, which puts Nest's own parsers behind it.
    app.use(path, executor.handler());
    app.use("/mine", (_: unknown, response: ServerResponse) => response.end("mine"));
    await app.listen(0, "127.0.0.1");
    atEnd(() => app.close());
    return (app.getHttpServer().address() as AddressInfo).port;
  },

  Hono: async (executor) => {
    const app = new Hono();
    app.all(`${path}/*`, (c) => executor.fetch(c.req.raw));
    app.get("/mine", (c) => c.text("mine"));
    return listening(createServer(bridge(app.fetch)));
  },
};

/** As the Node adapters of Fetch frameworks do it. */
function bridge(
  answer: (request: Request) => Response | Promise<Response>,
): Parameters<typeof createServer>[1] & object {
  return async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers))
      if (typeof value === "string") headers.set(name, value);
    const body = request.method === "GET" ? null : Buffer.concat(chunks);
    const given = new Request(`http://127.0.0.1${request.url}`, { method: request.method ?? "GET", headers, body });
    const { status, headers: sent, body: stream } = await answer(given);
    response.writeHead(status, Object.fromEntries(sent)).end(Buffer.from(await new Response(stream).arrayBuffer()));
  };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const echo = xxlHandler(({ param }, { log }) => {
  log.info({}, "a line");
  return param;
});

async function mounted(mount: Mount, generation: (typeof generations)[number]) {
  const admin = await newAdmin({ generation });
  const executor = xxlExecutor({
    admins: [admin.url],
    appname: "demo",
    accessToken: "secret",
    port: null,
    address: `http://127.0.0.1:80${path}`,
    folder: newFolder(),
    log: silent,
    jobs: { echo },
  });
  const port = await mount(executor);
  await executor.start();
  atEnd(() => executor.stop({ grace: 0 }));
  const call = (method: string, body: string | null) =>
    sendRaw(port, javaRequest({ generation }, `${path}${method}`, body));
  return { admin, port, call };
}

describe.each(Object.keys(frameworks))("in %s", (name) => {
  const mount = frameworks[name] as Mount;

  it.each(generations)("everything is answered to an admin of %s", async (generation) => {
    const { admin, port, call } = await mounted(mount, generation);
    expect(await call("/beat", beatBody(generation))).toMatchObject({ status: 200, body: { code: 200 } });
    expect((await call("/idleBeat", '{"jobId":1}')).body.code).toBe(200);
    for (let time = 1; time <= 2; time++)
      expect((await call(triggerPath(generation), triggerBody({ logId: 1, executorParams: "p" }))).body.code).toBe(200);
    await vi.waitFor(() => expect(admin.callbacks).toMatchObject([{ logId: 1, handleCode: 200, handleMsg: "p" }]));
    expect((await call("/log", logQuery(generation, 1, 1))).body.data).toMatchObject({
      toLineNum: 1,
      logContent: expect.stringContaining("a line"),
    });
    expect((await call("/kill", '{"jobId":1}')).body.code).toBe(200);
    expect(await call("/run", "{")).toMatchObject({ status: 200, body: { code: 500 } });
    expect(await call("/nothing", null)).toMatchObject({ status: 200, body: { code: 500 } });
    expect(admin.registered[0]?.registryValue).toBe(`http://127.0.0.1:80${path}/`);
    expect(await (await fetch(`http://127.0.0.1:${port}/mine`)).text()).toBe("mine");
  });
});

it("in Express behind a body parser, what that has read is taken", async () => {
  const { call } = await mounted(async (executor) => {
    const app = express();
    app.use(express.json({ strict: false }));
    app.use(path, executor.handler());
    return listening(createServer(app));
  }, "2.3");
  expect((await call("/beat", '""')).body.code).toBe(200);
  expect((await call("/run", triggerBody({ logId: 1 }))).body.code).toBe(200);
});
