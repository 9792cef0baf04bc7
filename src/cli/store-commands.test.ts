import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cron, job, makegood, NonRetryableError, type Schema } from "../index.ts";
import { sqlite } from "../sqlite.ts";
import { runCli } from "./testing/run-cli.ts";

// biome-ignore lint/suspicious/noExplicitAny: any input
const anything: Schema<any, any> = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "makegood-cli-"));
  store = join(folder, "engine.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: readonly string[]) {
  const { code, out, error } = await runCli(...args, "--store", store);
  return { code, out: out.split("\n").slice(0, -1), error };
}

const handler = ["--group", "orders", "--handler", "closeBooks"] as const;

async function add(...args: readonly string[]): Promise<string> {
  const { code, out, error } = await run("schedules", "add", ...handler, ...args, "--json");
  expect(error).toBe("");
  expect(code).toBe(0);
  const { id, ...rest } = JSON.parse(out.join("")) as { readonly id: string };
  expect(rest).toEqual({});
  return id;
}

const listed = async (...args: readonly string[]): Promise<readonly Record<string, unknown>[]> => {
  const { code, out } = await run(...args, "--json");
  expect(code).toBe(0);
  return out.map((line) => JSON.parse(line) as Record<string, unknown>);
};

/** What a center runs, here without executors. */
async function work(handle: (call: unknown) => unknown, until: () => Promise<boolean>): Promise<void> {
  const dispatch = job("makegood.dispatch", { input: anything }, async (_, call) => handle(call));
  const app = makegood({ store: sqlite(store), poll: "20ms" });
  app.register(dispatch);
  await app.run();
  await expect.poll(until, { timeout: 10_000, interval: 50 }).toBe(true);
  await app.stop({ grace: "5s" });
}

