// The example's process: killed without warning at every moment, started again, and never twice the same effect.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { FakeAdmin, Generation } from "./fake-admin.ts";
import { beatBody, javaRequest, logQuery, sendRaw, type TriggerFields, triggerBody, triggerPath } from "./raw.ts";
import { atEnd, generations, newAdmin, newFolder } from "./scene.ts";

const root = join(import.meta.dirname, "..", "..");
const run = join(root, "examples", "run.mjs");

interface Executor {
  readonly port: number;
  readonly child: ChildProcess;
  trigger(fields: TriggerFields): ReturnType<typeof sendRaw>;
  call(path: string, body: string | null): ReturnType<typeof sendRaw>;
  kill(): Promise<void>;
}

/** Port 0 at first: the system's choice, which the next start names. The folder is the same for both. */
async function startExecutor(folder: string, admin: FakeAdmin, generation: Generation, port = 0): Promise<Executor> {
  const options = {
    admin: `http://127.0.0.1:9/away,${admin.url}`,
    appname: "demo",
    token: "secret",
    port: String(port),
    effects: join(folder, "effects.txt"),
    folder: join(folder, "state"),
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", run, "xxl-executor", ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  atEnd(kill);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", resolve);
    child.once("exit", (code) => reject(new Error(`expected the executor to start, found exit code ${code}`)));
  });
  const found = Number(/:(\d+)\/$/m.exec(line)?.[1]);
  const call: Executor["call"] = (path, body) => sendRaw(found, javaRequest({ generation }, path, body));
  return { port: found, child, call, kill, trigger: (fields) => call(triggerPath(generation), triggerBody(fields)) };
}

const demo = (logId: number): TriggerFields => ({
  logId,
  jobId: logId,
  executorHandler: "demoJobHandler",
  executorParams: `p${logId}`,
  broadcastIndex: 1,
  broadcastTotal: 2,
});
const linesOf = (folder: string): readonly string[] => {
  const file = join(folder, "effects.txt");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
};
const callbackOf = (admin: FakeAdmin, logId: number) =>
  vi.waitFor(
    () => {
      const found = admin.callbacks.find((it) => it.logId === logId);
      if (found === undefined) throw new Error(`no callback of ${logId} yet`);
      return found;
    },
    { timeout: 20_000, interval: 20 },
  );

describe.each(generations)("the example under an admin of %s", (generation) => {
  it("does what its three handlers are for", async () => {
    const folder = newFolder();
    const admin = await newAdmin({ generation });
    const executor = await startExecutor(folder, admin, generation);
    expect((await executor.call("/beat", beatBody(generation))).body.code).toBe(200);
    await executor.trigger(demo(1));
    await executor.trigger({ logId: 2, jobId: 2, executorHandler: "sleepJobHandler", executorParams: "60" });
    await executor.trigger({ logId: 3, jobId: 3, executorHandler: "failJobHandler" });
    expect(await callbackOf(admin, 3)).toMatchObject({ handleCode: 500, handleMsg: "refused on purpose" });
    expect(await callbackOf(admin, 1)).toMatchObject({ handleCode: 200 });
    const { body } = await executor.call("/log", logQuery(generation, 1, 1));
    expect(body.content ?? body.data).toMatchObject({ fromLineNum: 1, toLineNum: 3, isEnd: false });
    expect((await executor.call("/idleBeat", '{"jobId":2}')).body.code).toBe(500);
    expect((await executor.call("/kill", '{"jobId":2}')).body.code).toBe(200);
    expect(await callbackOf(admin, 2)).toMatchObject({ handleCode: 500, handleMsg: expect.stringContaining("killed") });
    expect(linesOf(folder)).toEqual(["1\tp1\t1/2"]);
    executor.child.kill("SIGTERM");
    await new Promise((resolve) => executor.child.once("exit", resolve));
    expect(admin.removed).toHaveLength(1);
  }, 60_000);
});

describe("the example, killed without warning", () => {
  it("after 0 to 240 ms, leaves each line once and calls back each run", async () => {
    const folder = newFolder();
    const admin = await newAdmin();
    let executor = await startExecutor(folder, admin, "2.3");
    const logIds: number[] = [];
    for (let at = 0; at <= 240; at += 40) {
      const logId = 100 + at;
      logIds.push(logId);
      expect((await executor.trigger(demo(logId))).body.code).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, at));
      await executor.kill();
      executor = await startExecutor(folder, admin, "2.3", executor.port);
      expect((await executor.trigger(demo(logId))).body.code).toBe(200);
    }
    for (const logId of logIds) expect(await callbackOf(admin, logId)).toMatchObject({ handleCode: 200 });
    expect(linesOf(folder).toSorted()).toEqual(logIds.map((logId) => `${logId}\tp${logId}\t1/2`));
  }, 120_000);

  it("with the admin away, calls back after it was started again", async () => {
    const folder = newFolder();
    const admin = await newAdmin();
    admin.behave("break");
    const first = await startExecutor(folder, admin, "3.3");
    await first.trigger(demo(1));
    await first.trigger({ logId: 2, jobId: 2, executorHandler: "failJobHandler" });
    await vi.waitFor(() => expect(admin.callbackRequestCount).toBeGreaterThan(1), { timeout: 10_000 });
    await first.kill();
    admin.behave("well");
    await startExecutor(folder, admin, "3.3", first.port);
    expect(await callbackOf(admin, 1)).toMatchObject({ handleCode: 200 });
    expect(await callbackOf(admin, 2)).toMatchObject({ handleCode: 500, handleMsg: "refused on purpose" });
    expect(linesOf(folder)).toEqual(["1\tp1\t1/2"]);
  }, 60_000);
});
