/** A private PostgreSQL for tests: durable settings as in production, loopback only, gone when the tests are. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import {
  exitOfGuarded,
  makeFolder,
  removeFolder,
  signalGuarded,
  startGuarded,
  type UnprivilegedUser,
} from "./guarded.ts";
import { findLoopbackPort } from "./loopback-port.ts";
import { findPrivateService, type ServiceKind } from "./service.ts";
import { unprivilegedUser } from "./unprivileged-user.ts";

/** Fast ends the sessions, immediate ends without a checkpoint, kill is SIGKILL: as after a power cut of the process. */
export type StopMode = "fast" | "immediate" | "kill";

export interface PostgresServer {
  /** Of the superuser, for database `postgres`. The same after a restart. */
  readonly url: string;
  /** Of the postmaster; another one after a restart. */
  readonly pid: number;
  readonly dataDir: string;
  /** Settles when the server has ended. Default "fast". */
  stop(mode?: StopMode): Promise<void>;
  /** After `stop`. Settles when the server answers. */
  start(): Promise<void>;
  restart(mode: StopMode): Promise<void>;
  /** Ends the server and removes its folder. */
  close(): Promise<void>;
}

export interface PostgresOptions {
  /** Server settings over the defaults below, e.g. `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the server's process, beside what it has: see faketime.ts. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

export interface PostgresBinaries {
  readonly folder: string;
}

export const postgresService: ServiceKind<PostgresBinaries> = {
  title: "PostgreSQL",
  addressVariable: "MAKEGOOD_TEST_POSTGRES_URL",
  debianPackages: ["postgresql"],
  filesBeforeInstall: [{ path: "/etc/postgresql-common/createcluster.conf", text: "create_main_cluster = false\n" }],
  findBinaries: findPostgresBinaries,
};

const stopSignals = { fast: "SIGINT", immediate: "SIGQUIT", kill: "SIGKILL" } as const;
const startPatienceMs = 60_000;
const maxPortTries = 5;

/** What a careful production server has; the rest is PostgreSQL's default. */
const defaultSettings = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "400",
  timezone: "UTC",
  log_min_messages: "warning",
};

