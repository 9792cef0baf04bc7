/** A private MariaDB for tests: durable settings as in production, loopback only, gone when the tests are. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chown, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import mysql, { type RowDataPacket } from "mysql2/promise";
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

/** Fast ends the sessions and shuts down cleanly, kill is SIGKILL: as after a power cut of the process. */
export type MariadbStopMode = "fast" | "kill";

export interface MariadbServer {
  /** Of a user with all rights, for database `test`. The same after a restart. */
  readonly url: string;
  /** Another one after a restart. */
  readonly pid: number;
  /** Settles when the server has ended. Default "fast". */
  stop(mode?: MariadbStopMode): Promise<void>;
  /** After `stop`. Settles when the server answers. */
  start(): Promise<void>;
  restart(mode: MariadbStopMode): Promise<void>;
  /** Ends the server and removes its folder. */
  close(): Promise<void>;
}

export interface MariadbOptions {
  /** Server settings over the defaults below, e.g. `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the server's process, beside what it has: see faketime.ts. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface MariadbBinaries {
  readonly server: string;
  readonly install: string;
}

export const mariadbService: ServiceKind<MariadbBinaries> = {
  title: "MariaDB",
  addressVariable: "MAKEGOOD_TEST_MYSQL_URL",
  debianPackages: ["mariadb-server"],
  // The package starts a server of its own; systemd skips it under a condition that never holds.
  filesBeforeInstall: [
    { path: "/etc/systemd/system/mariadb.service.d/makegood.conf", text: "[Unit]\nConditionPathExists=!/\n" },
  ],
  findBinaries: findMariadbBinaries,
};

const startPatienceMs = 60_000;
const maxPortTries = 5;
const user = "makegood";

/** What a careful production server has; the rest is MariaDB's default. */
const defaultSettings = {
  bind_address: "127.0.0.1",
  innodb_flush_log_at_trx_commit: "1",
  innodb_doublewrite: "1",
  skip_name_resolve: "1",
  max_connections: "400",
  innodb_buffer_pool_size: "256M",
  default_time_zone: "+00:00",
  character_set_server: "utf8mb4",
};

/** Starts a server of the caller's own. Throws if no binaries are found: see `describeWithOwnMariadb`. */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const source = findPrivateService(mariadbService);
  if (source.kind !== "binaries") throw new Error(`MariaDB cannot be started: ${source.kind}.`);
  const account = unprivilegedUser("mysql");
  const folder = await makeFolder("makegood-mariadb-", account);
  const settings = { ...defaultSettings, ...options.settings };
  try {
    return await startIn({ binaries: source.binaries, account, folder, settings, env: options.env ?? {} });
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
}

interface Place {
  readonly binaries: MariadbBinaries;
  readonly account: UnprivilegedUser | null;
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

async function startIn(place: Place): Promise<MariadbServer> {
  const password = randomBytes(12).toString("hex");
  await initialize(place);
  const { port, pid: firstPid } = await startOnFreePort(place, password);
  let pid: number | undefined = firstPid;

  const stop = async (mode: MariadbStopMode = "fast"): Promise<void> => {
    if (pid === undefined) return;
    await signalGuarded(pid, "SIGCONT");
    await signalGuarded(pid, mode === "fast" ? "SIGTERM" : "SIGKILL");
    await exitOfGuarded(pid);
    pid = undefined;
  };
  const start = async (): Promise<void> => {
    if (pid === undefined) pid = await startOn(place, password, port);
  };
  return {
    url: addressOf(port, password),
    get pid() {
      if (pid === undefined) throw new Error("Expected a running MariaDB, found it stopped; call start() first.");
      return pid;
    },
    stop,
    start,
    async restart(mode) {
      await stop(mode);
      await start();
    },
    async close() {
      await stop("kill");
      await removeFolder(place.folder);
    },
  };
}

async function initialize({ binaries, account, folder }: Place): Promise<void> {
  const args = ["--no-defaults", `--datadir=${join(folder, "data")}`, "--auth-root-authentication-method=normal"];
  await promisify(execFile)(binaries.install, [...args, "--skip-test-db", "--innodb-flush-method=nosync"], {
    cwd: folder,
    env: serverEnvironment(folder),
    ...(account ?? {}),
  });
}

async function startOnFreePort(place: Place, password: string) {
  for (let tried = 1; ; tried++) {
    const port = await findLoopbackPort();
    try {
      return { port, pid: await startOn(place, password, port) };
    } catch (error) {
      if (tried === maxPortTries) throw error;
    }
  }
}

/** The account is made by the server's own start-up, so that none without a password is ever reachable. */
async function startOn(place: Place, password: string, port: number): Promise<number> {
  const { binaries, account, folder } = place;
  const logFile = join(folder, "server.log");
  const initFile = join(folder, "init.sql");
  const settings = Object.entries({ ...place.settings, port: String(port), init_file: initFile });
  await writeFor(account, initFile, accountStatements(password));
  const pid = await startGuarded({
    command: binaries.server,
    args: [
      "--no-defaults",
      `--datadir=${join(folder, "data")}`,
      `--socket=${join(folder, "server.sock")}`,
      `--pid-file=${join(folder, "server.pid")}`,
      // Not one for all: a server that starts removes the temporary tables of others there.
      `--tmpdir=${folder}`,
      ...settings.map(([name, value]) => `--${name.replaceAll("_", "-")}=${value}`),
    ],
    env: { ...serverEnvironment(folder), ...place.env },
    folder,
    logFile,
    user: account,
    stopSignal: "SIGKILL",
  });
  if (await untilItAnswers(addressOf(port, password), pid)) return pid;
  await signalGuarded(pid, "SIGKILL");
  const log = readFileSync(logFile, "utf8");
  throw new Error(`Expected MariaDB to answer on port ${port}, found that it did not:\n${log.slice(-4000)}`);
}

function accountStatements(password: string): string {
  return [
    "DROP USER IF EXISTS root@localhost;",
    `CREATE USER IF NOT EXISTS ${user}@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${user}@'127.0.0.1' WITH GRANT OPTION;`,
    "CREATE DATABASE IF NOT EXISTS test;",
    "",
  ].join("\n");
}

async function writeFor(account: UnprivilegedUser | null, file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  if (account !== null) await chown(file, account.uid, account.gid);
}

async function untilItAnswers(url: string, pid: number): Promise<boolean> {
  let hasEnded = false;
  void exitOfGuarded(pid).then(() => {
    hasEnded = true;
  });
  const until = performance.now() + startPatienceMs;
  while (!hasEnded && performance.now() < until) {
    if (await answers(url)) return !hasEnded;
    await new Promise((settle) => setTimeout(settle, 50));
  }
  return false;
}

async function answers(url: string): Promise<boolean> {
  try {
    const connection = await mysql.createConnection({ uri: url, connectTimeout: 2_000 });
    await connection.end();
    return true;
  } catch {
    return false;
  }
}

/** A fresh, empty database on that server, for one test file. */
export async function createMariadbDatabase(
  serverUrl: string,
): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `makegood_test_${randomBytes(8).toString("hex")}`;
  await runOn(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => dropDatabase(serverUrl, name) };
}

/** By force: a connection that a dead process left in a transaction would hold the drop up for a day. */
async function dropDatabase(url: string, name: string): Promise<void> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    const [left] = await connection.query<RowDataPacket[]>(
      "SELECT id FROM information_schema.processlist WHERE db = ?",
      [name],
    );
    for (const { id } of left) await connection.query(`KILL ${Number(id)}`).catch(() => undefined);
    await connection.query(`DROP DATABASE IF EXISTS ${name}`);
  } finally {
    await connection.end();
  }
}

async function runOn(url: string, statement: string): Promise<void> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

function addressOf(port: number, password: string): string {
  return `mysql://${user}:${password}@127.0.0.1:${port}/test`;
}

/** Temporary tables of a server's own lie in its own folder, too: two that are installed at once must not share one. */
function serverEnvironment(folder: string): Record<string, string> {
  const path = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin`;
  return { PATH: path, HOME: folder, TMPDIR: folder, LC_ALL: "C.UTF-8", TZ: "UTC" };
}

function findMariadbBinaries(): MariadbBinaries | undefined {
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"],
  ];
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  const server = find("mariadbd");
  const install = find("mariadb-install-db");
  return server === undefined || install === undefined ? undefined : { server, install };
}
