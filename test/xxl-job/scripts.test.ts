// Scripts that triggers bring along, run as real processes.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type XxlExecutorOptions, xxlHandler } from "makegood/xxl-job";
import { describe, expect, it, vi } from "vitest";
import { Records } from "../../src/executor/xxl-job/records.ts";
import { parseTrigger } from "../../src/protocol/xxl-job/requests.ts";
import { javaRequest, sendRaw, type TriggerFields, triggerBody } from "./raw.ts";
import { atEnd, newAdmin, newFolder, type Scene, type SceneOptions, startScene } from "./scene.ts";

const shell = (logId: number, glueSource: string, more: Partial<TriggerFields> = {}): TriggerFields => ({
  ...{ logId, jobId: logId, executorHandler: "", glueType: "GLUE_SHELL", glueSource },
  ...more,
});

const program = fileURLToPath(new URL("./script-executor.ts", import.meta.url));

const startShells = (options: SceneOptions = {}): Promise<Scene> =>
  startScene({ scripts: ["GLUE_SHELL"], stopGrace: "2s", ...options });

/** What is behind the time and the level. */
const linesOf = async (scene: Scene, logId: number): Promise<readonly string[]> =>
  (await scene.log(logId)).logContent.split("\n").map((line) => line.replace(/^\S+ /, ""));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A process that has ended and that nobody has buried yet is none.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

const isInstalled = (command: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)));

const pidIn = (file: string): Promise<number> =>
  vi.waitFor(() => {
    const text = readFileSync(file, "utf8");
    if (!/^\d+\n$/.test(text)) throw new Error("not written yet");
    return Number(text);
  });

