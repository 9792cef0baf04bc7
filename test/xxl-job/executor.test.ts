// The executor's side of the protocol, over raw HTTP in each generation's bytes.
import { readdirSync } from "node:fs";
import { type XxlContext, type XxlRun, xxlHandler } from "makegood/xxl-job";
import { describe, expect, it, vi } from "vitest";
import { javaRequest, sendRaw, triggerBody } from "./raw.ts";
import { atEnd, generations, newAdmin, newFolder, startScene } from "./scene.ts";

/** A function that a test lets go on. */
function held() {
  const begun: number[] = [];
  const aborted: { readonly logId: number; readonly reason: string }[] = [];
  const gates = new Map<number, () => void>();
  const run = (run: XxlRun, { signal }: XxlContext): Promise<string> => {
    begun.push(run.logId);
    return new Promise((resolve, reject) => {
      gates.set(run.logId, () => resolve(`done ${run.logId}`));
      signal.addEventListener("abort", () => {
        aborted.push({ logId: run.logId, reason: String(signal.reason) });
        reject(signal.reason);
      });
    });
  };
  return { handler: xxlHandler(run), begun, aborted, release: (logId: number) => gates.get(logId)?.() };
}

const echo = xxlHandler(({ param, shardIndex, shardTotal }, { log }) => {
  log.info({}, "one");
  log.info({ two: 2 }, "two");
  return `${param} ${shardIndex}/${shardTotal}`;
});

describe.each(generations)("an executor under an admin of %s", (generation) => {
  it("is found alive by a beat, with the body of that generation", async () => {
    const scene = await startScene({ generation, jobs: { echo } });
    const answer = await scene.beat();
    expect(answer).toMatchObject({ status: 200, body: { code: 200 } });
  });

  it.each([null, '""', "", "{}", "null", "not json"])("is found alive by a beat with the body %j", async (body) => {
    const scene = await startScene({ generation, jobs: { echo } });
    expect((await scene.call("/beat", body)).body.code).toBe(200);
  });

  it("runs a trigger and calls back with what the function returned, in the form of that generation", async () => {
    const scene = await startScene({ generation, jobs: { echo } });
    const answer = await scene.trigger({ logId: 5, executorParams: "日本 x", broadcastIndex: 2, broadcastTotal: 7 });
    expect(answer).toMatchObject({ status: 200, body: { code: 200 } });
    expect(await scene.callback(5)).toEqual({
      logId: 5,
      logDateTim: 1_790_000_000_123,
      logDateTime: 1_790_000_000_123,
      handleCode: 200,
      handleMsg: "日本 x 2/7",
    });
  });

  it("calls back a failure with what was thrown", async () => {
    const jobs = {
      echo: xxlHandler(() => {
        throw new Error("refused on purpose");
      }),
    };
    const scene = await startScene({ generation, jobs });
    await scene.trigger({ logId: 6 });
    expect(await scene.callback(6)).toMatchObject({ handleCode: 500, handleMsg: "refused on purpose" });
    expect((await scene.log(6)).logContent).toContain("refused on purpose");
  });

  it("shows a run's log by pages, under the name that the generation reads", async () => {
    const scene = await startScene({ generation, jobs: { echo } });
    await scene.trigger({ logId: 7 });
    await scene.callback(7);
    const first = await scene.log(7);
    expect(first).toMatchObject({ fromLineNum: 1, toLineNum: 2, isEnd: false });
    expect(first.logContent.split("\n").map((it) => it.replace(/^\S+ /, ""))).toEqual([
      "INFO  one",
      'INFO  two {"two":2}',
    ]);
    expect(await scene.log(7, 2)).toMatchObject({ fromLineNum: 2, toLineNum: 2 });
    expect(await scene.log(7, 3)).toEqual({ fromLineNum: 3, toLineNum: 0, logContent: "", isEnd: false });
    expect(await scene.log(8)).toMatchObject({ fromLineNum: 1, toLineNum: 0, isEnd: true });
  });

  it("registers, and is removed when it stops", async () => {
    const scene = await startScene({ generation, jobs: { echo } });
    const registration = {
      registryGroup: "EXECUTOR",
      registryKey: "demo",
      registryValue: `http://127.0.0.1:${scene.port}/`,
    };
    await vi.waitFor(() => expect(scene.admin.registered).toEqual([registration]));
    await scene.executor.stop();
    expect(scene.admin.removed).toEqual([registration]);
  });

  it.each([
    ["a wrong token", { token: "other" }],
    ["no token", { token: null }],
    ["a longer token", { token: "secret " + "x" }],
  ])("refuses %s, and runs nothing", async (_, caller) => {
    const run = vi.fn(() => "ran");
    const scene = await startScene({ generation, jobs: { echo: xxlHandler(run) } });
    for (const path of ["/run", "/trigger", "/beat", "/idleBeat", "/kill", "/log"])
      expect(await scene.call(path, triggerBody({ logId: 1 }), caller)).toMatchObject({
        status: 200,
        body: { code: 500, msg: expect.stringContaining("token") },
      });
    expect(run).not.toHaveBeenCalled();
  });
});

