// The calls by which programs manage jobs, as generation 3.5 sends them, on a real server.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../test/services/describe.ts";
import { readStoreOption, storeAt } from "../cli/store-address.ts";
import { silentLog } from "../core/ports.ts";
import { type App, every, makegood } from "../index.ts";
import { jobMethods } from "../protocol/xxl-job/center.ts";
import { xxlCenter } from "./xxl-job-center.ts";

const groups = { orders: "orders' own token", stock: "another token" } as const;
const as = (appname: string, token: string) => ({ "XXL-JOB-ACCESS-TOKEN": token, "XXL-JOB-APPNAME": appname });
const orders = as("orders", groups.orders);
const stock = as("stock", groups.stock);

/** What Java's client sends. */
const settle = {
  ...{ jobGroup: 3, name: "Settle", author: "ada", alarmEmail: "", scheduleType: "CRON", scheduleConf: "0 0 3 * * ?" },
  ...{ misfireStrategy: "DO_NOTHING", executorRouteStrategy: "ROUND", executorHandler: "settle", executorParam: "a=1" },
  ...{ executorBlockStrategy: "SERIAL_EXECUTION", executorTimeout: 60, executorFailRetryCount: 2 },
  ...{ glueType: "BEAN", glueSource: "", glueRemark: "" },
} as const;

let folder: string;
/** A file, or a server. */
let storeUrl: string;
let namespace: string;
let app: App;
let root: string;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "makegood-jobs-"));
  storeUrl = join(folder, "center.db");
  namespace = `test-${randomUUID()}`;
  ({ app, root } = await openCenter());
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
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

/** One of any number on the same store. */
async function openCenter() {
  const store = await storeAt(readStoreOption(storeUrl));
  await store.migrate();
  const made = makegood({ store, namespace, poll: "20ms", log: silentLog });
  const center = xxlCenter({ app: made, store, namespace, groups, zone: "Asia/Shanghai", log: silentLog });
  await made.run();
  ends.push(() => made.stop({ grace: 0 }));
  const at = await listen(
    createServer((request, response) => {
      if (!center.handle(request, response)) response.writeHead(404).end();
    }),
  );
  return { app: made, root: at };
}

interface Answer {
  readonly code: number;
  readonly msg: string;
  readonly data?: unknown;
}