describe("a script", () => {
  it("gets the parameter, shard and shards; its lines are the run's log, and exit code 0 is its success", async () => {
    const scene = await startShells();
    const source = 'echo "$# [$1] $2 of $3"\necho oops >&2\nprintf "no line end"\n';
    await scene.trigger(shell(1, source, { executorParams: "日本 $(id) x", broadcastIndex: 2, broadcastTotal: 7 }));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200, handleMsg: "" });
    expect((await linesOf(scene, 1)).toSorted()).toEqual([
      "INFO  3 [日本 $(id) x] 2 of 7",
      "INFO  no line end",
      "WARN  oops",
    ]);
  });

  it("fails with the exit code, or the signal, in the message", async () => {
    const scene = await startShells();
    await scene.trigger(shell(1, "exit 3"));
    await scene.trigger(shell(2, "kill -KILL $$"));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 500, handleMsg: "the script ended with exit code 3" });
    expect(await scene.callback(2)).toMatchObject({ handleCode: 500, handleMsg: "the script was ended by SIGKILL" });
  });

  it("lies in a file that its user alone may read, while it runs and no longer", async () => {
    const scene = await startShells();
    const folder = join(scene.folder, "scripts");
    await scene.trigger(shell(1, 'stat -c %a "$0"; sleep 0.2'));
    await scene.callback(1);
    expect(await linesOf(scene, 1)).toEqual(["INFO  600"]);
    await expect.poll(() => readdirSync(folder)).toEqual(["package.json"]);
    const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect([modeOf(folder), modeOf(join(scene.folder, "executor.db"))]).toEqual(["700", "600"]);
  });

  it("sees PATH, HOME, LANG and what was named, and none of the process's secrets", async () => {
    vi.stubEnv("A_SECRET", "the process's own");
    vi.stubEnv("BUSINESS_DAY", "2026-11-22");
    atEnd(() => vi.unstubAllEnvs());
    const scene = await startShells({ scriptEnv: ["BUSINESS_DAY", "NOT_SET_ANYWHERE"] });
    await scene.trigger(shell(1, 'env; echo "<$NOT_SET_ANYWHERE>"'));
    await scene.callback(1);
    const names = (await linesOf(scene, 1)).map((line) => line.replace(/^INFO {2}/, "").replace(/=.*/, ""));
    // Those behind are bash's own.
    const expected = ["PATH", "HOME", "LANG", "BUSINESS_DAY", "<>", "PWD", "OLDPWD", "SHLVL", "_"];
    expect(names.filter((name) => !expected.includes(name))).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(["PATH", "BUSINESS_DAY", "<>"]));
  });

  it.each([
    ["GLUE_PYTHON", "python3", "import sys\nprint(sys.argv[1:])", "INFO  ['p', '0', '1']"],
    ["GLUE_NODEJS", "node", "const a = require('node:process').argv; console.log(a.slice(2).join())", "INFO  p,0,1"],
  ] as const)("of type %s is run by %s", async (glueType, command, source, line) => {
    expect(isInstalled(command)).toBe(true);
    const scene = await startShells({ scripts: [glueType] });
    await scene.trigger(shell(1, source, { glueType, executorParams: "p" }));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    expect(await linesOf(scene, 1)).toEqual([line]);
  });

  it("whose interpreter is missing fails, and says which", async () => {
    vi.stubEnv("PATH", newFolder());
    atEnd(() => vi.unstubAllEnvs());
    const scene = await startShells({ scripts: ["GLUE_PHP"] });
    await scene.trigger(shell(1, "<?php exit(0);", { glueType: "GLUE_PHP" }));
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringContaining("GLUE_PHP: expected php on the PATH of the executor, found none"),
    });
  });

  it("that writes without end fills its log, and no more, and other runs go on beside it", async () => {
    const scene = await startShells({ maxLogBytes: 65_536 });
    await scene.trigger(shell(1, "yes", { executorTimeout: 2 }));
    await scene.trigger(shell(2, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end"));
    await scene.callback(2);
    const last = await linesOf(scene, 2);
    expect(last.at(-1)).toMatch(/the log is full|INFO {2}end/);
    expect(await scene.callback(1)).toMatchObject({ handleCode: 502 });
    const page = await scene.log(1);
    expect(page.logContent).toContain("the log is full at 65536 bytes");
    expect(Buffer.byteLength(page.logContent)).toBeLessThan(66_000);
  });

  it("that leaves something in the background ends all the same", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "pid");
    await scene.trigger(shell(1, `sleep 60 & echo $! > '${file}'; echo end`));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    const pid = await pidIn(file);
    atEnd(() => process.kill(pid));
    expect(isAlive(pid)).toBe(true);
    expect(await linesOf(scene, 1)).toEqual(["INFO  end"]);
  });

  it("runs after the one before it of its job, with the source of its own trigger", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "effects");
    await scene.trigger(shell(1, `sleep 0.3; echo old >> '${file}'`, { jobId: 9 }));
    await scene.trigger(shell(2, `echo new >> '${file}'`, { jobId: 9 }));
    await scene.callback(2);
    expect(readFileSync(file, "utf8")).toBe("old\nnew\n");
  });

  it("is run once for a logId, and another script under it is refused", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "effects");
    const source = `echo once >> '${file}'`;
    for (let sent = 0; sent < 3; sent++) expect((await scene.trigger(shell(1, source))).body.code).toBe(200);
    await scene.callback(1);
    expect((await scene.trigger(shell(1, source))).body.code).toBe(200);
    expect((await scene.trigger(shell(1, `${source} # other`))).body).toMatchObject({
      code: 500,
      msg: expect.stringContaining("another job, handler, script"),
    });
    expect(readFileSync(file, "utf8")).toBe("once\n");
  });
});

