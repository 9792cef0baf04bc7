// Calls that carry a script: kept with a schedule, sent by a center that may, and by no other.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLog } from "../core/ports.ts";
import type { RemoteCall } from "../core/schedule/definition.ts";
import type { Store } from "../core/store.ts";
import { type App, type CallOptions, cron, makegood } from "../index.ts";
import { Center } from "../scheduler/dispatch/center.ts";
import { createExecutorClient } from "../scheduler/dispatch/executor-client.ts";
import { sqlite } from "../sqlite.ts";
import { createSystemRandom, sha256, systemClock } from "../system.ts";
import { type XxlCenter, xxlCenter } from "./xxl-job-center.ts";

const token = "orders' own token";
const headers = { "XXL-JOB-ACCESS-TOKEN": token, "XXL-JOB-APPNAME": "orders" };
const source = "echo $1\n";
const script = { type: "GLUE_SHELL", source } as const;
/** No time in a test: a rate strikes on the clock, whatever the test is at. */
const never = cron("0 0 0 1 1 ? 2099");

let folder: string;
let store: Store;
let app: App;
const ends: (() => unknown)[] = [];
const triggers: Record<string, unknown>[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "makegood-scripts-"));
  store = sqlite(join(folder, "center.db"));
  app = makegood({ store, poll: "20ms", log: silentLog });
  triggers.length = 0;
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await app.stop({ grace: 0 });
  rmSync(folder, { recursive: true, force: true });
});

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An executor that takes every trigger, and knows of no run. */
async function playExecutor(): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url === "/run") triggers.push(JSON.parse(body));
    const page = { fromLineNum: 1, toLineNum: 0, logContent: "", isEnd: true };
    response.end(JSON.stringify({ code: 200, data: page }));
  });
  const address = `${await listen(server)}/`;
  const at = { namespace: "default", group: "orders", address };
  await app.open();
  await store.executors.register({ ...at, source: "manual", generation: null, leaseMs: null });
  return address;
}

async function startCenter(scripts: boolean): Promise<{ readonly center: XxlCenter; readonly root: string }> {
  const center = xxlCenter({ app, store, groups: { orders: token }, scripts, log: silentLog });
  const root = await listen(createServer((request, response) => void center.handle(request, response)));
  await app.run();
  return { center, root };
}

const stamped = { ...script, updatedAt: 1_790_000_000_000 } as const;
const order = (more: Partial<RemoteCall> = {}): RemoteCall => ({
  ...{ group: "orders", handler: "", script: stamped, param: "A-17", route: "first", jobId: 7 },
  ...{ block: null, timeoutMs: null, retries: 0 },
  ...more,
});