async function call(
  method: string,
  body: unknown,
  headers: Record<string, string> = orders,
  at = root,
): Promise<Answer> {
  const response = await fetch(`${at}/api/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json;charset=UTF-8", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

async function added(job: object = settle, headers = orders, at = root): Promise<number> {
  const { code, msg, data } = await call("addJob", job, headers, at);
  expect([code, msg]).toEqual([200, "Success"]);
  expect(data).toMatch(/^\d{10}$/);
  return Number(data);
}

const kept = async (id: number) => app.schedules.find(`xxl-job-${id}`);
const done = { code: 200, msg: "Success" };

describe("a job", () => {
  it("is added stopped, then started, stopped, changed and removed; the audit names the group", async () => {
    const id = await added();
    expect(await kept(id)).toMatchObject({
      ...{ state: "paused", paused: "person", source: "person", version: 1, misfire: { policy: "skip" } },
      schedule: { cron: "0 0 3 * * ?", dialect: "quartz", zone: "Asia/Shanghai" },
      call: {
        ...{ group: "orders", handler: "settle", param: "a=1", route: "round", block: "serial", jobId: id },
        ...{ timeoutMs: 60_000, retries: 2 },
      },
    });
    expect(await call("startJob", { id })).toMatchObject(done);
    expect(new Date((await kept(id))?.nextAt ?? 0).toISOString()).toMatch(/T19:00:00\.000Z$/);
    expect(await call("stopJob", { id })).toMatchObject(done);
    expect(await kept(id)).toMatchObject({ state: "paused", version: 3 });
    const { jobGroup, ...fields } = settle;
    const change = { executorBlockStrategy: "COVER_EARLY", executorTimeout: 0, misfireStrategy: "FIRE_ONCE_NOW" };
    const times = { scheduleType: "FIX_RATE", scheduleConf: "30" };
    expect(await call("updateJob", { ...fields, ...change, ...times, executorParam: "", id })).toMatchObject(done);
    expect(await kept(id)).toMatchObject({
      ...{ state: "paused", schedule: { every: 30_000, zone: "Asia/Shanghai" }, misfire: { policy: "fire-once" } },
      call: { param: "", block: "replace-running", timeoutMs: null, retries: 2, jobId: id },
    });
    expect((await kept(id))?.schedule).not.toHaveProperty("cron");
    const scheduleId = (await kept(id))?.id ?? "";
    expect(await call("removeJob", { id })).toMatchObject(done);
    expect(await kept(id)).toBeNull();
    const actor = { kind: "token", id: "orders" };
    expect(await app.schedules.audit(scheduleId)).toMatchObject([
      { verb: "create", actor, note: "Settle, by ada" },
      { verb: "resume", actor },
      { verb: "pause", actor },
      { verb: "edit", actor, note: "Settle, by ada" },
      { verb: "remove", actor },
    ]);
  });

  it("keeps what is not XXL-JOB's to say when it is changed, and is known by the number it came with", async () => {
    await app.schedules.add(
      { group: "orders", handler: "old", jobId: 7, retryPause: "5s" },
      every("1h", { zone: "Europe/Berlin", calendar: { excludeWeekdays: ["SAT"] } }),
      { name: "xxl-job-7" },
    );
    expect(await call("updateJob", { ...settle, id: "7" })).toMatchObject(done);
    expect(await kept(7)).toMatchObject({
      schedule: { cron: "0 0 3 * * ?", zone: "Europe/Berlin", calendar: { excludeWeekdays: ["SAT"] } },
      ...{ state: "active", call: { handler: "settle", jobId: 7, retryPause: { ms: 5_000 } } },
    });
  });

  it("of type NONE fires never, cannot be started, and is triggered", async () => {
    const id = await added({ ...settle, scheduleType: "NONE", scheduleConf: "" });
    expect(await call("startJob", { id })).toMatchObject({ code: 500, msg: expect.stringContaining("found NONE") });
    await app.schedules.resume(`xxl-job-${id}`);
    expect(await kept(id)).toMatchObject({ state: "ended", nextAt: null });
    expect(await app.list({ schedule: (await kept(id))?.id ?? "" })).toEqual([]);
    expect(await call("triggerJob", { id })).toMatchObject(done);
    expect(await app.list({ schedule: (await kept(id))?.id ?? "" })).toHaveLength(1);
  });
});

describe("a call that is sent again", testRepeats);
for (const [describeWith, name] of [
  [describeWithPostgres, "PostgreSQL"],
  [describeWithMariadb, "MariaDB"],
] as const)
  describeWith(`a call that is sent again, on ${name}`, (database) => {
    beforeEach(async () => {
      storeUrl = database.url;
      ({ app, root } = await openCenter());
    });
    testRepeats();
  });

function testRepeats(): void {
  it("adds a job once, over any number of centers, until somebody touches it", async () => {
    const { root: other } = await openCenter();
    const ids = await Promise.all(Array.from({ length: 8 }, (_, n) => added(settle, orders, n % 2 ? root : other)));
    expect(new Set(ids).size).toBe(1);
    const id = ids[0] as number;
    expect(await added()).toBe(id);
    expect(await call("startJob", { id })).toMatchObject(done);
    const twin = await added();
    expect(twin).not.toBe(id);
    expect(await added()).toBe(twin);
    expect(await app.schedules.list()).toHaveLength(2);
  });

  it("gives different jobs different numbers, also at once and in two groups", async () => {
    const { root: other } = await openCenter();
    const ids = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        added({ ...settle, name: `job ${n >> 1}` }, n % 2 ? orders : stock, n % 3 ? root : other),
      ),
    );
    expect(new Set(ids).size).toBe(12);
    expect(await app.schedules.list({ group: "stock" })).toHaveLength(6);
    for (const id of ids) expect(id).toBeGreaterThanOrEqual(2 ** 30);
  });

  it("changes nothing the second time", async () => {
    const id = await added();
    for (const method of ["startJob", "stopJob", "removeJob"]) {
      expect(await call(method, { id })).toMatchObject(done);
      const after = await kept(id);
      expect(await call(method, { id })).toMatchObject(done);
      expect(await kept(id)).toEqual(after);
    }
    const changed = await added();
    const change = { ...settle, id: changed, executorParam: "b=2" };
    for (let sent = 0; sent < 2; sent++) expect(await call("updateJob", change)).toMatchObject(done);
    expect(await kept(changed)).toMatchObject({ call: { param: "b=2" }, state: "paused" });
  });
}

describe("a call is refused, with code 500 and HTTP 200, and changes nothing:", () => {
  it.each<[string, Record<string, string>]>([
    ["a wrong token", as("orders", "wrong")],
    ["another group's token", as("orders", groups.stock)],
    ["no token", { "XXL-JOB-APPNAME": "orders" }],
    ["a blank token", as("orders", " ")],
    ["no appname", { "XXL-JOB-ACCESS-TOKEN": groups.orders }],
    ["a blank appname", as(" ", groups.orders)],
    ["an appname that is not known", as("nobody", groups.orders)],
  ])("%s, by every method", async (_what, headers) => {
    const id = await added();
    const before = await kept(id);
    for (const method of jobMethods) {
      const { code, msg } = await call(method, { ...settle, name: "another", id }, headers);
      expect([code, msg]).toEqual([500, expect.stringMatching(/expected the (access token|header)/)]);
    }
    expect(await app.schedules.list()).toEqual([before]);
  });

  it.each(jobMethods.filter((method) => method !== "addJob"))("another group's job, by %s", async (method) => {
    const id = await added();
    const before = await kept(id);
    expect(await call(method, { ...settle, id }, stock)).toMatchObject({
      code: 500,
      msg: `expected the number of a job of group stock, found ${id}: there is no such job, or it is another group's`,
    });
    expect(await kept(id)).toEqual(before);
    expect(await app.list({ schedule: before?.id ?? "" })).toEqual([]);
  });

  it.each(["updateJob", "startJob", "stopJob", "triggerJob"])("a number that no job has, by %s", async (method) => {
    expect(await call(method, { ...settle, id: 5 })).toMatchObject({
      code: 500,
      msg: expect.stringContaining("found 5: there is no such job"),
    });
  });

  it.each(jobMethods)("an empty body, one that is no JSON, a list: by %s", async (method) => {
    for (const body of ["", "{", "[]", '""'])
      expect(await call(method, body)).toMatchObject({
        code: 500,
        msg: expect.stringContaining("expected a JSON object as the body"),
      });
  });

  it.each(jobMethods.filter((method) => method !== "addJob"))("a number that is none, by %s", async (method) => {
    for (const id of [undefined, null, 0, -1, 1.5, "x", 2 ** 31, [7]])
      expect(await call(method, { ...settle, id })).toMatchObject({
        code: 500,
        msg: expect.stringContaining("id: expected an integer from 1 to 2147483647, found "),
      });
  });

  it.each<[string, object, RegExp]>([
    ["a cron expression with a wrong hour", { scheduleConf: "0 0 25 * * ?" }, /hour.*found "?25"? at character 5/],
    ["no cron expression", { scheduleConf: null }, /expected .*fields/],
    [
      "a rate in parts of seconds",
      { scheduleType: "FIX_RATE", scheduleConf: "0.5" },
      /scheduleConf: expected whole sec/,
    ],
    [
      "a type of schedule that is not known",
      { scheduleType: "FIX_DELAY" },
      /scheduleType: expected one of NONE, CRON, FIX_RATE, found "FIX/,
    ],
    ["no misfire strategy", { misfireStrategy: null }, /misfireStrategy: expected one of DO_NOTHING, FIRE_ONCE_NOW/],
    [
      "a route that is not known",
      { executorRouteStrategy: "NEAREST" },
      /executorRouteStrategy: expected one of .*, found "NEAREST"/,
    ],
    ["no block strategy", { executorBlockStrategy: undefined }, /executorBlockStrategy: expected one of/],
    ["no handler", { executorHandler: "" }, /handler: expected the name of a handler/],
    ["a script", { glueType: "GLUE_SHELL", glueSource: "rm -rf /" }, /glueType: expected BEAN, found "GLUE_SHELL"/],
    ["too many retries", { executorFailRetryCount: 101 }, /executorFailRetryCount: expected an integer from 0 to 100/],
    ["a param that no database holds", { executorParam: "a\u0000" }, /param: expected a text/],
    ["a name that no database holds", { name: "a\u0000" }, /name: expected a text/],
    ["a group that is no number", { jobGroup: "orders" }, /jobGroup: expected an integer/],
  ])("%s", async (_what, fault, message) => {
    expect(await call("addJob", { ...settle, ...fault })).toMatchObject({
      code: 500,
      msg: expect.stringMatching(message),
    });
    expect(await app.schedules.list()).toEqual([]);
    if ("jobGroup" in fault) return;
    const id = await added();
    const before = await kept(id);
    expect(await call("updateJob", { ...settle, ...fault, id })).toMatchObject({
      code: 500,
      msg: expect.stringMatching(message),
    });
    expect(await kept(id)).toEqual(before);
  });
});

