import { at, cron, every, job, type Schema, type ShownRow } from "makegood";
import { expect, test } from "vitest";
import { describeEngine, logged, quietLog, type Scene } from "./harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: any input
const anything: Schema<any, any> = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
};
const patient = { timeout: 10_000, interval: 20 };

describeEngine("schedules", (open) => {
  const echo = (ran: unknown[]) =>
    job("echo", { input: anything }, async (ctx, input: unknown) => {
      ran.push([ctx.key, input]);
      return input;
    });
  const runsOf = async (app: ReturnType<Scene["app"]>, id: string): Promise<readonly ShownRow[]> =>
    (await app.list({ schedule: id, limit: 1_000 })).toReversed();

  test("a schedule made by a program starts its job at its times, each once, with its input", async () => {
    const ran: unknown[] = [];
    const app = open().app({}, echo(ran));
    await app.run();
    const { id, nextAt } = await app.schedules.add(echo(ran), every("100ms"), { input: { city: "Aachen" } });
    expect(nextAt).toBeGreaterThan(0);
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(4);
    await app.schedules.pause(id);
    const rows = await runsOf(app, id);
    const times = rows.map(({ scheduledAt }) => scheduledAt as number);
    expect(times).toEqual(times.map((_, n) => (times[0] as number) + 100 * n));
    expect(times[0]).toBe(nextAt);
    expect(rows.map(({ key }) => key)).toEqual(times.map((time) => `${id}@${time}`));
    for (const row of rows) expect(row.createdAt).toBeGreaterThanOrEqual(row.scheduledAt as number);
    await expect.poll(() => ran.length, patient).toBe(rows.length);
    expect(ran.map((one) => (one as [string, unknown])[1])).toEqual(rows.map(() => ({ city: "Aachen" })));
  });

  test("a job is told what its fire was planned for, also late, again, and by another process", async () => {
    const told: unknown[] = [];
    const tell = job("tell", { input: anything }, async (ctx, what: string) => {
      told.push([what, ctx.scheduledAt]);
      if (what !== "fired") return;
      await ctx.sleep("pause", "1h");
    });
    const scene = open();
    const first = scene.app({}, tell);
    await first.run();
    const planned = new Date("2020-01-01T00:00:00Z");
    const { id } = await first.schedules.add(tell, at(planned), { input: "fired" });
    await expect.poll(() => told, patient).toEqual([["fired", planned]]);
    await first.stop();
    const next = scene.app({ alwaysReplay: true }, tell);
    await next.run();
    const [row] = await runsOf(next, id);
    await next.cancel(row?.id ?? "");
    await next.execution(row?.id ?? "").outcome();
    await (await next.schedules.runOnce(id, { input: "by hand" })).outcome();
    await (await next.start(tell, "started")).outcome();
    await (await next.start(tell, "elsewhere", { scheduledAt: planned })).outcome();
    const waiting = await scene.app().start(tell, "not here", { scheduledAt: planned });
    await waiting.outcome();
    expect(told.slice(1)).toEqual([
      ["fired", planned],
      ["by hand", null],
      ["started", null],
      ["elsewhere", planned],
      ["not here", planned],
    ]);
    await expect(next.start(tell, "x", { scheduledAt: new Date(Number.NaN) })).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("start.scheduledAt: expected an instant from 1970 to 2199"),
    });
  });

  test("two processes fire each time once between them", async () => {
    const ran: unknown[] = [];
    const scene = open();
    const [one, other] = [scene.app({}, echo(ran)), scene.app({}, echo(ran))];
    await Promise.all([one.run(), other.run()]);
    const { id } = await one.schedules.add(echo(ran), every("100ms", { misfire: "catch-up" }));
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(8);
    await other.schedules.pause(id);
    const times = (await runsOf(one, id)).map(({ scheduledAt }) => scheduledAt as number);
    expect(times).toEqual(times.map((_, n) => (times[0] as number) + 100 * n));
  });

  test("a process with scheduler: false fires nothing, and runs what others fire", async () => {
    const ran: unknown[] = [];
    const scene = open();
    const worker = scene.app({ scheduler: false }, echo(ran));
    await worker.run();
    const { id } = await worker.schedules.add(echo(ran), every("100ms", { misfire: "catch-up" }));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await runsOf(worker, id)).toEqual([]);
    const center = scene.app();
    await center.run();
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(3);
  });

  test("a one-shot fires once, also when its time had passed, and has ended then", async () => {
    const ran: unknown[] = [];
    const app = open().app({}, echo(ran));
    await app.run();
    const past = await app.schedules.add(echo(ran), at("2020-01-01T00:00:00Z"));
    await expect.poll(async () => (await app.schedules.find(past.id))?.state, patient).toBe("ended");
    expect((await runsOf(app, past.id)).map(({ scheduledAt }) => scheduledAt)).toEqual([Date.UTC(2020, 0, 1)]);
    const skipped = await app.schedules.add(echo(ran), at("2020-01-01T00:00:00Z", { misfire: "skip" }));
    expect(skipped.state).toBe("ended");
    expect(await runsOf(app, skipped.id)).toEqual([]);
  });

  test("a fixed delay counts from the end of the execution before, however long that takes", async () => {
    const slow = job("slow", {}, async (ctx) => ctx.step("work", { run: () => wait(300), irreversible: "a test" }));
    const app = open().app({}, slow);
    await app.run();
    const { id } = await app.schedules.add(slow, every("100ms", { afterEnd: true }));
    await expect.poll(async () => (await runsOf(app, id)).length, patient).toBeGreaterThanOrEqual(3);
    await app.schedules.pause(id);
    const rows = await runsOf(app, id);
    for (const [n, row] of rows.entries()) {
      const before = rows[n - 1];
      if (before !== undefined) expect(row.scheduledAt).toBe((before.endedAt as number) + 100);
    }
  });

  test("a paused schedule fires nothing; resumed, it owes what it missed only if it catches up", async () => {
    const ran: unknown[] = [];
    const app = open().app({}, echo(ran));
    await app.run();
    const options = { misfire: { policy: "catch-up", maxCatchUp: 1_000 } } as const;
    const owing = await app.schedules.add(echo(ran), every("100ms", options), { paused: true });
    const free = await app.schedules.add(echo(ran), every("100ms"), { paused: true, note: "not yet" });
    expect(owing).toMatchObject({ state: "paused", paused: "person", nextAt: null });
    await wait(450);
    expect(ran).toEqual([]);
    const resumed = await app.schedules.resume(free.id, { note: "go" });
    await app.schedules.resume(owing.id);
    await expect.poll(async () => (await runsOf(app, free.id)).length, patient).toBeGreaterThanOrEqual(1);
    await expect.poll(async () => (await runsOf(app, owing.id)).length, patient).toBeGreaterThanOrEqual(5);
    expect((await runsOf(app, free.id))[0]?.scheduledAt).toBe(resumed.nextAt);
    expect((await runsOf(app, owing.id))[0]?.scheduledAt).toBeLessThan(owing.createdAt + 101);
    expect((await app.schedules.audit(free.id)).map(({ verb, note }) => [verb, note])).toEqual([
      ["create", "not yet"],
      ["resume", "go"],
    ]);
  });

  test("an edit changes times and input, and the version; nothing planned before it is fired after", async () => {
    const ran: unknown[] = [];
    const app = open().app({}, echo(ran));
    await app.run();
    const { id } = await app.schedules.add(echo(ran), cron("0 0 0 1 1 ?"), { name: "yearly", input: "old" });
    const edited = await app.schedules.edit("yearly", { on: every("100ms"), input: "new" }, echo(ran));
    expect(edited).toMatchObject({ id, version: 2, schedule: { every: 100 }, name: "yearly" });
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(2);
    expect(ran[0]).toMatchObject([expect.stringContaining(id), "new"]);
    await expect(app.schedules.add(echo(ran), every("1m"), { name: "yearly" })).rejects.toMatchObject({
      code: "SCHEDULE_EXISTS",
    });
    await app.schedules.remove("yearly");
    expect(await app.schedules.find("yearly")).toBeNull();
    await expect(app.schedules.pause("yearly")).rejects.toMatchObject({ code: "SCHEDULE_UNKNOWN" });
  });

  test("run once, preview and backfill", async () => {
    const ran: unknown[] = [];
    const app = open().app({}, echo(ran));
    await app.run();
    const { id } = await app.schedules.add(echo(ran), cron("0 0 12 * * ?"), { input: 1, paused: true });
    expect(await (await app.schedules.runOnce(id)).result()).toBe(1);
    expect(await (await app.schedules.runOnce(id, { input: 2 })).result()).toBe(2);
    expect((await runsOf(app, id)).map(({ scheduledAt }) => scheduledAt)).toEqual([null, null]);
    expect(await app.schedules.preview(id, { from: "2026-03-01", count: 2 })).toEqual([
      new Date("2026-03-01T12:00:00Z"),
      new Date("2026-03-02T12:00:00Z"),
    ]);
    const range = { from: "2026-03-01", to: "2026-03-04" };
    expect(await app.schedules.backfill(id, { ...range, limit: 2 })).toEqual({
      ...{ startedCount: 2, existedCount: 0, resumeAt: Date.UTC(2026, 2, 3, 12) },
    });
    expect(await app.schedules.backfill(id, range)).toEqual({ startedCount: 1, existedCount: 2, resumeAt: null });
    await expect.poll(() => ran.length, patient).toBe(5);
  });

  test("a failed execution of a fire is restarted under the fire's key, and stays with its schedule", async () => {
    let isBroken = true;
    const flaky = job("flaky", { input: anything, key: () => "the job's own" }, async () => {
      if (isBroken) throw new Error("broken");
      return "fine";
    });
    const app = open().app({}, flaky);
    await app.run();
    const { id } = await app.schedules.add(flaky, at("2020-01-01T00:00:00Z"), { input: 7 });
    await expect.poll(async () => (await runsOf(app, id))[0]?.state, patient).toBe("failed");
    const [first] = await runsOf(app, id);
    isBroken = false;
    const again = await app.restart(first?.id ?? "");
    expect(await again.result()).toBe("fine");
    expect(again.round).toBe(1);
    expect(await app.find(again.id)).toMatchObject({ key: first?.key, schedule: id, scheduledAt: first?.scheduledAt });
  });

  test("a handler of an executor is what a center's job is given", async () => {
    const app = open().app();
    await app.open();
    const call = { group: "orders", handler: "closeBooks", param: "7", route: "FAILOVER", block: "SERIAL_EXECUTION" };
    const { id, call: shown } = await app.schedules.add({ ...call, timeout: "30s", retries: 2 }, every("1m"));
    expect(shown).toEqual({
      ...{ group: "orders", handler: "closeBooks", param: "7", route: "failover", block: "serial" },
      ...{ timeoutMs: 30_000, retries: 2 },
    });
    const [first, second] = [await app.schedules.runOnce(id), await app.schedules.runOnce(id, { param: "8" })];
    expect(await app.find(first.id)).toMatchObject({ job: "makegood.dispatch", group: "orders", status: "ready" });
    expect(await app.find(second.id)).toMatchObject({ status: "waiting", schedule: id });
    const given: unknown[] = [];
    const dispatch = job("makegood.dispatch", { input: anything }, async (_, input) => void given.push(input));
    const center = open().app({}, dispatch);
    await center.run();
    await expect(app.schedules.add({ group: "a b", handler: "x" }, every("1m"))).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("group: expected"),
    });
    await expect(app.schedules.add({ group: "a", handler: "x", route: "?" }, every("1m"))).rejects.toThrow("failover");
  });

  test("a call loses its limits by null, and is sent by hand to the executors that are named", async () => {
    const given: unknown[] = [];
    const dispatch = job("makegood.dispatch", { input: anything }, async (_, input) => void given.push(input));
    const app = open().app({}, dispatch);
    await app.run();
    const call = { group: "orders", handler: "closeBooks" } as const;
    const added = await app.schedules.add({ ...call, block: "serial", timeout: "30s", retries: 2 }, every("1d"), {
      paused: true,
    });
    const { id, call: kept } = await app.schedules.edit(added.id, { call: { block: null, timeout: null } });
    expect(kept).toEqual({ ...call, param: "", route: "round", block: null, timeoutMs: null, retries: 2 });
    const addresses = ["http://10.0.0.5:9999/"];
    await (await app.schedules.runOnce(id, { addresses })).outcome();
    await (await app.schedules.runOnce(id, { param: "8" })).outcome();
    expect(given).toEqual([
      { ...kept, addresses },
      { ...kept, param: "8" },
    ]);
    for (const wrong of [[], [""], ["a\u0000"], "http://10.0.0.5:9999/", Array(101).fill("http://10.0.0.5:9999/")])
      await expect(app.schedules.runOnce(id, { addresses: wrong as never })).rejects.toMatchObject({
        code: "OPTION_INVALID",
        message: expect.stringContaining("addresses: expected 1 to 100 addresses"),
      });
    const other = await app.schedules.add(echo([]), every("1d"), { paused: true });
    await expect(app.schedules.runOnce(other.id, { addresses })).rejects.toThrow(
      "found addresses, which is for handlers",
    );
  });

  test("a trigger that computes its input cannot be stored", async () => {
    const app = open().app();
    const computing = every("1m", { input: () => 1 });
    await expect(app.schedules.add(echo([]), computing as never)).rejects.toThrow("input function");
    await expect(app.schedules.add(echo([]), {} as never)).rejects.toThrow("expected a trigger such as cron");
  });
});