describe("what a request says", () => {
  it("counts as a whole: another appname is refused, and a trigger of 3.5 without one", async () => {
    const scene = await startScene({ generation: "3.5", jobs: { echo } });
    for (const appname of ["other", null])
      expect((await scene.call("/trigger", triggerBody({ logId: 1 }), { appname })).body).toMatchObject({
        code: 500,
        msg: expect.stringContaining("appname"),
      });
  });

  it.each([
    ["/nothing", "uri-mapping(/nothing) not found"],
    ["/run/", "uri-mapping(/run/) not found"],
    ["/run?x=1", "uri-mapping(/run?x=1) not found"],
    ["/../run", "not found"],
    ["//run", "not found"],
  ])("is refused at %s", async (path, msg) => {
    const scene = await startScene({ jobs: { echo } });
    expect(await scene.call(path, triggerBody({ logId: 1 }))).toMatchObject({
      status: 200,
      body: { code: 500, msg: expect.stringContaining(msg) },
    });
  });

  it("is refused by another method than POST", async () => {
    const scene = await startScene({ jobs: { echo } });
    const bytes = javaRequest({ generation: "2.3" }, "/beat", null).replace("POST", "GET");
    expect(await sendRaw(scene.port, bytes)).toMatchObject({ status: 200, body: { code: 500 } });
  });

  it.each(["", '""', "[]", "{", '{"jobId":1}', '{"jobId":1,"logId":"../../x","executorHandler":"echo"}', "\0"])(
    "is refused as a trigger when it is %j, and the process lives",
    async (body) => {
      const scene = await startScene({ jobs: { echo } });
      for (const path of ["/run", "/idleBeat", "/kill", "/log"])
        if (!(path !== "/run" && body.includes('"jobId":1')))
          expect((await scene.call(path, body)).body).toMatchObject({ code: 500, msg: expect.any(String) });
      expect((await scene.beat()).body.code).toBe(200);
    },
  );

  it("is refused when it is too large, answered whole, and the connection closed after it", async () => {
    const scene = await startScene({ jobs: { echo }, maxBodyBytes: 2_048 });
    const answer = await scene.call("/run", triggerBody({ logId: 1, executorParams: "x".repeat(100_000) }));
    expect(answer).toMatchObject({ status: 200, body: { code: 500, msg: expect.stringContaining("2048 bytes") } });
    expect((await scene.beat()).body.code).toBe(200);
  });

  it("is refused for a handler that is not here, and for scripts", async () => {
    const scene = await startScene({ jobs: { echo } });
    expect((await scene.trigger({ logId: 1, executorHandler: "nobody" })).body).toMatchObject({
      code: 500,
      msg: expect.stringContaining("[nobody] not found"),
    });
    expect((await scene.trigger({ logId: 2, glueType: "GLUE_SHELL" })).body).toMatchObject({
      code: 500,
      msg: expect.stringContaining("runs no scripts"),
    });
  });

  it("may come on a connection that is used again, in one packet with the one before", async () => {
    const scene = await startScene({ jobs: { echo } });
    const [beat, run] = [
      javaRequest({ generation: "3.3" }, "/beat", null),
      javaRequest({ generation: "3.3" }, "/run", triggerBody({ logId: 9 })),
    ];
    expect((await sendRaw(scene.port, `${beat}${run}`)).body.code).toBe(200);
    expect(await scene.callback(9)).toMatchObject({ handleCode: 200 });
  });
});