describe("a stop", () => {
  /** Ends on SIGTERM, and so does its child. */
  const polite = (pids: string): string => `sleep 60 & echo $! > '${pids}'; wait`;
  /** Neither it nor its child does. */
  const stubborn = (pids: string): string =>
    `trap '' TERM; (while :; do sleep 0.1; done) & echo $! > '${pids}'; while :; do sleep 0.1; done`;

  /** Says whether it lives; one that has ended, and that nobody has buried yet, does not. */
  const lookFor = (pid: number): string =>
    `case "$(awk '/^State/ { print $2 }' /proc/${pid}/status 2>/dev/null)" in ""|Z|X) echo gone;; *) echo alive;; esac`;

  it.each([
    ["a script and its child that end on SIGTERM", polite, 1_500],
    ["those that do not, after the grace", stubborn, 5_000],
  ])("ends %s", async (_what, script, withinMs) => {
    const scene = await startShells();
    const file = join(scene.folder, "pid");
    await scene.trigger(shell(1, script(file)));
    const pid = await pidIn(file);
    expect((await scene.kill(1)).body.code).toBe(200);
    expect(await scene.callback(1)).toMatchObject({ handleCode: 500, handleMsg: "killed while it ran" });
    await expect.poll(() => isAlive(pid), { timeout: withinMs, interval: 20 }).toBe(false);
    await expect.poll(async () => (await scene.idleBeat(1)).body.code).toBe(200);
  });

  it("by a later run that covers it leaves nothing for that to meet", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "pid");
    await scene.trigger(shell(1, stubborn(file), { jobId: 9 }));
    const pid = await pidIn(file);
    const later = { jobId: 9, executorBlockStrategy: "COVER_EARLY" } as const;
    await scene.trigger(shell(2, lookFor(pid), later));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 500, handleMsg: expect.stringContaining("covered") });
    await scene.callback(2);
    expect(await linesOf(scene, 2)).toEqual(["INFO  gone"]);
  });

  it("by time is called back as timed out, and the next run of the job meets nothing of it", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "pid");
    await scene.trigger(shell(1, stubborn(file), { jobId: 9, executorTimeout: 1 }));
    const pid = await pidIn(file);
    await scene.trigger(shell(2, lookFor(pid), { jobId: 9 }));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 502, handleMsg: "timed out after 1 s" });
    await scene.callback(2);
    expect((await linesOf(scene, 2)).at(-1)).toBe("INFO  gone");
  });

  it("of the executor leaves no process behind", async () => {
    const scene = await startShells();
    const file = join(scene.folder, "pid");
    await scene.trigger(shell(1, stubborn(file)));
    const pid = await pidIn(file);
    await scene.executor.stop({ grace: 0 });
    expect(isAlive(pid)).toBe(false);
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringContaining("the executor stopped while it ran"),
    });
  });
});

