// A run whose trigger brought its own script. It is a child process, and the leader of a process group of its own, so that a
// stop reaches what it started too. Its source lies in a file that this user alone may read, for as long as it runs.
//
//     begun → exit code 0: done                    told to stop → SIGTERM to the group → gone
//           → another one, or a signal: failed                                         → after a grace SIGKILL
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import type { Clock, Log } from "../../core/ports.ts";
import { codes } from "../../protocol/xxl-job/wire.ts";
import type { RunnableScript } from "./handler.ts";
import type { Performance, RunResult } from "./performance.ts";
import type { RunRow } from "./records.ts";
import { maxLineChars, type RunLog } from "./run-logs.ts";

export interface ScriptTools {
  /** Of the scripts alone; made by `clearScripts`. */
  readonly folder: string;
  /** All that a script gets to see of the process's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly source: string;
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number;
  readonly clock: Clock;
}

/** What XXL-JOB's executors of today call. */
const interpreters: Readonly<Record<RunnableScript, { readonly command: string; readonly suffix: string }>> = {
  GLUE_SHELL: { command: "bash", suffix: ".sh" },
  GLUE_PYTHON: { command: "python3", suffix: ".py" },
  GLUE_PYTHON2: { command: "python", suffix: ".py" },
  GLUE_NODEJS: { command: "node", suffix: ".js" },
  GLUE_POWERSHELL: { command: "pwsh", suffix: ".ps1" },
  GLUE_PHP: { command: "php", suffix: ".php" },
};

export function performScript(type: RunnableScript, row: RunRow, log: RunLog, tools: ScriptTools): Performance {
  const { promise: ended, resolve: decide } = Promise.withResolvers<RunResult>();
  const path = join(tools.folder, `${row.logId}-${row.acceptedAt}${interpreters[type].suffix}`);
  let isStopped = false;
  let child: ChildProcess | null = null;
  let ending: Promise<void> | null = null;
  const carryOut = async (): Promise<void> => {
    // The trigger is answered first.
    await new Promise<void>((resolve) => tools.clock.soon(resolve));
    try {
      await writeFile(path, tools.source, { mode: 0o600, flag: "wx" });
      if (isStopped) return;
      child = begin(type, path, row, tools.environment);
      decide(resultOf(await endOf(child, log)));
    } catch (error) {
      decide({ code: codes.failed, message: failureText(type, error) });
    } finally {
      await ending;
      await rm(path, { force: true }).catch((error: unknown) => log.warn({ err: error }, "the script's file is left"));
    }
  };
  return {
    ended,
    gone: carryOut(),
    stop: async (order) => {
      log.warn({}, order.message);
      decide(order);
      isStopped = true;
      if (child?.pid !== undefined) ending ??= endGroup(child.pid, tools.killAfterMs);
      return true;
    },
  };
}

function begin(type: RunnableScript, path: string, row: RunRow, environment: ScriptTools["environment"]): ChildProcess {
  const args = [path, row.param, String(row.shardIndex), String(row.shardTotal)];
  return spawn(interpreters[type].command, args, {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
}

interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** For what a script left in the background and still holds its output. */
const lastLinesMs = 1_000;

/** Rejects when it could not be begun. */
async function endOf(child: ChildProcess, log: RunLog): Promise<Exit> {
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const heard = Promise.all([hear(child.stdout, "info", log), hear(child.stderr, "warn", log)]);
  const exit = await exited;
  await Promise.race([heard, wait(lastLinesMs, undefined, { ref: false })]);
  child.stdout?.destroy();
  child.stderr?.destroy();
  return exit;
}

/** Line by line, no faster than the log takes them. What a full log does not keep is read too: the script goes on. */
async function hear(stream: Readable | null, level: keyof Log, log: RunLog): Promise<void> {
  let rest = "";
  try {
    for await (const chunk of stream?.setEncoding("utf8") ?? []) {
      if (log.isFull) continue;
      const lines = `${rest}${chunk}`.split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) log.write(level, {}, line);
      if (rest.length >= maxLineChars) {
        log.write(level, {}, rest);
        rest = "";
      }
      await log.flush();
    }
  } catch {
    // It was closed from here.
  }
  if (rest !== "") log.write(level, {}, rest);
}

function resultOf({ code, signal }: Exit): RunResult {
  if (code === 0) return { code: codes.ok, message: "" };
  const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`;
  return { code: codes.failed, message: `the script ${how}` };
}

function failureText(type: RunnableScript, error: unknown): string {
  const { command } = interpreters[type];
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === "ENOENT" && syscall?.startsWith("spawn"))
    return `${type}: expected ${command} on the PATH of the executor, found none. Install it there`;
  return `${type}: the script could not be begun: ${error instanceof Error ? error.message : String(error)}`;
}

// ── Process groups ─────────────────────────────────────────────────────────────────────────────────────────────────

const lookEveryMs = 25;
/** After SIGKILL: one that waits for a disk is not waited for. */
const lastLookMs = 500;

/** Asks a group to end, and ends it after the grace. */
async function endGroup(pid: number, graceMs: number): Promise<void> {
  if (!signalGroup(pid, "SIGTERM") || (await isGoneWithin(pid, graceMs))) return;
  signalGroup(pid, "SIGKILL");
  await isGoneWithin(pid, lastLookMs);
}

async function isGoneWithin(pid: number, ms: number): Promise<boolean> {
  for (let spentMs = 0; await livesGroup(pid); spentMs += lookEveryMs) {
    if (spentMs >= ms) return false;
    await wait(lookEveryMs);
  }
  return true;
}

/** On Linux a process that has ended and that nobody buries, as in a container without an init, lives no more. */
async function livesGroup(pid: number): Promise<boolean> {
  if (!signalGroup(pid, 0)) return false;
  if (process.platform !== "linux") return true;
  const stats = await ofProcesses("stat");
  // Behind the name, which stands in brackets: state, parent, group.
  const members = stats.map(({ text }) => text.slice(text.lastIndexOf(")") + 2).split(" "));
  return members.some(([state, , group]) => group === String(pid) && state !== "Z" && state !== "X");
}

/** False when there is no such group. */
function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL" | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

// ── What a former process left ─────────────────────────────────────────────────────────────────────────────────────

/**
 * Makes the folder, empty. Scripts of a process that died, which may go on without it, are ended first: their runs are called
 * back as failed, and another run of the same job must not meet them. They are found on Linux alone.
 */
export async function clearScripts(folder: string, killAfterMs: number, log: Log): Promise<void> {
  const left = await scriptsOf(folder);
  if (left.length > 0) log.warn({ pids: left }, "scripts of a former process of this executor still run and are ended");
  await Promise.all(left.map((pid) => endGroup(pid, killAfterMs)));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Without it, that of a project around the folder would say what kind of module a Node.js script is.
  await writeFile(join(folder, "package.json"), "{}\n", { mode: 0o600 });
}

/** Processes whose interpreter was given a file of this folder. */
async function scriptsOf(folder: string): Promise<readonly number[]> {
  const found = await ofProcesses("cmdline");
  return found.filter(({ text }) => text.split("\0")[1]?.startsWith(`${folder}/`)).map(({ pid }) => pid);
}

/** What Linux says of each process; elsewhere nothing. */
async function ofProcesses(
  what: "cmdline" | "stat",
): Promise<readonly { readonly pid: number; readonly text: string }[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  return Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      text: await readFile(`/proc/${pid}/${what}`, "utf8").catch(() => ""),
    })),
  );
}