describe("schedules", () => {
  test("add prints the id; list shows what was given, and what is next", async () => {
    const id = await add(
      "--cron",
      "0 30 2 * * ?",
      "--zone",
      "Asia/Shanghai",
      "--name",
      "nightly",
      "--misfire",
      "catch-up:7",
    );
    const often = await add(
      "--every",
      "30s",
      "--param",
      "7",
      "--route",
      "FAILOVER",
      "--block",
      "serial",
      "--timeout",
      "9",
      "--retries",
      "2",
    );
    const once = await add("--at", "2199-01-01", "--paused");
    const rows = await listed("schedules", "list");
    expect(rows.map((row) => row["id"])).toEqual([id, often, once].toSorted().toReversed());
    const of = (ref: string) => rows.find((row) => row["id"] === ref);
    expect(of(id)).toMatchObject({
      ...{ name: "nightly", state: "active", source: "person", job: "makegood.dispatch" },
      schedule: { cron: "0 30 2 * * ?", dialect: "quartz", zone: "Asia/Shanghai" },
      misfire: { policy: "catch-up", maxCatchUp: 7 },
      next: expect.stringMatching(/T18:30:00\.000Z$/),
    });
    expect(of(often)).toMatchObject({
      call: {
        ...{ group: "orders", handler: "closeBooks", param: "7", route: "failover", block: "serial" },
        ...{ timeoutMs: 9_000, retries: 2 },
      },
      misfire: { policy: "fire-once" },
    });
    expect(of(once)).toMatchObject({ state: "paused", next: null });
    expect((await run("schedules", "list")).out).toHaveLength(3);
    expect(await listed("schedules", "list", "--group", "others")).toEqual([]);
  });

  test("edit lets one follow others, and gives it times again", async () => {
    const id = await add("--every", "1h", "--name", "report");
    await add("--at", "2199-01-01", "--name", "load");
    expect((await run("schedules", "edit", "report", "--after", "load", "--join", "any")).out).toEqual([
      `${id}  follows others`,
    ]);
    const found = async () => (await listed("schedules", "list")).find((row) => row["id"] === id);
    expect(await found()).toMatchObject({ next: null, state: "active", schedule: { join: "any" } });
    expect(await run("schedules", "edit", "report", "--zone", "UTC")).toMatchObject({
      code: 2,
      error: expect.stringContaining("expected a schedule with times, found one that follows others"),
    });
    await run("schedules", "edit", "report", "--every", "2h");
    expect(await found()).toMatchObject({ next: expect.any(String), schedule: { every: 7_200_000 } });
    expect((await run("schedules", "graph")).out).toEqual(["flowchart LR"]);
  });

  test("add refuses to follow what is not there", async () => {
    expect(await run("schedules", "add", ...handler, "--after", "load")).toMatchObject({
      code: 1,
      error: expect.stringContaining(
        'SCHEDULE_UNKNOWN: expected a schedule to follow, found none of id or name "load"',
      ),
    });
  });

  test("add makes one that follows others, list says so, and graph draws it", async () => {
    await add("--every", "1h", "--name", "load");
    await add("--at", "2199-01-01", "--name", "check");
    const id = await add("--after", "load, check", "--join", "all", "--name", "report");
    expect((await listed("schedules", "list")).find((row) => row["id"] === id)).toMatchObject({
      ...{ state: "active", next: null, schedule: { join: "all", after: [{ job: "makegood.dispatch" }, {}] } },
    });
    expect((await run("schedules", "list")).out.join()).toMatch(
      /report {2}orders\/closeBooks {2}after all of load, check/,
    );
    expect((await run("schedules", "graph")).out).toEqual([
      "flowchart LR",
      '  n1["load"] -- all --> n2["report"]',
      '  n3["check"] -- all --> n2',
    ]);
    expect((await listed("schedules", "graph")).map(({ from }) => (from as { name: string }).name)).toEqual([
      "load",
      "check",
    ]);
    await run("schedules", "pause", "report");
    expect((await run("schedules", "graph")).out[1]).toBe('  n1["load"] -. all .-> n2["report"]');
  });

  test("pause, resume and remove take an id or a name", async () => {
    const id = await add("--every", "1h", "--name", "hourly");
    expect(await run("schedules", "pause", "hourly", "--note", "stocktaking")).toMatchObject({
      code: 0,
      out: [`${id}  paused`],
    });
    expect((await listed("schedules", "list"))[0]).toMatchObject({ state: "paused" });
    expect((await run("schedules", "resume", id)).out[0]).toContain("fires next at 20");
    expect(await run("schedules", "remove", id)).toMatchObject({ code: 0 });
    expect(await listed("schedules", "list")).toEqual([]);
    expect(await run("schedules", "pause", "hourly")).toMatchObject({
      code: 1,
      error: expect.stringMatching(/^makegood: SCHEDULE_UNKNOWN: there is no schedule "hourly"/),
    });
  });

  test.each([
    [["--group", "a", "--every", "1s"], /expected --group, and --handler or --script, found no --handler/],
    [[...handler], /expected one of --cron, --every, --at and --after, found none/],
    [[...handler, "--every", "1s", "--at", "2030-01-01"], /found --every and --at/],
    [[...handler, "--every", "1s", "--retries", "failed=1,lots=2"], /lots/],
    [[...handler, "--every", "1s", "--retries", "failed=many"], /retries failed/],
    [[...handler, "--every", "soon"], /OPTION_INVALID: every\.every: expected a duration/],
    [[...handler, "--every", "1ms"], /expected a duration from 100ms/],
    [[...handler, "--cron", "0 0 25 * * ?"], /CRON_INVALID: quartz cron .*hours?/],
    [[...handler, "--at", "tomorrow"], /expected an instant/],
    [[...handler, "--every", "1s", "--zone", "Mars"], /zone/],
    [[...handler, "--after", "load", "--join", "both"], /expected one of each, any, all, found "both"/],
    [[...handler, "--after", ","], /expected jobs made with job\(…\), or schedules by id or name, found ""/],
    [[...handler, "--after", "load", "--zone", "UTC"], /--zone: expected it beside --cron, --every or --at alone/],
    [[...handler, "--every", "1s", "--join", "all"], /--join: expected it beside --after alone/],
    [[...handler, "--every", "1s", "--dialect", "unix"], /--dialect: expected it beside --cron/],
    [[...handler, "--every", "1s", "--misfire", "forget"], /expected one of skip, fire-once, catch-up, found "forget"/],
    [[...handler, "--every", "1s", "--misfire", "catch-up:0"], /from 1 to 1000, found "0"/],
    [[...handler, "--every", "1s", "--route", "nearest"], /route: expected one of first, last, round/],
    [[...handler, "--every", "1s", "--block", "maybe"], /block: expected one of serial/],
    [[...handler, "--every", "1s", "--timeout", "1.5"], /--timeout: expected a whole number/],
    [[...handler, "--every", "1s", "--retries", "-1"], /retries/],
    [["--group", "a b", "--handler", "x", "--every", "1s"], /group: expected 1 to 64 letters/],
    [[...handler, "--every", "1s", "--name", "a b"], /JOB_NAME_INVALID/],
  ])("add %j is refused in words", async (args, message) => {
    const { code, error } = await run("schedules", "add", ...args);
    expect(error).toMatch(message);
    expect(code).toBe(2);
  });

  describe("of a script", () => {
    const group = ["--group", "orders", "--every", "1h"] as const;
    const fileOf = (text: string | Uint8Array): string => {
      const path = join(folder, "script.sh");
      writeFileSync(path, text);
      return path;
    };

    test("add reads it from a file; edit puts another one, or a handler, in its place", async () => {
      const file = fileOf("echo $1\r\n");
      const added = await run("schedules", "add", ...group, "--script", file, "--language", "shell", "--name", "clean");
      expect(added).toMatchObject({ code: 0 });
      expect((await run("schedules", "list")).out.join()).toContain("  clean  orders/GLUE_SHELL  ");
      const callOf = async () => (await listed("schedules", "list"))[0]?.["call"];
      expect(await callOf()).toMatchObject({ handler: "", script: { type: "GLUE_SHELL", source: "echo $1\n" } });
      fileOf("print(1)");
      expect(await run("schedules", "edit", "clean", "--script", file, "--language", "python")).toMatchObject({
        code: 0,
      });
      expect(await callOf()).toMatchObject({ script: { type: "GLUE_PYTHON", source: "print(1)" } });
      await run("schedules", "edit", "clean", "--handler", "settle");
      expect(await callOf()).toMatchObject({ handler: "settle" });
      expect(await callOf()).not.toHaveProperty("script");
      await using reader = makegood({ store: sqlite(store) });
      expect(await reader.schedules.audit("clean")).toMatchObject([
        {
          verb: "create",
          actor: { kind: "user", id: "command line" },
          note: expect.stringMatching(/^GLUE_SHELL with SHA-256 [0-9a-f]{64}$/),
        },
        { verb: "edit", note: expect.stringMatching(/^GLUE_PYTHON with SHA-256 [0-9a-f]{64}$/) },
        { verb: "edit", note: null },
      ]);
    });

    test.each<[readonly string[], string | Uint8Array, RegExp]>([
      [["--language", "shell"], "x", /--language: expected it beside --script alone/],
      [["--script", "FILE"], "x", /--script: expected --language beside it, one of shell, python, .* found none/],
      [["--script", "FILE", "--language", "perl"], "x", /--language: expected one of shell, .* found "perl"/],
      [["--script", "FILE", "--language", "constructor"], "x", /--language: expected one of shell/],
      [["--script", "FILE", "--language", "shell", "--handler", "settle"], "x", /in place of --handler, found both/],
      [["--script", "missing.sh", "--language", "shell"], "x", /--script: expected a file .* ENOENT/],
      [
        ["--script", "FILE", "--language", "shell"],
        new Uint8Array([0xff, 0xfe, 0x00]),
        /--script: expected a file of text/,
      ],
      [["--script", "FILE", "--language", "shell"], "x".repeat(65_537), /script.source: .* found 65537 bytes/],
      [["--script", "FILE", "--language", "shell"], "", /script.source: expected a text of 1 to 65536 bytes/],
      [[], "x", /schedules add: expected --group, and --handler or --script, found no --handler/],
    ])("add %j is refused in words", async (args, text, message) => {
      const file = fileOf(text);
      const { code, error } = await run("schedules", "add", ...group, ...args.map((it) => (it === "FILE" ? file : it)));
      expect(error).toMatch(message);
      expect(code).toBe(2);
    });
  });

  test("a name that is taken is told", async () => {
    await add("--every", "1h", "--name", "hourly");
    expect(await run("schedules", "add", ...handler, "--every", "1h", "--name", "hourly")).toMatchObject({
      code: 1,
      error: expect.stringContaining("SCHEDULE_EXISTS"),
    });
  });
});