describe("after a crash", () => {
  const left = (state: "queued" | "running", source: string): string => {
    const folder = newFolder();
    const records = new Records(folder);
    const trigger = parseTrigger(triggerBody(shell(1, source)));
    if (!trigger.ok) throw new Error(trigger.fault);
    records.insert({ trigger: trigger.value, isNewest: false, at: Date.now() }, state);
    records.close();
    return folder;
  };

  it("a script that was running is called back as failed, and not run again", async () => {
    const effects = join(newFolder(), "effects");
    const scene = await startShells({ folder: left("running", `echo again >> '${effects}'`) });
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringContaining("its effect is unknown"),
    });
    expect(existsSync(effects)).toBe(false);
  });

  it.runIf(process.platform === "linux")(
    "of a process that was killed while its script ran: called back as failed, not run again, and ended",
    async () => {
      const [admin, folder] = [await newAdmin(), newFolder()];
      const start = async (port: number) => {
        const args = [admin.url, join(folder, "state"), String(port)];
        const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        atEnd(() => child.kill("SIGKILL"));
        const line = await new Promise<string>((resolve) => child.stdout.setEncoding("utf8").once("data", resolve));
        return { child, port: Number(new URL(line.trim()).port) };
      };
      const first = await start(0);
      const file = join(folder, "effects");
      const order = triggerBody(shell(1, `echo $$ >> '${file}'; while :; do sleep 0.1; done`));
      const send = () => sendRaw(first.port, javaRequest({ generation: "3.3" }, "/run", order));
      expect((await send()).body.code).toBe(200);
      const pid = await pidIn(file);
      const gone = new Promise((resolve) => first.child.once("exit", resolve));
      first.child.kill("SIGKILL");
      await gone;
      expect(isAlive(pid)).toBe(true);
      await start(first.port);
      expect(isAlive(pid)).toBe(false);
      const callback = await vi.waitFor(() => admin.callbacks.find((it) => it.logId === 1) ?? expect.fail("none yet"), {
        timeout: 10_000,
      });
      expect(callback).toMatchObject({ handleCode: 500, handleMsg: expect.stringContaining("its effect is unknown") });
      expect((await send()).body.code).toBe(200);
      expect(readFileSync(file, "utf8")).toBe(`${pid}\n`);
    },
    30_000,
  );

  it("one that waited is run, unless scripts are not allowed any more", async () => {
    const effects = join(newFolder(), "effects");
    const scene = await startShells({ folder: left("queued", `echo once >> '${effects}'`) });
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    expect(readFileSync(effects, "utf8")).toBe("once\n");
    const other = await startShells({ folder: left("queued", "exit 0"), scripts: ["GLUE_PYTHON"] });
    expect(await other.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: "scripts of type GLUE_SHELL are not run here any more",
    });
  });

  it.runIf(process.platform === "linux")("one that still runs is ended before anything else is", async () => {
    const folder = newFolder();
    const first = await startShells({ folder });
    await first.executor.stop();
    const { writeFileSync } = await import("node:fs");
    const path = join(folder, "scripts", "1-1.sh");
    writeFileSync(path, "while :; do sleep 0.1; done");
    // As a former process would have left it.
    const orphan = spawn("bash", [path, "", "0", "1"], { detached: true, stdio: "ignore" });
    const gone = new Promise((resolve) => orphan.once("exit", (_, signal) => resolve(signal)));
    await vi.waitFor(() => expect(readFileSync(`/proc/${orphan.pid}/cmdline`, "utf8")).toContain(path));
    // Also where none are allowed any more.
    await startScene({ folder, jobs: { echo: xxlHandler(() => "") } });
    expect(await gone).toBe("SIGTERM");
    expect(existsSync(path)).toBe(false);
  });

  it("a script's source is kept for as long as a run of it is", () => {
    const records = new Records(left("queued", "exit 0"));
    atEnd(() => records.close());
    const digest = records.find(1)?.script?.digest ?? "";
    expect(records.sourceOf(digest)).toBe("exit 0");
    records.finish(1, 200, "", 5);
    expect(records.prune(10, 100)).toBe(0);
    expect(records.sourceOf(digest)).toBe("exit 0");
    records.markReported([1]);
    expect(records.prune(10, 100)).toBe(1);
    expect(() => records.sourceOf(digest)).toThrow("expected the script of a run to be kept");
  });

  it("a folder of the version before scripts is taken over", async () => {
    const folder = newFolder();
    new Records(folder).close();
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(join(folder, "executor.db"));
    database.exec(`DROP INDEX run_script; ALTER TABLE run DROP COLUMN script_digest; ALTER TABLE run DROP COLUMN script_type;
      DROP TABLE script; PRAGMA user_version = 1`);
    database.close();
    const scene = await startShells({ folder });
    await scene.trigger(shell(1, "exit 0"));
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
  });
});

describe("a trigger with a script", () => {
  it.each<[string, Partial<XxlExecutorOptions>, Partial<TriggerFields>, string]>([
    [
      "where none are allowed",
      { scripts: [] },
      {},
      'glueType "GLUE_SHELL": expected BEAN; this executor runs no scripts',
    ],
    [
      "where others are allowed",
      { scripts: ["GLUE_PHP", "GLUE_PYTHON"] },
      {},
      'glueType "GLUE_SHELL": expected BEAN or one of GLUE_PHP, GLUE_PYTHON',
    ],
    ["of a type that never is", {}, { glueType: "GLUE_GROOVY" }, 'glueType "GLUE_GROOVY": expected BEAN or one of'],
    ["of a type that is no word", {}, { glueType: "../../bin/sh" }, 'glueType "../../bin/sh": expected BEAN or one of'],
    ["without a source", {}, { glueSource: " " }, "expected a script as glueSource, found none"],
  ])("%s is refused, and nothing is run", async (_what, options, fields, message) => {
    const scene = await startShells({
      jobs: { echo: xxlHandler(() => "") },
      ...options,
    });
    const effects = join(scene.folder, "effects");
    const { body } = await scene.trigger(shell(1, `echo run > '${effects}'`, fields));
    expect(body).toMatchObject({ code: 500, msg: expect.stringContaining(message) });
    expect((await scene.idleBeat(1)).body.code).toBe(200);
    expect(existsSync(effects)).toBe(false);
  });
});