describeEngine("schedules declared in code", (open) => {
  const declaring = (ran: unknown[], ...on: readonly unknown[]) =>
    job("report", { input: anything, on: on as never }, async (ctx, input: unknown) => void ran.push([ctx.key, input]));

  test("are there when the process runs, and fire with an input that their code computes", async () => {
    const ran: [string, { readonly at: number }][] = [];
    const trigger = every("100ms", { input: (fire) => ({ at: fire.scheduledAt.getTime(), shard: fire.shard }) });
    const app = open().app({}, declaring(ran, trigger));
    await app.run();
    const { id, source, name } = (await app.schedules.list())[0] ?? {};
    expect({ source, name }).toEqual({ source: "code", name: "report" });
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(2);
    for (const [key, input] of ran)
      expect(input).toEqual({ at: Number(key.split("@")[1]), shard: { index: 0, total: 1 } });
    expect(ran[0]?.[0]).toContain(id);
  });

  test("of a job that is registered while the process works are there a moment later", async () => {
    const ran: unknown[] = [];
    const app = open().app();
    await app.run();
    app.register(declaring(ran, every("100ms")));
    await expect.poll(() => ran.length, patient).toBeGreaterThanOrEqual(1);
    expect(await app.schedules.find("report")).toMatchObject({ source: "code" });
  });

  test("with a computed input they are fired only where that code is", async () => {
    const ran: unknown[] = [];
    const scene = open();
    const options = { misfire: { policy: "catch-up", maxCatchUp: 1_000 } } as const;
    const home = scene.app({ scheduler: false }, declaring(ran, every("100ms", { ...options, input: () => 1 })));
    await home.run();
    const center = scene.app();
    await center.run();
    await wait(350);
    const { id = "" } = (await center.schedules.find("report")) ?? {};
    expect(await center.list({ schedule: id })).toEqual([]);
    await expect(center.schedules.runOnce(id)).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    expect(await (await home.schedules.runOnce(id)).result()).toBeUndefined();
  });

  test("an input that cannot be made passes the fire over, and says so", async () => {
    const scene = open();
    const trigger = every("100ms", {
      input: () => {
        throw new Error("no input today");
      },
    });
    const app = scene.app({}, declaring([], trigger));
    await app.run();
    await expect.poll(() => logged.length, patient).toBeGreaterThanOrEqual(2);
    expect(logged[0]?.[0]).toContain("passed over");
    const row = await app.schedules.find("report");
    expect(row?.lastFiredAt).toBeGreaterThan(0);
    expect(await app.list({ schedule: row?.id ?? "" })).toEqual([]);
  });

  test("are left alone where nothing changed, updated where they did, paused where they are gone, resumed when they are back", async () => {
    const scene = open();
    const warned: unknown[] = [];
    const log = { ...quietLog, warn: (fields: object, message: string) => void warned.push([message, fields]) };
    const run = async (...on: readonly unknown[]) => {
      const app = scene.app({ log }, declaring([], ...on));
      await app.run();
      const shown = (await app.schedules.list()).map(({ name, version, paused }) => [name, version, paused]);
      await app.stop({ graceMs: 0 });
      return shown.toSorted(byName);
    };
    const daily = (hour: number) => cron(`0 0 ${hour} * * ?`);
    expect(await run(daily(1), daily(2))).toEqual([
      ["report", 1, null],
      ["report#2", 1, null],
    ]);
    expect(await run(daily(1), daily(2))).toEqual([
      ["report", 1, null],
      ["report#2", 1, null],
    ]);
    expect(await run(daily(1), daily(3))).toEqual([
      ["report", 1, null],
      ["report#2", 2, null],
    ]);
    expect(warned).toEqual([]);
    expect(await run(daily(1))).toEqual([
      ["report", 1, null],
      ["report#2", 3, "gone"],
    ]);
    expect(warned).toEqual([
      [expect.stringContaining("gone from the code"), expect.objectContaining({ schedule: "report#2" })],
    ]);
    expect(await run(daily(1), daily(3))).toEqual([
      ["report", 1, null],
      ["report#2", 4, null],
    ]);
  });

  test("of a job that no live worker has are paused by the next process that begins; those of people stay", async () => {
    const scene = open();
    const app = scene.app({}, declaring([], cron("0 0 1 * * ?")));
    await app.run();
    await app.schedules.add(declaring([]), cron("0 0 1 * * ?"), { name: "mine" });
    const beside = scene.app({ workerName: "beside" });
    await beside.run();
    expect(await beside.schedules.find("report")).toMatchObject({ state: "active" });
    await app.stop({ graceMs: 0 });
    const after = scene.app({ workerName: "after" });
    await after.run();
    expect(await after.schedules.find("report")).toMatchObject({ state: "paused", paused: "gone" });
    expect(await after.schedules.find("mine")).toMatchObject({ state: "active" });
    expect((await after.schedules.audit("report")).at(-1)).toMatchObject({
      verb: "pause",
      note: "no live worker has its job",
    });
  });

  test("one that a person paused stays so; it cannot be edited or removed from outside", async () => {
    const scene = open();
    const trigger = cron("0 0 1 * * ?");
    const app = scene.app({}, declaring([], trigger));
    await app.run();
    await app.schedules.pause("report");
    const again = scene.app({}, declaring([], trigger));
    await again.run();
    expect(await again.schedules.find("report")).toMatchObject({ paused: "person", version: 2 });
    await expect(app.schedules.edit("report", { on: every("1m") })).rejects.toMatchObject({
      code: "SCHEDULE_DECLARED",
    });
    await expect(app.schedules.remove("report")).rejects.toMatchObject({ code: "SCHEDULE_DECLARED" });
  });

  test("four processes that begin at once agree", async () => {
    const scene = open();
    const apps = [1, 2, 3, 4].map(() => scene.app({}, declaring([], cron("0 0 1 * * ?"), cron("0 0 2 * * ?"))));
    await Promise.all(apps.map((app) => app.run()));
    const shown = await apps[0]?.schedules.list();
    expect(shown?.map(({ name, version, paused }) => [name, version, paused]).toSorted(byName)).toEqual([
      ["report", 1, null],
      ["report#2", 1, null],
    ]);
  });
});

const byName = ([a]: readonly unknown[], [b]: readonly unknown[]): number => (String(a) < String(b) ? -1 : 1);
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