describe("schedules edit", () => {
  const only = async () => (await listed("schedules", "list"))[0];

  test("changes what is given, and the rest stays", async () => {
    const call = [
      "--param",
      "7",
      "--route",
      "failover",
      "--block",
      "serial",
      "--timeout",
      "9",
      "--retries",
      "2",
    ] as const;
    const bounds = [
      "--zone",
      "Asia/Shanghai",
      "--start",
      "2026-01-01",
      "--jitter",
      "3s",
      "--misfire",
      "catch-up:7",
    ] as const;
    const id = await add("--cron", "0 30 2 * * ?", "--name", "nightly", ...bounds, ...call);
    const before = await only();
    const { code, out } = await run("schedules", "edit", "nightly", "--cron", "0 0 4 * * ?", "--param", "");
    expect(code).toBe(0);
    expect(out[0]).toMatch(new RegExp(`^${id}  fires next at .*T20:00:0`));
    const kept = { zone: "Asia/Shanghai", start: Date.UTC(2025, 11, 31, 16), jitter: 3_000 };
    expect(await only()).toMatchObject({
      ...{ id, name: "nightly", misfire: { policy: "catch-up", maxCatchUp: 7 } },
      schedule: { cron: "0 0 4 * * ?", dialect: "quartz", ...kept },
      call: { ...(before?.["call"] as object), param: "" },
    });
    expect((await run("schedules", "edit", id, "--zone", "UTC", "--misfire", "skip", "--json")).out).toEqual([
      `{"id":"${id}"}`,
    ]);
    expect(await only()).toMatchObject({
      schedule: { cron: "0 0 4 * * ?", ...kept, zone: "UTC" },
      misfire: { policy: "skip" },
      next: expect.stringMatching(/T04:00:0/),
    });
    await run("schedules", "edit", id, "--every", "1h", "--after-end");
    expect((await only())?.["schedule"]).toEqual({ every: 3_600_000, afterEnd: true, ...kept, zone: "UTC" });
    await run("schedules", "edit", id, "--jitter", "1s");
    expect((await only())?.["schedule"]).toEqual({
      every: 3_600_000,
      afterEnd: true,
      ...kept,
      zone: "UTC",
      jitter: 1_000,
    });
    await run("schedules", "edit", id, "--at", "2199-01-01T00:00:00Z");
    await run("schedules", "edit", id, "--zone", "Europe/Berlin");
    expect((await only())?.["schedule"]).toMatchObject({ at: Date.UTC(2199, 0, 1), zone: "Europe/Berlin" });
  });

  test("changes the call, and takes its limits off", async () => {
    const id = await add("--every", "1h", "--block", "serial", "--timeout", "9", "--retries", "2", "--paused");
    const change = ["--handler", "other", "--route", "LAST", "--block", "DISCARD_LATER", "--retries", "0"] as const;
    expect((await run("schedules", "edit", id, ...change, "--note", "new executor")).out).toEqual([`${id}  paused`]);
    expect(await only()).toMatchObject({
      ...{ state: "paused", schedule: { every: 3_600_000 } },
      call: { handler: "other", route: "last", block: "discard-new", timeoutMs: 9_000, retries: 0 },
    });
    await run("schedules", "edit", id, "--block", "none", "--timeout", "none", "--group", "stock");
    expect(await only()).toMatchObject({ call: { group: "stock", block: null, timeoutMs: null, handler: "other" } });
    await using reader = makegood({ store: sqlite(store) });
    expect(await reader.schedules.audit(id)).toMatchObject([
      { verb: "create" },
      { verb: "edit", actor: { kind: "user", id: "command line" }, note: "new executor" },
      { verb: "edit", note: null },
    ]);
  });

  test.each([
    [[], 2, /expected the id or name of a schedule, found 0 arguments/],
    [["yearly"], 2, /expected something to change/],
    [["yearly", "--note", "why"], 2, /expected something to change/],
    [["none", "--every", "2h"], 1, /SCHEDULE_UNKNOWN/],
    [["none", "--param", "a"], 1, /SCHEDULE_UNKNOWN/],
    [["yearly", "--every", "2h", "--at", "2030-01-01"], 2, /schedules edit: expected one of .* found --every and --at/],
    [["yearly", "--after-end"], 2, /schedules edit: expected one of --cron, --every, --at and --after, found none/],
    [["yearly", "--cron", "0 0 25 * * ?"], 2, /CRON_INVALID: quartz cron .*hours?/],
    [["yearly", "--zone", "Mars"], 2, /zone/],
    [["yearly", "--misfire", "forget"], 2, /expected one of skip, fire-once, catch-up, found "forget"/],
    [["yearly", "--route", "nearest"], 2, /route: expected one of first, last, round/],
    [["yearly", "--timeout", "0"], 2, /--timeout: expected a whole number from 1/],
    [["yearly", "--name", "daily"], 2, /Unknown option '--name'/],
    [["pay", "--param", "a"], 2, /expected input for job pay, found a call/],
    [["declared", "--every", "2h"], 1, /SCHEDULE_DECLARED/],
  ])("%j ends with %i and words, and changes nothing", async (args, expected, message) => {
    const newYear = "0 0 0 1 1 ?";
    await add("--cron", newYear, "--name", "yearly");
    await using app = makegood({ store: sqlite(store) });
    const declared = job("declared", { on: [cron(newYear)] }, async () => {});
    app.register(declared);
    await app.run();
    await app.schedules.add(
      job("pay", {}, async () => {}),
      cron(newYear),
      { name: "pay", paused: true },
    );
    await expect.poll(() => app.schedules.find("declared")).not.toBeNull();
    const before = await listed("schedules", "list");
    expect(before).toHaveLength(3);
    const { code, error } = await run("schedules", "edit", ...args);
    expect(error).toMatch(message);
    expect(code).toBe(expected);
    expect(await listed("schedules", "list")).toEqual(before);
  });
});