/** Starts a server of the caller's own. Throws if no binaries are found: see `describeWithOwnPostgres`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const source = findPrivateService(postgresService);
  if (source.kind !== "binaries") throw new Error(`PostgreSQL cannot be started: ${source.kind}.`);
  const binaries = source.binaries.folder;
  const user = unprivilegedUser("postgres");
  const folder = await makeFolder("makegood-postgres-", user);
  try {
    return await startIn({
      binaries,
      user,
      folder,
      settings: { ...defaultSettings, ...options.settings },
      env: options.env ?? {},
    });
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

interface Place {
  readonly binaries: string;
  readonly user: UnprivilegedUser | null;
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

async function startIn(place: Place): Promise<PostgresServer> {
  const dataDir = join(place.folder, "data");
  const password = randomBytes(12).toString("hex");
  await initialize(place, dataDir, password);
  const { port, pid: firstPid } = await startOnFreePort(place, dataDir, password);
  const url = addressOf(port, password);
  let pid: number | undefined = firstPid;

  const stop = async (mode: StopMode = "fast"): Promise<void> => {
    if (pid === undefined) return;
    await signalGuarded(pid, "SIGCONT");
    await signalGuarded(pid, stopSignals[mode]);
    await exitOfGuarded(pid);
    pid = undefined;
  };
  const start = async (): Promise<void> => {
    if (pid === undefined) pid = await startOn(place, dataDir, port, password);
  };
  return {
    url,
    dataDir,
    get pid() {
      if (pid === undefined) throw new Error("Expected a running PostgreSQL, found it stopped; call start() first.");
      return pid;
    },
    stop,
    start,
    async restart(mode) {
      await stop(mode);
      await start();
    },
    async close() {
      await stop("immediate");
      await removeFolder(place.folder);
    },
  };
}

/** `initdb` without its own sync: the server's fsync, which counts from its start, stays on. */
async function initialize(place: Place, dataDir: string, password: string): Promise<void> {
  const script = `printf %s "$PASSWORD" | "$BIN/initdb" "$@" --pwfile=/dev/stdin`;
  const args = ["-D", dataDir, "-U", "makegood", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
  await promisify(execFile)("/bin/sh", ["-c", script, "sh", ...args], {
    cwd: place.folder,
    env: { ...serverEnvironment(place), BIN: place.binaries, PASSWORD: password },
    ...(place.user ?? {}),
  });
}

async function startOnFreePort(place: Place, dataDir: string, password: string) {
  for (let tried = 1; ; tried++) {
    const port = await findLoopbackPort();
    try {
      return { port, pid: await startOn(place, dataDir, port, password) };
    } catch (error) {
      if (tried === maxPortTries) throw error;
    }
  }
}

async function startOn(place: Place, dataDir: string, port: number, password: string): Promise<number> {
  const logFile = join(place.folder, "server.log");
  const settings = Object.entries({ ...place.settings, port: String(port) });
  const until = performance.now() + startPatienceMs;
  for (;;) {
    const said = existsSync(logFile) ? readFileSync(logFile, "utf8").length : 0;
    const pid = await startGuarded({
      command: join(place.binaries, "postgres"),
      args: ["-D", dataDir, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      env: { ...serverEnvironment(place), ...place.env },
      folder: place.folder,
      logFile,
      user: place.user,
      stopSignal: "SIGQUIT",
    });
    const found = await untilItAnswers(addressOf(port, password), pid, until);
    if (found === "answers") return pid;
    if (found === "silent") await signalGuarded(pid, "SIGQUIT");
    const log = readFileSync(logFile, "utf8").slice(said);
    // After a SIGKILL of the postmaster its sessions take a moment to notice, each with a line, and to let go of the shared memory.
    const isPredecessorLeaving = /pre-existing shared memory block|lock file "postmaster\.pid"/.test(log);
    if (isPredecessorLeaving && performance.now() < until) continue;
    throw new Error(`Expected PostgreSQL to answer on port ${port}, found that it ${found}:\n${log.slice(-4000)}`);
  }
}

async function untilItAnswers(url: string, pid: number, until: number): Promise<"answers" | "ended" | "silent"> {
  let hasEnded = false;
  void exitOfGuarded(pid).then(() => {
    hasEnded = true;
  });
  while (!hasEnded && performance.now() < until) {
    if (await answers(url)) return hasEnded ? "ended" : "answers";
    await new Promise((settle) => setTimeout(settle, 25));
  }
  return hasEnded ? "ended" : "silent";
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A fresh, empty database on that server, for one test file. */
export async function createDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `makegood_test_${randomBytes(8).toString("hex")}`;
  await runOn(serverUrl, `CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOn(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function runOn(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function addressOf(port: number, password: string): string {
  return `postgres://makegood:${password}@127.0.0.1:${port}/postgres`;
}

function serverEnvironment(place: Place): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: place.folder, LC_ALL: "C.UTF-8", TZ: "UTC" };
}

/** The newest installed version. */
function findPostgresBinaries(): PostgresBinaries | undefined {
  const onPath = (process.env["PATH"] ?? "").split(delimiter);
  const folders = [
    ...versionFolders("/usr/lib/postgresql", "bin"),
    ...versionFolders("/opt/homebrew/opt", "bin"),
    ...onPath,
  ];
  const folder = folders.find((it) => existsSync(join(it, "postgres")) && existsSync(join(it, "initdb")));
  return folder === undefined ? undefined : { folder };
}

/** `…/15/bin` as Debian names it, `…/postgresql@17/bin` as Homebrew does. */
function versionFolders(parent: string, inner: string): string[] {
  if (!existsSync(parent)) return [];
  const versionOf = (name: string) => Number(/^(?:postgresql@)?(\d+)$/.exec(name)?.[1] ?? 0);
  const names = readdirSync(parent).filter((name) => versionOf(name) > 0);
  return names.sort((a, b) => versionOf(b) - versionOf(a)).map((name) => join(parent, name, inner));
}
