/** A real Java executor, built from the published library by Maven, run as a process of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const project = fileURLToPath(new URL("./java-executor", import.meta.url));

/** Why no Java executor can be built here; null if it can. */
export function whyNoJava(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const missing = ["java", "javac", "mvn"].filter((it) => !folders.some((folder) => existsSync(join(folder, it))));
  return missing.length === 0 ? null : `no ${missing.join(", ")}`;
}

/** Compiles against that version of xxl-job-core. Returns the class path. */
export async function buildJavaExecutor(core: string, folder: string): Promise<string> {
  const out = join(folder, `java-${core}`);
  mkdirSync(out, { recursive: true });
  const classPathFile = join(out, "classpath.txt");
  const goals = ["compile", "dependency:build-classpath", `-Dmdep.outputFile=${classPathFile}`];
  await promisify(execFile)("mvn", ["-q", "-B", "-f", project, `-Dcore=${core}`, `-Dout=${out}`, ...goals], {
    timeout: 240_000,
  });
  return [join(out, "classes"), readFileSync(classPathFile, "utf8").trim()].join(delimiter);
}

export interface JavaExecutor {
  readonly effects: () => readonly string[];
  /** Lets it leave as it should. */
  stop(): Promise<void>;
  kill(): void;
}

export async function startJavaExecutor(options: {
  readonly classPath: string;
  readonly admin: string;
  readonly appname: string;
  readonly token: string;
  readonly port: number;
  readonly folder: string;
}): Promise<JavaExecutor> {
  const { classPath, admin, appname, token, port, folder } = options;
  const effects = join(folder, `effects-${port}.txt`);
  const args = ["-cp", classPath, "demo.Executor", admin, appname, token, String(port), folder, effects];
  const child = spawn("java", args, { stdio: ["pipe", "pipe", "pipe"] });
  await untilSaid(child, "started");
  return {
    effects: () => (existsSync(effects) ? readFileSync(effects, "utf8").split("\n").slice(0, -1) : []),
    stop: () => {
      child.stdin?.end();
      return exitOf(child);
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

function untilSaid(child: ChildProcess, word: string): Promise<void> {
  let said = "";
  return new Promise((settle, reject) => {
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      if (said.includes(word)) settle();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on("exit", () => reject(new Error(`The Java executor ended early:\n${said.slice(-4000)}`)));
  });
}

const exitOf = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null ? Promise.resolve() : new Promise((settle) => child.on("exit", () => settle()));