describe("schedules backfill", () => {
  const may = ["--from", "2026-05-01T00:00:00Z", "--to", "2026-05-02T00:00:00Z"] as const;

  test("starts what is missing in the range, once", async () => {
    const id = await add("--cron", "0 0 0/6 * * ?", "--name", "six-hourly", "--zone", "UTC");
    const backfill = async (...args: readonly string[]) =>
      (await run("schedules", "backfill", "six-hourly", ...may, ...args)).out[0];
    expect(await backfill("--limit", "3")).toBe("six-hourly  3 started  0 existed  more from 2026-05-01T18:00:00.000Z");
    expect(await backfill("--note", "the center was down")).toBe("six-hourly  1 started  3 existed");
    const planned = (await listed("executions", "list", "--schedule", id)).map((row) => row["scheduled"]);
    expect(planned.toSorted()).toEqual(["00", "06", "12", "18"].map((hour) => `2026-05-01T${hour}:00:00.000Z`));
  });

  test.each([
    [[], 2, /expected --from TIME and --to TIME/],
    [["--from", "soon", "--to", "2026-05-02"], 2, /from: expected an instant/],
    [
      ["--from", "2026-05-02", "--to", "2026-05-01T00:00:00Z"],
      2,
      /to: expected an instant after from \(2026-05-02T00:00:00.000Z\), found 2026-05-01T/,
    ],
    [[...may, "--limit", "0"], 2, /--limit: expected a whole number from 1 to 10000/],
  ])("%j ends with %i and words", async (args, expected, message) => {
    await add("--every", "1h", "--name", "hourly", "--zone", "UTC");
    const { code, error } = await run("schedules", "backfill", "hourly", ...args);
    expect(error).toMatch(message);
    expect(code).toBe(expected);
  });
});

