// The door and the dispatch, in the exact bytes of each generation, beside an executor that is played by the test.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunRow } from "../core/executors.ts";
import { silentLog } from "../core/ports.ts";
import type { RemoteCall } from "../core/schedule/definition.ts";
import type { Store } from "../core/store.ts";
import { type App, cron, makegood, onCompleted } from "../index.ts";
import { sqlite } from "../sqlite.ts";
import { type XxlCenter, xxlCenter } from "./xxl-job-center.ts";

const groups = { orders: "orders' own token", stock: "another token" } as const;
const ok = { code: 200, msg: "Success" };

/** What the played executor does with a trigger. */
type OnTrigger = (trigger: Record<string, unknown>) => object | "drop the connection";

interface Played {
  readonly address: string;
  readonly calls: { readonly path: string; readonly headers: IncomingMessage["headers"]; readonly body: string }[];
  triggers(): readonly Record<string, unknown>[];
  onTrigger: OnTrigger;
  onIdleBeat: object;
  /** Says that it does not know the newest generation's word, or only that. */
  knows: "run" | "trigger";
}

let folder: string;
let store: Store;
let app: App;
let center: XxlCenter;
let door: Server;
let root: string;
const servers: Server[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "makegood-center-"));
  store = sqlite(join(folder, "center.db"));
  app = makegood({ store, poll: "20ms", log: silentLog });
  center = xxlCenter({
    app,
    store,
    groups,
    lookEvery: "50ms",
    lostAfter: "200ms",
    callTimeout: "500ms",
    log: silentLog,
  });
  door = await listen(
    createServer((request, response) => {
      if (!center.handle(request, response)) response.writeHead(404).end();
    }),
  );
  root = `http://127.0.0.1:${portOf(door)}`;
  await app.run();
});

afterEach(async () => {
  await center.stop();
  await app.stop({ graceMs: 0 });
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(folder, { recursive: true, force: true });
});

