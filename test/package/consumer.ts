// A project of somebody who installed the package: an empty folder, the packed tarball, nothing of this checkout. The
// tarball is built apart from dist/, so that several test files, and `npm run build` beside them, do not meet.
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { root } from "./doc-tables.ts";

const isWindows = process.platform === "win32";
const tools = join(root, "node_modules");
const published = ["package.json", "README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE"];
const buildSettings = ["package.json", "tsconfig.json", "tsconfig.build.json"];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process and all that it has printed so far, whenever it prints. */
  readonly watch?: (child: ChildProcess, stdout: string) => void;
}

const longestMs = 60_000;

/** Runs a command to its end. Does not judge it. */
export function run(command: string, args: readonly string[], { cwd, env = {}, watch }: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      shell: isWindows && !command.endsWith(".exe"),
      timeout: longestMs,
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      watch?.(child, stdout);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject).once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs a command that must succeed, and returns what it printed. */
export async function succeed(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const ended = await run(command, args, options);
  if (ended.code === 0) return ended.stdout;
  const why = ended.signal ?? `exit code ${ended.code}`;
  throw new Error(
    `Expected success of ${basename(command)} ${args.join(" ")}, found ${why}\n${ended.stdout}\n${ended.stderr}`,
  );
}

export interface Consumer {
  readonly folder: string;
  /** Writes a file of the project, with the folders above it. */
  write(path: string, text: string): string;
  /** Makes development packages of this checkout available, as if they had been installed. */
  link(...packages: readonly string[]): void;
  /** Runs a file of the project under the Node that runs the tests. */
  node(file: string, options?: Partial<RunOptions> & { readonly args?: readonly string[] }): Promise<Ended>;
  remove(): void;
}

/** Packs what would be published into a folder; returns the tarball. */
export async function pack(folder: string): Promise<string> {
  const source = join(folder, "source");
  mkdirSync(source);
  for (const file of new Set([...published, ...buildSettings, "src"]))
    cpSync(join(root, file), join(source, file), { recursive: true });
  symlinkSync(tools, join(source, "node_modules"), "junction");
  await succeed(process.execPath, [join(tools, "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], {
    cwd: source,
  });
  await succeed(npm, ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder], { cwd: source });
  const name = readdirSync(folder).find((it) => it.endsWith(".tgz"));
  if (name === undefined) throw new Error("Expected npm pack to write a tarball, found none");
  return join(folder, name);
}

export const npm: string = isWindows ? "npm.cmd" : "npm";

/** An empty project that has installed the tarball and nothing else: without network, so that it can have fetched nothing. */
export async function createConsumer(): Promise<Consumer> {
  const folder = mkdtempSync(join(tmpdir(), "makegood-consumer-"));
  const packed = join(folder, "packed");
  const project = join(folder, "project");
  mkdirSync(packed);
  mkdirSync(project);
  const write = (path: string, text: string): string => {
    const file = join(project, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  try {
    const tarball = await pack(packed);
    write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }));
    await succeed(npm, ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball], {
      cwd: project,
      env: { npm_config_cache: join(folder, "npm-cache") },
    });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    folder: project,
    write,
    link(...packages) {
      for (const name of packages) {
        const place = join(project, "node_modules", name);
        mkdirSync(dirname(place), { recursive: true });
        symlinkSync(join(tools, name), place, "junction");
      }
    },
    node: (file, { args = [], ...options } = {}) =>
      run(process.execPath, ["--disable-warning=ExperimentalWarning", file, ...args], { cwd: project, ...options }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