describe("a repeated trigger", () => {
  it("runs once and is answered alike: while it runs, after it ended, and after a restart", async () => {
    const { handler, begun, release } = held();
    const folder = newFolder();
    const scene = await startScene({ folder, jobs: { echo: handler } });
    const answers = await Promise.all([1, 2, 3].map(() => scene.trigger({ logId: 11 })));
    await vi.waitFor(() => expect(begun).toEqual([11]));
    answers.push(await scene.trigger({ logId: 11 }));
    release(11);
    await scene.callback(11);
    answers.push(await scene.trigger({ logId: 11 }));
    await scene.executor.stop();
    const again = await startScene({ folder, admin: scene.admin, jobs: { echo: handler } });
    answers.push(await again.trigger({ logId: 11 }));
    expect(answers.map(({ body }) => body)).toEqual(answers.map(() => ({ code: 200 })));
    expect(begun).toEqual([11]);
    expect(scene.admin.callbacks).toHaveLength(1);
  });

  it("runs once when it waits in the queue", async () => {
    const { handler, begun, release } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    await scene.trigger({ logId: 1 });
    await scene.trigger({ logId: 2 });
    await scene.trigger({ logId: 2 });
    release(1);
    await vi.waitFor(() => expect(begun).toEqual([1, 2]));
    release(2);
    await scene.callback(2);
    expect((await scene.idleBeat()).body.code).toBe(200);
  });

  it("with another parameter is refused: it cannot be the same order", async () => {
    const scene = await startScene({ jobs: { echo } });
    await scene.trigger({ logId: 1, executorParams: "a" });
    expect((await scene.trigger({ logId: 1, executorParams: "b" })).body).toMatchObject({
      code: 500,
      msg: expect.stringContaining("not run again"),
    });
  });

  it("of another day is another order: the admin's database was replaced", async () => {
    const scene = await startScene({ jobs: { echo } });
    await scene.trigger({ logId: 1, executorParams: "old" });
    await scene.callback(1);
    await scene.trigger({ logId: 1, executorParams: "new", logDateTime: 1_790_100_000_000 });
    await vi.waitFor(() => expect(scene.admin.callbacks.map((it) => it.handleMsg)).toEqual(["old 0/1", "new 0/1"]));
  });
});

