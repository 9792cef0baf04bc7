// Scripts all the way: the command line, a center in a process of its own, our executor, and the script's own process.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makegood } from "makegood";
import { sqlite } from "makegood/sqlite";
import { type RunnableScript, xxlExecutor, xxlHandler } from "makegood/xxl-job";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCli } from "../../src/cli/testing/run-cli.ts";

const program = join(import.meta.dirname, "..", "..", "src", "cli", "makegood.ts");
const token = "the-tests-own-token";
let folder: string;
let file: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "makegood-own-scripts-"));
  file = join(folder, "center.db");
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  rmSync(folder, { recursive: true, force: true });
});

/** `makegood serve`; returns where it listens. */
async function serve(...more: readonly string[]): Promise<string> {
  const args = ["serve", "--port", "0", "--store", file, "--xxl-job", `orders=${token}`, ...more];
  const child: ChildProcess = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  ends.push(async () => {
    child.kill("SIGTERM");
    await gone;
  });
  let said = "";
  for await (const chunk of child.stdout ?? []) {
    said += chunk;
    const found = /http:\S+?(?=,)/.exec(said);
    if (found !== null) return found[0];
  }
  throw new Error(`expected the center to say where it listens, found ${said}`);
}

async function startExecutor(admin: string, scripts: readonly RunnableScript[]): Promise<void> {
  const executor = xxlExecutor({
    ...{ admins: [admin], appname: "orders", accessToken: token, port: 0, folder: join(folder, "executor") },
    ...{ jobs: { none: xxlHandler(() => "") }, scripts, stopGrace: "2s" },
  });
  await executor.start();
  ends.push(() => executor.stop({ grace: 0 }));
}

async function schedules(...args: readonly string[]): Promise<void> {
  expect(await runCli("schedules", ...args, "--store", file)).toMatchObject({ code: 0, error: "" });
}

/** A schedule of a script, on the store that the center is on. */
async function addScript(source: string) {
  const path = join(folder, "clean.sh");
  writeFileSync(path, source);
  const what = ["--group", "orders", "--script", path, "--language", "shell"];
  await schedules("add", ...what, "--every", "1d", "--name", "clean", "--param", "A-17");
  const store = sqlite(file);
  const app = makegood({ store, poll: "20ms" });
  ends.push(() => app.stop({ grace: 0 }));
  await app.open();
  await expect.poll(async () => (await store.executors.list({ namespace: "default" })).length).toBe(1);
  return { app, store };
}

it("a script is added, run, logged, changed, killed", async () => {
  await startExecutor(await serve("--scripts"), ["GLUE_SHELL"]);
  const effects = join(folder, "effects");
  const { app, store } = await addScript(`echo "begins with $1"\necho "$1 $2/$3" >> '${effects}'\n`);
  const done = await app.schedules.runOnce("clean");
  expect(await done.outcome()).toMatchObject({ state: "completed" });
  expect(readFileSync(effects, "utf8")).toBe("A-17 0/1\n");
  const [run] = await store.executors.runsOf(done.id);
  const logged = async () => (await store.executors.readLog({ logId: run?.logId ?? 0, fromLine: 1, limit: 9 })).lines;
  await expect.poll(async () => (await logged()).join("\n"), { timeout: 10_000 }).toContain("begins with A-17");

  writeFileSync(join(folder, "clean.sh"), `echo $$ > '${effects}'; exec sleep 60`);
  await schedules("edit", "clean", "--script", join(folder, "clean.sh"), "--language", "shell");
  const slow = await app.schedules.runOnce("clean");
  await expect.poll(() => readFileSync(effects, "utf8"), { timeout: 10_000 }).toMatch(/^\d+\n$/);
  const pid = Number(readFileSync(effects, "utf8"));
  process.kill(pid, 0);
  await app.kill(slow.id);
  await expect.poll(async () => (await store.executors.runsOf(slow.id))[0]?.state, { timeout: 10_000 }).toBe("killed");
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
}, 60_000);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it.each<[string, readonly string[], readonly RunnableScript[], RegExp]>([
  ["the center does not send it", [], ["GLUE_SHELL"], /it is a script, and this center sends none/],
  ["the executor runs none", ["--scripts"], [], /this executor runs no scripts/],
  ["the executor runs others", ["--scripts"], ["GLUE_PYTHON"], /expected BEAN or one of GLUE_PYTHON/],
])(
  "where %s, it ends as refused",
  async (_what, options, scripts, message) => {
    await startExecutor(await serve(...options), scripts);
    const { app } = await addScript(`echo run > '${join(folder, "effects")}'`);
    const execution = await app.schedules.runOnce("clean");
    expect(await execution.outcome()).toMatchObject({
      error: { code: "RUN_REFUSED", message: expect.stringMatching(message) },
    });
    expect(() => readFileSync(join(folder, "effects"))).toThrow("ENOENT");
  },
  60_000,
);
