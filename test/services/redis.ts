/** A private Redis for tests and benchmarks: append-only file, loopback only, gone when this process is. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { delimiter, join } from "node:path";
import { exitOfGuarded, makeFolder, removeFolder, signalGuarded, startGuarded } from "./guarded.ts";
import { findLoopbackPort } from "./loopback-port.ts";
import { findPrivateService, type ServiceKind } from "./service.ts";

export interface RedisServer {
  /** With the password. */
  readonly url: string;
  readonly pid: number;
  /** Ends the server and removes its folder. */
  close(): Promise<void>;
}

export interface RedisOptions {
  /** Server settings over the defaults below, e.g. `{ appendfsync: "everysec" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RedisBinaries {
  readonly server: string;
}

export const redisService: ServiceKind<RedisBinaries> = {
  title: "Redis",
  addressVariable: "MAKEGOOD_TEST_REDIS_URL",
  debianPackages: ["redis-server"],
  // The package starts a server of its own; systemd skips it under a condition that never holds.
  filesBeforeInstall: [
    { path: "/etc/systemd/system/redis-server.service.d/makegood.conf", text: "[Unit]\nConditionPathExists=!/\n" },
  ],
  findBinaries: findRedisBinaries,
};

const startPatienceMs = 20_000;
const maxPortTries = 5;

/** Every write is on disk before it is acknowledged; the rest is Redis's default, without snapshots. */
const defaultSettings = { appendonly: "yes", appendfsync: "always", save: '""', bind: "127.0.0.1", dir: "./" };

/** Starts a server of the caller's own. Throws if no binaries are found. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const source = findPrivateService(redisService);
  if (source.kind !== "binaries") throw new Error(`Redis cannot be started: ${source.kind}.`);
  const folder = await makeFolder("makegood-redis-", null);
  try {
    return await startOnFreePort(source.binaries.server, folder, { ...defaultSettings, ...options.settings });
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

async function startOnFreePort(
  command: string,
  folder: string,
  settings: Readonly<Record<string, string>>,
): Promise<RedisServer> {
  const password = randomBytes(12).toString("hex");
  for (let tried = 1; ; tried++) {
    const port = await findLoopbackPort();
    try {
      const pid = await startOn({ command, folder, settings, port, password });
      return {
        url: `redis://:${password}@127.0.0.1:${port}`,
        pid,
        async close() {
          await signalGuarded(pid, "SIGKILL");
          await exitOfGuarded(pid);
          await removeFolder(folder);
        },
      };
    } catch (error) {
      if (tried === maxPortTries) throw error;
    }
  }
}

interface Place {
  readonly command: string;
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly port: number;
  readonly password: string;
}

async function startOn({ command, folder, settings, port, password }: Place): Promise<number> {
  const file = join(folder, "redis.conf");
  const lines = Object.entries({ ...settings, port: String(port), requirepass: password });
  writeFileSync(file, lines.map(([name, value]) => `${name} ${value}\n`).join(""), { mode: 0o600 });
  const logFile = join(folder, "server.log");
  const pid = await startGuarded({
    command,
    args: [file],
    env: { PATH: process.env["PATH"] ?? "", TZ: "UTC" },
    folder,
    logFile,
    user: null,
    stopSignal: "SIGKILL",
  });
  if (await untilItAnswers(port, password, pid)) return pid;
  await signalGuarded(pid, "SIGKILL");
  const log = readFileSync(logFile, "utf8");
  throw new Error(`Expected Redis to answer on port ${port}, found that it did not:\n${log.slice(-4000)}`);
}

async function untilItAnswers(port: number, password: string, pid: number): Promise<boolean> {
  let hasEnded = false;
  void exitOfGuarded(pid).then(() => {
    hasEnded = true;
  });
  const until = performance.now() + startPatienceMs;
  while (!hasEnded && performance.now() < until) {
    if ((await say(port, `AUTH ${password}\r\nPING\r\n`)).includes("+PONG")) return !hasEnded;
    await new Promise((settle) => setTimeout(settle, 10));
  }
  return false;
}

/** Sends it, hangs up, and gives the whole answer; empty where nobody listens. */
function say(port: number, text: string): Promise<string> {
  return new Promise((settle) => {
    let answer = "";
    const socket = createConnection(port, "127.0.0.1", () => socket.end(text));
    socket.setTimeout(2_000, () => socket.destroy());
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => settle(answer));
  });
}

function findRedisBinaries(): RedisBinaries | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
  const folder = folders.find((it) => existsSync(join(it, "redis-server")));
  return folder === undefined ? undefined : { server: join(folder, "redis-server") };
}