describe("the block strategy", () => {
  it("SERIAL_EXECUTION runs one after the other, and other jobs beside them", async () => {
    const { handler, begun, release } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    for (const logId of [1, 2, 3]) await scene.trigger({ logId });
    await scene.trigger({ logId: 4, jobId: 2 });
    await vi.waitFor(() => expect(begun).toEqual([1, 4]));
    expect((await scene.idleBeat()).body.code).toBe(500);
    expect((await scene.idleBeat(3)).body.code).toBe(200);
    for (const logId of [1, 2, 3]) {
      release(logId);
      expect(await scene.callback(logId)).toMatchObject({ handleCode: 200, handleMsg: `done ${logId}` });
      await vi.waitFor(() => expect(begun).toContain(Math.min(3, logId + 1)));
    }
    expect(begun).toEqual([1, 4, 2, 3]);
    await vi.waitFor(async () => expect((await scene.idleBeat()).body.code).toBe(200));
  });

  it("DISCARD_LATER refuses while one is under way, and once more the same", async () => {
    const { handler, begun, release } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    const discard = { executorBlockStrategy: "DISCARD_LATER" };
    expect((await scene.trigger({ logId: 1, ...discard })).body.code).toBe(200);
    const refused = (await scene.trigger({ logId: 2, ...discard })).body;
    expect(refused).toMatchObject({ code: 500, msg: expect.stringContaining("DISCARD_LATER") });
    release(1);
    await scene.callback(1);
    await vi.waitFor(async () => expect((await scene.idleBeat()).body.code).toBe(200));
    expect((await scene.trigger({ logId: 2, ...discard })).body).toEqual(refused);
    expect((await scene.trigger({ logId: 3, ...discard })).body.code).toBe(200);
    await vi.waitFor(() => expect(begun).toEqual([1, 3]));
  });

  it("COVER_EARLY stops what runs, drops what waits, and runs the new one", async () => {
    const { handler, begun, aborted, release } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    await scene.trigger({ logId: 1 });
    await scene.trigger({ logId: 2 });
    expect((await scene.trigger({ logId: 3, executorBlockStrategy: "COVER_EARLY" })).body.code).toBe(200);
    for (const logId of [1, 2])
      expect(await scene.callback(logId)).toMatchObject({
        handleCode: 500,
        handleMsg: expect.stringContaining("covered by run 3"),
      });
    await vi.waitFor(() => expect(begun).toEqual([1, 3]));
    expect(aborted).toEqual([{ logId: 1, reason: expect.stringContaining("covered") }]);
    release(3);
    expect(await scene.callback(3)).toMatchObject({ handleCode: 200 });
  });
});

describe("a run", () => {
  it("that is out of time is called back with 502, and the next one runs", async () => {
    const { handler, begun, aborted } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    await scene.trigger({ logId: 1, executorTimeout: 1 });
    await scene.trigger({ logId: 2 });
    expect(await scene.callback(1)).toMatchObject({ handleCode: 502, handleMsg: "timed out after 1 s" });
    await vi.waitFor(() => expect(begun).toEqual([1, 2]));
    expect(aborted.map(({ logId }) => logId)).toEqual([1]);
  });

  it("that ignores its end does not hold up the next one for ever, and its late result is void", async () => {
    const begun: number[] = [];
    const gate = Promise.withResolvers<string>();
    const deaf = xxlHandler(({ logId }) => {
      begun.push(logId);
      return logId === 1 ? gate.promise : "second";
    });
    const scene = await startScene({ jobs: { echo: deaf }, stopGrace: "50ms" });
    await scene.trigger({ logId: 1 });
    await scene.trigger({ logId: 2, jobId: 1 });
    expect((await scene.kill()).body.code).toBe(200);
    expect(await scene.callback(1)).toMatchObject({ handleCode: 500, handleMsg: "killed while it ran" });
    await vi.waitFor(async () => expect((await scene.idleBeat()).body.code).toBe(200));
    await scene.trigger({ logId: 3 });
    expect(await scene.callback(3)).toMatchObject({ handleCode: 200 });
    gate.resolve("late");
    expect(begun).toEqual([1, 3]);
    expect(scene.admin.callbacks.filter(({ logId }) => logId === 1)).toHaveLength(1);
  });

  it("is killed with all that waits behind it", async () => {
    const { handler, begun, aborted } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    for (const logId of [1, 2, 3]) await scene.trigger({ logId });
    expect((await scene.kill()).body).toEqual({ code: 200 });
    expect(await scene.callback(1)).toMatchObject({ handleCode: 500, handleMsg: "killed while it ran" });
    for (const logId of [2, 3])
      expect(await scene.callback(logId)).toMatchObject({ handleCode: 500, handleMsg: "killed before it began" });
    expect(begun).toEqual([1]);
    expect(aborted).toHaveLength(1);
    expect((await scene.kill()).body).toMatchObject({ code: 200, data: expect.stringContaining("already killed") });
  });

  it("that is stopped with the executor is called back before the process ends; what waits is not run", async () => {
    const { handler, begun } = held();
    const scene = await startScene({ jobs: { echo: handler } });
    for (const logId of [1, 2]) await scene.trigger({ logId });
    await scene.executor.stop({ grace: "20ms" });
    expect(scene.admin.callbacks).toMatchObject([
      { logId: 1, handleCode: 500, handleMsg: expect.stringContaining("the executor stopped while it ran") },
      { logId: 2, handleCode: 500, handleMsg: "not run: the executor stopped" },
    ]);
    expect(begun).toEqual([1]);
  });

  it("is refused above the limit of unfinished ones", async () => {
    const { handler } = held();
    const scene = await startScene({ jobs: { echo: handler }, maxUnfinished: 2 });
    for (const logId of [1, 2]) expect((await scene.trigger({ logId })).body.code).toBe(200);
    expect((await scene.trigger({ logId: 3 })).body).toMatchObject({
      code: 500,
      msg: expect.stringContaining("2 runs"),
    });
  });
});