describe("triggerJob", () => {
  function startedBy(): readonly unknown[] {
    const database = new DatabaseSync(join(folder, "center.db"), { readOnly: true });
    ends.push(() => database.close());
    return database
      .prepare("SELECT actor FROM makegood_payload")
      .all()
      .map(({ actor }) => actor);
  }

  /** Takes every trigger, and reports it done. */
  async function playExecutor() {
    const triggers: Record<string, unknown>[] = [];
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      if (request.url === "/trigger") triggers.push(JSON.parse(body));
      response.end(JSON.stringify({ code: 200 }));
    });
    const address = `${await listen(server)}/`;
    const registration = { registryGroup: "EXECUTOR", registryKey: "orders", registryValue: address };
    expect(await call("registry", registration)).toMatchObject(done);
    return { address, triggers };
  }

  it("starts a job once, with the parameter given in place of its own, also a stopped one", async () => {
    const { triggers } = await playExecutor();
    const id = await added();
    expect(await call("triggerJob", { id, executorParam: "b=2" })).toMatchObject(done);
    await expect.poll(() => triggers).toMatchObject([{ jobId: id, executorHandler: "settle", executorParams: "b=2" }]);
    const [run] = await app.list({ schedule: (await kept(id))?.id ?? "" });
    expect(run).toMatchObject({ scheduledAt: null });
    expect(startedBy()).toEqual(["token:orders"]);
    expect(await kept(id)).toMatchObject({ state: "paused", version: 1, call: { param: "a=1" } });
  });

  it("takes a missing parameter for the empty one, and each call for a start of its own", async () => {
    const { triggers } = await playExecutor();
    const id = await added({ ...settle, executorBlockStrategy: "COVER_EARLY" });
    for (let sent = 0; sent < 2; sent++) expect(await call("triggerJob", { id })).toMatchObject(done);
    await expect.poll(() => triggers.map((it) => it["executorParams"])).toEqual(["", ""]);
  });

  it("goes to the addresses given alone, which must be live ones of the group", async () => {
    const [one, two] = [await playExecutor(), await playExecutor()];
    const id = await added({
      ...settle,
      executorBlockStrategy: "COVER_EARLY",
      executorRouteStrategy: "SHARDING_BROADCAST",
    });
    expect(await call("triggerJob", { id, addressList: ` ${two.address}, ` })).toMatchObject(done);
    await expect.poll(() => two.triggers).toMatchObject([{ broadcastIndex: 0, broadcastTotal: 1 }]);
    const other = await added({ ...settle, name: "by route" });
    expect(await call("triggerJob", { id: other, addressList: one.address })).toMatchObject(done);
    await expect.poll(() => one.triggers).toMatchObject([{ jobId: other }]);
  });

  it("calls nobody else: neither a stranger, nor an executor of another group", async () => {
    const { address } = await playExecutor();
    let called = 0;
    const stranger = await listen(createServer((_, response) => void response.end(`${++called}`)));
    const registration = { registryGroup: "EXECUTOR", registryKey: "stock", registryValue: `${stranger}/` };
    expect(await call("registry", registration, stock)).toMatchObject(done);
    const id = await added();
    for (const addressList of [`${stranger}/`, `${address},${stranger}/`, "http://169.254.169.254/", "nonsense"])
      expect(await call("triggerJob", { id, addressList })).toMatchObject({
        code: 500,
        msg: expect.stringContaining(
          "expected addresses under which executors of group orders are registered now, found ",
        ),
      });
    expect(await app.list({ schedule: (await kept(id))?.id ?? "" })).toEqual([]);
    expect(called).toBe(0);
  });
});

it("a connection that breaks after the call leaves one job, which the same call finds", async () => {
  const body = JSON.stringify(settle);
  const head = Object.entries({ ...orders, Host: "x", "Content-Length": body.length }).map(
    ([k, v]) => `${k}: ${v}\r\n`,
  );
  const socket = connect(Number(new URL(root).port), "127.0.0.1");
  socket.write(`POST /xxl-job-admin/api/addJob HTTP/1.1\r\n${head.join("")}\r\n${body}`);
  await expect.poll(async () => (await app.schedules.list()).length).toBe(1);
  socket.destroy();
  const [made] = await app.schedules.list();
  expect(made?.name).toBe(`xxl-job-${await added()}`);
  expect(await app.schedules.list()).toEqual([made]);
});