describe("executions that got stuck", () => {
  let isBankUp: boolean;
  const undone: string[] = [];
  beforeEach(() => {
    isBankUp = false;
    undone.length = 0;
  });
  const pay = job("pay", { input: anything }, async (ctx, order) => {
    await ctx.step("charge", {
      run: () => "charged",
      compensate: () => {
        if (!isBankUp) throw new NonRetryableError("the bank refuses");
        undone.push("charge");
      },
    });
    if (order === "slow") await ctx.sleep("pause", "1h");
    throw new NonRetryableError("out of stock");
  });
  const app = () => {
    const made = makegood({ store: sqlite(store), poll: "20ms" });
    made.register(pay);
    return made;
  };

  /** Runs it until it has the state, as a worker would. */
  async function until(state: string, id?: string): Promise<string> {
    await using worker = app();
    await worker.run();
    const of = id ?? (await worker.start(pay, "late")).id;
    await expect.poll(async () => (await worker.executions())[0]?.state, { timeout: 10_000 }).toBe(state);
    return of;
  }
  const stateOf = async () => (await listed("executions", "list"))[0]?.["state"];

  test("are told by incidents, and retry lets one go on when the cause is gone", async () => {
    const id = await until("parked");
    expect(await listed("executions", "incidents")).toEqual([
      {
        ...{ id: expect.any(String), executionId: id, code: expect.any(String), step: "charge" },
        ...{ error: expect.objectContaining({ message: "the bank refuses" }), openedAt: expect.stringMatching(/^20/) },
      },
    ]);
    expect((await run("executions", "incidents")).out[0]).toContain("the bank refuses");
    isBankUp = true;
    expect(await run("executions", "retry", id)).toMatchObject({
      code: 0,
      out: [`${id}  goes on with fresh attempts`],
    });
    await until("compensated", id);
    expect(undone).toEqual(["charge"]);
    expect(await listed("executions", "incidents")).toEqual([]);
  });

  test("settle ends one by a person's word, and the record bears who and why", async () => {
    const id = await until("parked");
    const settle = ["executions", "settle", id, "--as", "compensated", "--note", "paid back in cash"] as const;
    expect(await run(...settle)).toMatchObject({ code: 0, out: [`${id}  compensated`] });
    expect(await stateOf()).toBe("compensated");
    await using reader = app();
    expect((await reader.history(id)).audit).toContainEqual(
      expect.objectContaining({
        ...{ verb: "settle", note: "paid back in cash", actor: { kind: "user", id: "command line" } },
      }),
    );
    expect(await run(...settle)).toMatchObject({ code: 1, error: expect.stringContaining("EXECUTION_STATE") });
  });

  test("cancel turns one back that waits, and kill ends one at once, loudly", async () => {
    isBankUp = true;
    await using starter = app();
    const { id } = await starter.start(pay, "slow");
    await until("waiting", id);
    expect(await run("executions", "cancel", id)).toMatchObject({ code: 0, out: [`${id}  turning back`] });
    await until("canceled", id);
    expect(undone).toEqual(["charge"]);
    const { id: other } = await starter.start(pay, "slow");
    await until("waiting", other);
    expect(await run("executions", "kill", other)).toMatchObject({ code: 0, out: [`${other}  killed`] });
    expect(await stateOf()).toBe("killed");
    expect(await listed("executions", "incidents")).toMatchObject([{ executionId: other }]);
    expect(undone).toEqual(["charge"]);
  });

  test.each([
    [["cancel"], 2, /expected the id of an execution, found 0 arguments/],
    [["kill", "none"], 1, /EXECUTION_UNKNOWN/],
    [["resume", "none"], 1, /EXECUTION_UNKNOWN/],
    [["settle", "none"], 2, /--as: expected completed or compensated, found nothing/],
    [["settle", "none", "--as", "lost"], 2, /found "lost"/],
    [["retry", "none", "--as", "lost"], 2, /Unknown option/],
    [["incidents", "--limit", "many"], 2, /--limit: expected a whole number from 1 to 1000/],
  ])("executions %j ends with %i and words", async (args, expected, message) => {
    const { code, error } = await run("executions", ...args);
    expect(error).toMatch(message);
    expect(code).toBe(expected);
  });
});