describe("a callback", () => {
  it.each(["refuse", "break", "lose", "garble"] as const)(
    "is sent again until the admin acknowledges it (%s)",
    async (how) => {
      const scene = await startScene({ jobs: { echo } });
      scene.admin.behave(how);
      await scene.trigger({ logId: 1 });
      await vi.waitFor(() => expect(scene.admin.callbackRequestCount).toBeGreaterThan(0));
      scene.admin.behave("well");
      expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    },
  );

  it("outlives the process while the admin is away", async () => {
    const folder = newFolder();
    const away = "http://127.0.0.1:9/xxl-job-admin";
    const first = await startScene({ folder, admins: [away], jobs: { echo } });
    await first.trigger({ logId: 1, executorParams: "kept" });
    await vi.waitFor(async () => expect((await first.log(1)).toLineNum).toBe(2));
    await vi.waitFor(async () => expect((await first.idleBeat()).body.code).toBe(200));
    await first.executor.stop();
    const second = await startScene({ folder, jobs: { echo } });
    expect(await second.callback(1)).toMatchObject({ handleCode: 200, handleMsg: "kept 0/1" });
  });

  it("goes to the second admin while the first is away", async () => {
    const [first, second] = [await newAdmin(), await newAdmin()];
    const scene = await startScene({ admins: [first.url, second.url], admin: second, jobs: { echo } });
    first.behave("break");
    await scene.trigger({ logId: 1 });
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    await first.close();
    await scene.trigger({ logId: 2 });
    expect(await scene.callback(2)).toMatchObject({ handleCode: 200 });
  });

  it("takes the form of 3.5 also where the trigger came by the older path, and the other way round", async () => {
    for (const [caller, generation] of [
      ["3.3", "3.5"],
      ["3.5", "3.3"],
    ] as const) {
      const admin = await newAdmin({ generation });
      const scene = await startScene({ generation: caller, admin, jobs: { echo } });
      await scene.trigger({ logId: 1 });
      expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
      expect(admin.callbackRequestCount).toBe(2);
      await scene.trigger({ logId: 2 });
      await scene.callback(2);
      expect(admin.callbackRequestCount).toBe(3);
    }
  });

  it("has at most 50 ends in a request", async () => {
    const scene = await startScene({ jobs: { echo } });
    scene.admin.behave("break");
    for (let logId = 1; logId <= 120; logId++) await scene.trigger({ logId, jobId: logId });
    scene.admin.behave("well");
    await vi.waitFor(() => expect(scene.admin.callbacks).toHaveLength(120), { timeout: 15_000 });
    expect(new Set(scene.admin.callbacks.map(({ logId }) => logId)).size).toBe(120);
  });
});