async function listen(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return server;
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const gen = {
  2: { "XXL-JOB-ACCESS-TOKEN": groups.orders },
  4: { "XXL-JOB-ACCESS-TOKEN": groups.orders, "XXL-JOB-APPNAME": "orders" },
} as const;

async function post(path: string, body: unknown, headers: Record<string, string> = gen[2]) {
  const response = await fetch(`${root}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json;charset=UTF-8", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as { code: number; msg: string } };
}

const registration = (address: string, group = "orders") => ({
  registryGroup: "EXECUTOR",
  registryKey: group,
  registryValue: address,
});

async function playExecutor(): Promise<Played> {
  const played: Played = {
    address: "",
    calls: [],
    triggers: () =>
      played.calls.filter(({ path }) => path === "/run" || path === "/trigger").map(({ body }) => JSON.parse(body)),
    onTrigger: () => ok,
    onIdleBeat: { code: 500, msg: "busy" },
    knows: "run",
  };
  const server = await listen(
    createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const path = request.url ?? "";
      played.calls.push({ path, headers: request.headers, body });
      const answer = answerOf(played, path, body);
      if (answer === "drop the connection") return void request.socket.destroy();
      // As Java does: JSON under the name of HTML.
      response.writeHead(200, { "content-type": "text/html;charset=UTF-8" }).end(JSON.stringify(answer));
    }),
  );
  return Object.assign(played, { address: `http://127.0.0.1:${portOf(server)}/` });
}

function answerOf(played: Played, path: string, body: string): object | "drop the connection" {
  if (path === `/${played.knows}`) return played.onTrigger(JSON.parse(body));
  if (path === "/idleBeat") return played.onIdleBeat;
  if (path === "/beat" || path === "/kill") return ok;
  if (path === "/log") {
    const page = { fromLineNum: 1, toLineNum: 0, logContent: "readLog fail, logFile not exists", isEnd: true };
    return { ...ok, data: page };
  }
  return { code: 500, msg: `invalid request, uri-mapping(${path}) not found.` };
}

const order = (more: Partial<RemoteCall> = {}): RemoteCall => ({
  ...{ group: "orders", handler: "demoJobHandler", param: "A-17", route: "first", jobId: 1 },
  ...{ block: null, timeoutMs: null, retries: 0 },
  ...more,
});

const runOf = async (id: string): Promise<RunRow> => {
  const [run] = await store.executors.runsOf(id);
  if (run === undefined) throw new Error("there is no run");
  return run;
};

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function started(more: Partial<RemoteCall> = {}) {
  const execution = await app.start(center.dispatch, order(more));
  await expect.poll(async () => (await store.executors.runsOf(execution.id)).at(-1)?.state).toBe("running");
  return { execution, logId: (await store.executors.runsOf(execution.id)).at(-1)?.logId ?? 0 };
}

describe("the door", () => {
  it.each(["/api", "/xxl-job-admin/api"])("takes registrations of every generation under %s", async (at) => {
    expect(await post(`${at}/registry`, registration("http://10.0.0.1:9999/"), gen[2])).toMatchObject({
      status: 200,
      answer: ok,
    });
    expect((await post(`${at}/registry`, registration("http://10.0.0.2:9999/"), gen[4])).answer.code).toBe(200);
    expect(await store.executors.list({ namespace: "default" })).toMatchObject([
      { group: "orders", address: "http://10.0.0.1:9999/", generation: null, isLive: true },
      { group: "orders", address: "http://10.0.0.2:9999/", generation: 4, isLive: true },
    ]);
    expect((await post(`${at}/registryRemove`, registration("http://10.0.0.1:9999/"))).answer.code).toBe(200);
    expect(await store.executors.list({ namespace: "default" })).toHaveLength(1);
  });

  it.each<[string, string, unknown, Record<string, string>]>([
    ["another token", "/api/registry", registration("http://10.0.0.1:1/"), { "XXL-JOB-ACCESS-TOKEN": "wrong" }],
    ["no token", "/api/registry", registration("http://10.0.0.1:1/"), {}],
    ["another group's token", "/api/registry", registration("http://10.0.0.1:1/", "stock"), gen[2]],
    ["a group that is not known", "/api/registry", registration("http://10.0.0.1:1/", "nobody"), gen[2]],
    [
      "another appname in the header",
      "/api/registry",
      registration("http://10.0.0.1:1/"),
      { ...gen[2], "XXL-JOB-APPNAME": "stock" },
    ],
    ["the address of a cloud's metadata", "/api/registry", registration("http://169.254.169.254/"), gen[2]],
    ["a body that is no JSON", "/api/registry", "{", gen[2]],
    ["an empty body", "/api/registry", "", gen[2]],
    ["reports without a token", "/api/callback", [{ logId: 1, handleCode: 200 }], {}],
    ["reports that are none", "/api/callback", '""', gen[2]],
    ["a path that is not known", "/api/deleteEverything", {}, gen[2]],
  ])("refuses %s with code 500 and HTTP 200, and changes nothing", async (_what, path, body, headers) => {
    const { status, answer } = await post(path, body, headers);
    expect([status, answer.code]).toEqual([200, 500]);
    expect(answer.msg).toMatch(/expected/i);
    expect(await store.executors.list({ namespace: "default" })).toEqual([]);
  });

  it("answers another HTTP method, and lives on after a body that never ends", async () => {
    expect(await (await fetch(`${root}/api/registry`)).json()).toMatchObject({ code: 500 });
    const socket = connect(portOf(door), "127.0.0.1");
    socket.write("POST /api/callback HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[");
    await new Promise((settle) => setTimeout(settle, 20));
    socket.destroy();
    expect((await post("/api/registry", registration("http://10.0.0.1:9999/"))).answer.code).toBe(200);
  });
});

describe("a dispatch", () => {
  it.each([
    [
      "2.2, a nested result",
      2,
      (logId: number) => [{ logId, logDateTim: 1, executeResult: { code: 200, msg: "done" } }],
    ],
    ["2.3 to 3.4, an array", 2, (logId: number) => [{ logId, logDateTim: 1, handleCode: 200, handleMsg: "done" }]],
    [
      "3.5, an object",
      4,
      (logId: number) => ({ callbackList: [{ logId, logDateTime: 1, handleCode: 200, handleMsg: "done" }] }),
    ],
  ] as const)(
    "sends, hears and ends with an executor of %s; a repeat changes nothing",
    async (_generation, kind, bodyOf) => {
      const executor = await playExecutor();
      executor.knows = kind === 4 ? "trigger" : "run";
      await post("/api/registry", registration(executor.address), gen[kind]);
      const { execution, logId } = await started();
      expect(executor.triggers()).toMatchObject([
        {
          logId,
          jobId: 1,
          executorHandler: "demoJobHandler",
          executorParams: "A-17",
          broadcastIndex: 0,
          broadcastTotal: 1,
          glueType: "BEAN",
        },
      ]);
      expect(executor.calls[0]?.headers).toMatchObject({
        "xxl-job-access-token": groups.orders,
        "xxl-job-appname": "orders",
      });
      for (let sent = 0; sent < 2; sent++)
        expect((await post("/api/callback", bodyOf(logId), gen[kind])).answer.code).toBe(200);
      expect(await execution.result()).toMatchObject({
        logId,
        executor: executor.address,
        message: "done",
        attempts: 1,
      });
      expect((await post("/api/callback", [{ logId, handleCode: 500, handleMsg: "late" }])).answer.code).toBe(200);
      expect(await runOf(execution.id)).toMatchObject({ state: "completed", code: 200, message: "done" });
    },
  );

  it("tries the other word where an executor does not know the first", async () => {
    const executor = await playExecutor();
    executor.knows = "trigger";
    await post("/api/registry", registration(executor.address));
    await started();
    expect(executor.calls.map(({ path }) => path).slice(0, 2)).toEqual(["/run", "/trigger"]);
  });

  it("takes no report of another group's run", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    const { execution, logId } = await started();
    const foreign = await post("/api/callback", [{ logId, handleCode: 200 }], { "XXL-JOB-ACCESS-TOKEN": groups.stock });
    expect(foreign.answer.code).toBe(500);
    expect((await runOf(execution.id)).state).toBe("running");
  });

  it("sends again after a failure, as often as was asked for, each under a number of its own", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    executor.onTrigger = (trigger) => {
      const { logId } = trigger as { logId: number };
      setTimeout(() => void post("/api/callback", [{ logId, handleCode: 500, handleMsg: `no ${logId}` }]), 5);
      return ok;
    };
    const retryPause = { ms: 100, factor: 2 };
    const begunAt = performance.now();
    const execution = await app.start(center.dispatch, order({ retries: 2, retryPause }));
    expect(await execution.outcome()).toMatchObject({ state: "failed", error: { code: "RUN_FAILED" } });
    expect(performance.now() - begunAt).toBeGreaterThanOrEqual(300);
    const logIds = executor.triggers().map(({ logId }) => logId);
    expect(new Set(logIds).size).toBe(3);
    expect((await store.executors.runsOf(execution.id)).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  it("does not send what a person killed again, and tells the executor", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    center.start();
    const { execution } = await started({ retries: 5, jobId: 77 });
    await app.kill(execution.id);
    await expect.poll(async () => (await runOf(execution.id)).state).toBe("killed");
    expect(executor.calls.filter(({ path }) => path === "/kill").map(({ body }) => body)).toEqual(['{"jobId":77}']);
    expect(executor.triggers()).toHaveLength(1);
  });

  it("keeps to one run where the connection closes without an answer although the executor took it", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    executor.onTrigger = () => "drop the connection";
    const execution = await app.start(center.dispatch, order());
    await expect.poll(() => executor.triggers().length).toBeGreaterThan(0);
    const { logId } = await runOf(execution.id);
    await post("/api/callback", [{ logId, handleCode: 200, handleMsg: "done all the same" }]);
    expect(await execution.result()).toMatchObject({ logId, message: "done all the same" });
    expect(new Set(executor.triggers().map((trigger) => trigger["logId"]))).toEqual(new Set([logId]));
  });

  it("counts a run as lost whose executor says that nothing runs there and never reports it", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    executor.onIdleBeat = ok;
    center.start();
    const { execution } = await started();
    expect(await execution.outcome()).toMatchObject({ error: { code: "RUN_LOST" } });
  });

  it("says what is missing: an executor, or one that will", async () => {
    expect(await (await app.start(center.dispatch, order())).outcome()).toMatchObject({
      error: { code: "RUN_REFUSED", message: expect.stringContaining("no executor of group orders is live") },
    });
    const executor = await playExecutor();
    executor.onTrigger = () => ({ code: 500, msg: "job handler [demoJobHandler] not found." });
    await post("/api/registry", registration(executor.address));
    expect(await (await app.start(center.dispatch, order())).outcome()).toMatchObject({
      error: { code: "RUN_REFUSED", message: expect.stringContaining("not found") },
    });
  });

  it("retries each kind of end as often as its own policy says", async () => {
    const executor = await playExecutor();
    await post("/api/registry", registration(executor.address));
    const { execution, logId } = await started({ retries: { failed: 1, "timed-out": 0 } });
    await post("/api/callback", [{ logId, handleCode: 500, handleMsg: "no" }]);
    await expect.poll(() => executor.triggers().length).toBe(2);
    const second = executor.triggers()[1]?.["logId"];
    await post("/api/callback", [{ logId: second, handleCode: 502, handleMsg: "too long" }]);
    expect(await execution.outcome()).toMatchObject({ error: { code: "RUN_TIMED_OUT" } });
    expect(executor.triggers()).toHaveLength(2);
  });

  it("goes over to the next live executor (failover), the next idle one (busyover), and to all (broadcast)", async () => {
    const [one, two] = [await playExecutor(), await playExecutor()].sort((a, b) => (a.address < b.address ? -1 : 1));
    if (one === undefined || two === undefined) throw new Error("two were played");
    const dead = "http://127.0.0.1:1/";
    for (const address of [dead, one.address, two.address]) await post("/api/registry", registration(address));
    two.onIdleBeat = ok;
    await started({ route: "failover" });
    expect([one.triggers().length, two.triggers().length]).toEqual([1, 0]);
    await started({ route: "busyover", jobId: 2 });
    expect([one.triggers().length, two.triggers().length]).toEqual([1, 1]);
    await post("/api/registryRemove", registration(dead));
    await app.start(center.dispatch, order({ route: "broadcast", jobId: 3 }));
    await expect.poll(() => [one.triggers().length, two.triggers().length]).toEqual([2, 2]);
    const shards = [one, two].map((it) => it.triggers().at(-1));
    expect(shards).toMatchObject([
      { broadcastIndex: 0, broadcastTotal: 2 },
      { broadcastIndex: 1, broadcastTotal: 2 },
    ]);
  });

  it("starts what follows a broadcast once, after all its shards, with what they said; and what follows that", async () => {
    const [one, two] = [await playExecutor(), await playExecutor()].sort((a, b) => (a.address < b.address ? -1 : 1));
    if (one === undefined || two === undefined) throw new Error("two were played");
    for (const { address } of [one, two]) await post("/api/registry", registration(address));
    const call = { group: "orders", handler: "load", route: "broadcast", jobId: 5 };
    await app.schedules.add(call, cron("0 0 0 1 1 ? 2099"), { name: "load" });
    const report = { ...call, route: "first", handler: "report", jobId: 6, param: "of [{{result}}]" };
    await app.schedules.add(report, onCompleted("load"), { name: "report" });
    await app.schedules.add({ ...report, handler: "mail", jobId: 7, param: "" }, onCompleted("report"), {
      name: "mail",
    });
    const handlersOf = (it: Played): unknown[] => it.triggers().map((trigger) => trigger["executorHandler"]);
    const finish = (logId: unknown, handleMsg: string) =>
      post("/api/callback", [{ logId, handleCode: 200, handleMsg }]);
    // The links are seen a moment after they were made.
    await wait(100);
    await app.schedules.runOnce("load");
    await expect.poll(() => [one, two].map(handlersOf)).toEqual([["load"], ["load"]]);
    await finish(two.triggers()[0]?.["logId"], "second");
    await wait(200);
    expect(handlersOf(one)).toEqual(["load"]);
    await finish(one.triggers()[0]?.["logId"], "first");
    await expect.poll(() => handlersOf(one)).toEqual(["load", "report"]);
    expect(one.triggers()[1]).toMatchObject({ executorParams: "of [first\nsecond]", jobId: 6 });
    await finish(one.triggers()[1]?.["logId"], "");
    await expect.poll(() => handlersOf(one)).toEqual(["load", "report", "mail"]);
    await wait(200);
    expect([one, two].map(handlersOf)).toEqual([["load", "report", "mail"], ["load"]]);
  });

  it("goes round, over several centers on one store", async () => {
    const executors = [await playExecutor(), await playExecutor()];
    for (const { address } of executors) await post("/api/registry", registration(address));
    for (let n = 0; n < 6; n++) await started({ route: "round" });
    expect(executors.map((it) => it.triggers().length)).toEqual([3, 3]);
  });
});