describe("start and executions", () => {
  test("what a schedule fired, and what was started by hand, is listed with its outcome, and its log is shown", async () => {
    const id = await add("--at", "2020-01-01T00:00:00Z", "--param", "first");
    const given: unknown[] = [];
    const handle = (call: unknown) => {
      given.push((call as { param: string }).param);
      if (given.length === 1) return { closed: 7n };
      throw new Error("the books are locked");
    };
    const all = async () => listed("executions", "list", "--schedule", id);
    await work(handle, async () => (await all()).some((row) => row["state"] === "completed"));
    const { out } = await run("start", "--schedule", id, "--param", "second", "--json");
    const { id: byHand } = JSON.parse(out.join("")) as { readonly id: string };
    await work(handle, async () => (await all()).some((row) => row["state"] === "failed"));
    expect(given).toEqual(["first", "second"]);
    const [second, first] = await all();
    expect(first).toEqual({
      ...{ id: expect.any(String), job: "makegood.dispatch", schedule: id, state: "completed" },
      ...{ key: `${id}@${Date.UTC(2020, 0, 1)}`, attempt: 1, executor: null, result: { closed: "7" } },
      ...{ scheduled: "2020-01-01T00:00:00.000Z", started: expect.stringMatching(/^20/), finished: expect.any(String) },
    });
    expect(second).toMatchObject({
      id: byHand,
      key: null,
      state: "failed",
      error: { message: "the books are locked" },
    });
    expect(second).not.toHaveProperty("result");
    expect(await listed("executions", "list", "--limit", "1")).toMatchObject([{ id: byHand }]);
    expect(await listed("executions", "list", "--job", "other")).toEqual([]);
    const lines = await listed("executions", "log", byHand);
    expect(lines.map(({ text }) => text)).toEqual(
      [
        expect.stringMatching(/^started makegood.dispatch version 1 by \w+ /),
        expect.any(String),
        "ended: failed",
      ].toSpliced(1, lines.length === 2 ? 1 : 0),
    );
    expect((await run("executions", "log", byHand)).out.join("\n")).toContain("ended: failed");
    expect((await listed("executions", "log", byHand, "--search", "ENDED")).map(({ text }) => text)).toEqual([
      "ended: failed",
    ]);
  });

  test.each([
    [["start"], 2, /expected --schedule/],
    [["start", "--schedule", "nightly"], 1, /SCHEDULE_UNKNOWN/],
    [["executions", "forget"], 2, /found "forget"/],
    [["executions", "list", "--schedule", "nightly"], 2, /expected the id or name of a schedule, found "nightly"/],
    [["executions", "list", "--limit", "0"], 2, /--limit: expected a whole number from 1/],
    [["executions", "log"], 2, /expected the id of an execution, found 0 arguments/],
    [["executions", "log", "none"], 1, /EXECUTION_UNKNOWN/],
  ])("%j ends with %i and words", async (args, expected, message) => {
    const { code, error } = await run(...args);
    expect(error).toMatch(message);
    expect(code).toBe(expected);
  });
});