describe("the registration", () => {
  it("is renewed with the very same text", async () => {
    const scene = await startScene({ jobs: { echo }, heartbeat: "1s" });
    await vi.waitFor(() => expect(scene.admin.registered.length).toBeGreaterThan(2), { timeout: 10_000 });
    expect(new Set(scene.admin.registered.map((it) => JSON.stringify(it))).size).toBe(1);
  });

  it("goes to the next admin where the first does not answer, and is tried again until one does", async () => {
    const admin = await newAdmin();
    admin.behave("refuse");
    const admins = ["http://127.0.0.1:9/xxl-job-admin", admin.url];
    await startScene({ admins, admin, jobs: { echo }, heartbeat: "1s" });
    expect(admin.registered).toEqual([]);
    admin.behave("well");
    await vi.waitFor(() => expect(admin.registered).toHaveLength(1), { timeout: 10_000 });
  });

  it("names the address that was given, with a slash at its end", async () => {
    const scene = await startScene({ jobs: { echo }, address: "http://executor.example:81/jobs" }).catch(String);
    // The port is not that of the address: the call goes to another place.
    if (typeof scene === "string") throw new Error(scene);
    await vi.waitFor(() =>
      expect(scene.admin.registered).toMatchObject([{ registryValue: "http://executor.example:81/jobs/" }]),
    );
  });
});

describe("the folder", () => {
  it("belongs to one executor at a time", async () => {
    const scene = await startScene({ jobs: { echo } });
    await expect(startScene({ folder: scene.folder, admin: scene.admin, jobs: { echo } })).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("another executor has it open"),
    });
  });

  it("has log files named by numbers alone", async () => {
    const scene = await startScene({ jobs: { echo } });
    await scene.trigger({ logId: 1, executorParams: "../../../x" });
    await scene.callback(1);
    const files = readdirSync(scene.folder, { recursive: true, encoding: "utf8" }).filter((it) => it.endsWith(".log"));
    expect(files).toHaveLength(1);
    expect(files[0]).toMatch(/^logs.\d{4}-\d{2}-\d{2}.1-\d+\.log$/);
  });

  it("keeps of a run's log as much as is allowed", async () => {
    const chatty = xxlHandler((_, { log }) => {
      for (let line = 1; line <= 1_000; line++) log.info({}, `line ${line} \u001b[31m`);
    });
    const scene = await startScene({ jobs: { echo: chatty }, maxLogBytes: 4_096 });
    await scene.trigger({ logId: 1 });
    await scene.callback(1);
    const { logContent } = await scene.log(1);
    expect(Buffer.byteLength(logContent)).toBeLessThan(4_300);
    expect(logContent.split("\n").at(-1)).toContain("the log is full at 4096 bytes");
    expect(logContent).not.toContain("\u001b");
  });

  it("forgets what has expired, and keeps what was not told", async () => {
    const folder = newFolder();
    let now = 1_790_000_000_000;
    const clock = (await import("../../src/system.ts")).systemClock;
    const moved = { ...clock, now: () => now };
    const first = await startScene({ folder, jobs: { echo }, clock: moved, retention: "1d" });
    await first.trigger({ logId: 1 });
    await first.callback(1);
    first.admin.behave("break");
    await first.trigger({ logId: 2 });
    await vi.waitFor(() => expect(first.admin.callbackRequestCount).toBeGreaterThan(1));
    await first.executor.stop();
    now += 3 * 86_400_000;
    const second = await startScene({ folder, jobs: { echo }, clock: moved, retention: "1d" });
    expect(await second.callback(2)).toMatchObject({ handleCode: 200 });
    await vi.waitFor(async () => expect((await second.log(1)).isEnd).toBe(true));
    await vi.waitFor(() => expect(readdirSync(`${folder}/logs`)).toEqual([]));
  });
});

it("an executor that is not started, or was stopped, says so", async () => {
  const scene = await startScene({ jobs: { echo }, port: 0 });
  const { executor } = scene;
  await executor.stop();
  const answer = await executor.fetch(new Request("http://x/beat", { method: "POST" }));
  expect(await answer.json()).toMatchObject({ code: 500, msg: expect.stringContaining("not running") });
  await expect(executor.start()).rejects.toMatchObject({ code: "APP_CLOSED" });
  atEnd(() => {});
});