describe("a center that sends scripts", () => {
  it("puts it into the trigger, with the time of its last change", async () => {
    await playExecutor();
    const { center } = await startCenter(true);
    const execution = await app.start(center.dispatch, order());
    await expect.poll(() => triggers).toHaveLength(1);
    expect(triggers[0]).toMatchObject({
      ...{ jobId: 7, executorHandler: "", executorParams: "A-17" },
      ...{ glueType: "GLUE_SHELL", glueSource: source, glueUpdatetime: 1_790_000_000_000 },
    });
    expect(await store.executors.runsOf(execution.id)).toMatchObject([{ handler: "GLUE_SHELL of job 7", jobId: 7 }]);
  });

  it.each<[string, RemoteCall["script"], RegExp]>([
    ["too large", { ...stamped, source: "x".repeat(65_537) }, /1 to 65536 bytes in UTF-8, .* found 65537 bytes/],
    ["of a type that is none", { ...stamped, type: "BEAN" as "GLUE_PHP" }, /script\.type: expected one of GLUE_SHELL/],
  ])("refuses one that is %s, also where no schedule made the call", async (_what, wrong, message) => {
    await playExecutor();
    const { center } = await startCenter(true);
    const execution = await app.start(center.dispatch, order(wrong === undefined ? {} : { script: wrong }));
    expect(await execution.outcome()).toMatchObject({
      error: { code: "RUN_REFUSED", message: expect.stringMatching(message) },
    });
    expect(triggers).toEqual([]);
  });

  it("does not start with XXL-JOB's own token, nor with a word for yes", async () => {
    const of = (more: object) => () => xxlCenter({ app, store, groups: { orders: token }, log: silentLog, ...more });
    expect(of({ scripts: true, groups: { orders: "default_token" } })).toThrow(/token of your own .* found XXL-JOB's/);
    expect(of({ scripts: "yes" })).toThrow("scripts: expected true or false");
  });
});

describe("a center that does not", () => {
  it.each(["first", "broadcast"] as const)("ends an attempt by route %s as refused, and says why", async (route) => {
    await playExecutor();
    const { center } = await startCenter(false);
    const execution = await app.start(center.dispatch, order({ route }));
    expect(await execution.outcome()).toMatchObject({
      error: {
        message: expect.stringContaining("it is a script, and this center sends none: xxlCenter({ scripts: true })"),
      },
    });
    expect(triggers).toEqual([]);
  });

  it("sends none that another center opened, and leaves it to the keeper", async () => {
    await playExecutor();
    const client = createExecutorClient({ tokenOf: () => token, timeoutMs: 1_000 });
    const centerOf = (scripts: boolean) =>
      new Center({
        ...{ namespace: "default", executors: store.executors, client, scripts },
        ...{ clock: systemClock, random: createSystemRandom(), log: silentLog, sha256 },
        md5: (text) => createHash("md5").update(text).digest(),
        scheduleOf: async () => null,
      });
    const at = { executionId: "0195f2a0-0000-7000-8000-000000000000", key: "k", attempt: 1 };
    const place = { ...at, shardIndex: 0, shardTotal: 1, address: null };
    const opened = { namespace: "default", ...at, shardIndex: 0, shardTotal: 1, group: "orders", jobId: 7 };
    const [executor] = await store.executors.list({ namespace: "default" });
    await store.executors.open({ ...opened, handler: "GLUE_SHELL of job 7", address: executor?.address ?? "" });
    expect(await centerOf(false).send(order(), place)).toMatchObject({ kind: "taken" });
    expect(triggers).toEqual([]);
    // One that may goes on with what was opened and not sent.
    const next = { ...place, attempt: 2 };
    await store.executors.open({ ...opened, attempt: 2, handler: "", address: executor?.address ?? "" });
    expect(await centerOf(true).send(order(), next)).toMatchObject({ kind: "taken" });
    expect(triggers).toMatchObject([{ glueType: "GLUE_SHELL" }]);
  });
});

describe("a schedule of a script", () => {
  const call: CallOptions = { group: "orders", script, jobId: 7 };
  const scriptOf = async (id: string) => (await app.schedules.find(id))?.call?.script;

  it("keeps its time through other changes, and gets a later one with each change of the script", async () => {
    const { id } = await app.schedules.add(call, never);
    const first = await scriptOf(id);
    expect(first).toMatchObject(script);
    expect((first?.updatedAt ?? 1) % 1_000).toBe(0);
    expect(Math.abs((first?.updatedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    await app.schedules.edit(id, { call: { param: "b", script } });
    expect(await scriptOf(id)).toEqual(first);
    // Within the same second.
    await app.schedules.edit(id, { call: { script: { ...script, source: "echo 2" } } });
    await app.schedules.edit(id, { call: { script } });
    expect(await scriptOf(id)).toEqual({ ...script, updatedAt: (first?.updatedAt ?? 0) + 2_000 });
  });

  it("is started by hand with the same script and time", async () => {
    await playExecutor();
    await startCenter(true);
    const { id } = await app.schedules.add(call, never);
    await app.schedules.runOnce(id, { param: "by hand" });
    await expect.poll(() => triggers).toHaveLength(1);
    expect(triggers[0]).toMatchObject({
      ...{ executorParams: "by hand", glueSource: source },
      glueUpdatetime: (await scriptOf(id))?.updatedAt,
    });
  });

  it("becomes one of a handler, and back", async () => {
    const { id } = await app.schedules.add(call, never);
    const callOf = async () => (await app.schedules.find(id))?.call;
    await app.schedules.edit(id, { call: { handler: "settle" } });
    expect(await callOf()).toMatchObject({ handler: "settle" });
    expect(await callOf()).not.toHaveProperty("script");
    await app.schedules.edit(id, { call: { script } });
    expect(await callOf()).toMatchObject({ handler: "", script });
  });

  it("names in its audit each script that was set, by its SHA-256", async () => {
    const digest = (text: string) => createHash("sha256").update(text).digest("hex");
    const { id } = await app.schedules.add(call, never, { note: "ticket 4" });
    await app.schedules.edit(id, { call: { param: "b" }, note: "other param" });
    await app.schedules.edit(id, { call: { script: { type: "GLUE_PHP", source: "<?php" } } });
    await app.schedules.pause(id);
    expect((await app.schedules.audit(id)).map(({ verb, note }) => [verb, note])).toEqual([
      ["create", `ticket 4; GLUE_SHELL with SHA-256 ${digest(source)}`],
      ["edit", "other param"],
      ["edit", `GLUE_PHP with SHA-256 ${digest("<?php")}`],
      ["pause", null],
    ]);
  });

  it("takes 64 KiB as UTF-8, and of a shell's lines their carriage returns away", async () => {
    const full = `#${"日".repeat(21_845)}`;
    expect(Buffer.byteLength(full)).toBe(65_536);
    const { id } = await app.schedules.add({ ...call, script: { ...script, source: full } }, never);
    expect((await scriptOf(id))?.source).toBe(full);
    await app.schedules.edit(id, { call: { script: { ...script, source: "a\r\nb\r\n" } } });
    expect((await scriptOf(id))?.source).toBe("a\nb\n");
  });

  it.each<[string, unknown, string]>([
    ["one byte too many", { script: { ...script, source: `#${"日".repeat(21_845)}x` } }, "found 65537 bytes"],
    ["none", { script: { ...script, source: " \n" } }, "script.source: expected a text of 1 to 65536 bytes"],
    ["a NUL", { script: { ...script, source: "a\0b" } }, "without U+0000"],
    ["a type that is none", { script: { ...script, type: "BEAN" } }, "script.type: expected one of GLUE_SHELL"],
    ["more than type and source", { script: { ...script, updatedAt: 5 } }, "call.script"],
    ["a text", { script: "echo" }, "script: expected { type, source }"],
    ["a handler beside it", { script, handler: "settle" }, "handler: expected none beside a script"],
    ["neither script nor handler", { script: null }, "handler: expected the name of a handler"],
  ])("with %s is refused", async (_what, wrong, message) => {
    await expect(app.schedules.add({ group: "orders", ...(wrong as object) }, never)).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining(message),
    });
    expect(await app.schedules.list()).toEqual([]);
  });
});

describe("the job calls of a center that sends scripts", () => {
  const job = {
    ...{ jobGroup: 1, name: "Clean", author: "ada", scheduleType: "NONE", misfireStrategy: "DO_NOTHING" },
    ...{ executorRouteStrategy: "FIRST", executorHandler: "", executorBlockStrategy: "SERIAL_EXECUTION" },
    ...{ glueType: "GLUE_SHELL", glueSource: source },
  };
  let root: string;
  beforeEach(async () => {
    ({ root } = await startCenter(true));
  });
  const post = async (method: string, body: object) => {
    const response = await fetch(`${root}/api/${method}`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await response.json()) as { readonly code: number; readonly msg: string; readonly data: string };
  };
  const callOf = async (id: number) => (await app.schedules.find(`xxl-job-${id}`))?.call;

  it("add it, start it, change it, and make a handler of it", async () => {
    await playExecutor();
    const id = Number((await post("addJob", job)).data);
    expect(await callOf(id)).toMatchObject({ handler: "", script, jobId: id });
    expect(await app.schedules.audit(`xxl-job-${id}`)).toMatchObject([
      {
        actor: { kind: "token", id: "orders" },
        note: expect.stringMatching(/^Clean, by ada; GLUE_SHELL with SHA-256/),
      },
    ]);
    expect((await post("triggerJob", { id, executorParam: "now" })).code).toBe(200);
    await vi.waitFor(() => expect(triggers).toMatchObject([{ jobId: id, glueSource: source, executorParams: "now" }]));
    const { glueType: _type, glueSource: _source, ...silent } = job;
    expect((await post("updateJob", { ...silent, id, executorParam: "b" })).code).toBe(200);
    expect(await callOf(id)).toMatchObject({ param: "b", script });
    expect((await post("updateJob", { ...job, id, glueSource: "echo 2" })).code).toBe(200);
    expect(await callOf(id)).toMatchObject({ script: { source: "echo 2" } });
    expect((await post("updateJob", { ...job, id, glueType: "BEAN", executorHandler: "settle" })).code).toBe(200);
    expect(await callOf(id)).toMatchObject({ handler: "settle" });
    expect(await callOf(id)).not.toHaveProperty("script");
  });

  it.each([
    ["a type that is none", { glueType: "GLUE_PERL" }, "glueType: expected BEAN or one of GLUE_SHELL"],
    ["no source", { glueSource: "" }, "script.source: expected a text"],
    ["a source that is too large", { glueSource: "x".repeat(65_537) }, "found 65537 bytes"],
    ["a handler that is none", { glueType: "BEAN" }, "handler: expected the name of a handler"],
  ])("refuse %s", async (_what, wrong, message) => {
    expect(await post("addJob", { ...job, ...wrong })).toMatchObject({
      code: 500,
      msg: expect.stringContaining(message),
    });
    expect(await app.schedules.list()).toEqual([]);
  });
});
