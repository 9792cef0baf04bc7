import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { FromWorker, ToWorker, WorkerSettings } from "./messages.ts";

export interface WorkerProcess {
  /** SIGKILL: no handler runs, nothing is put in order. Settles when the process is gone. */
  kill(): Promise<void>;
  /** Asks it to give its work back and end; kills it if it does not. Settles when the process is gone. */
  stop(): Promise<void>;
  /** Settles when the process is gone, by whatever cause, with the last that it wrote to standard error. */
  readonly gone: Promise<{ readonly how: string; readonly lastWords: string }>;
}

const maxLastWords = 4_000;
const stopPatienceMs = 10_000;

/**
 * Starts the worker in a process of its own and hands it its settings. What Node compiles goes into `cacheFolder`, so that
 * a restart costs a fifth of the first start.
 */
export function startWorkerProcess(
  settings: WorkerSettings,
  cacheFolder: string,
  hear: (message: FromWorker) => void,
): WorkerProcess {
  const child = fork(workerFile(), [], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { ...process.env, NODE_COMPILE_CACHE: cacheFolder },
  });
  let lastWords = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-maxLastWords);
  });
  child.on("message", hear);
  const gone = ending(child).then((how) => ({ how, lastWords }));
  const say = (message: ToWorker): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  say({ kind: "begin", settings });
  return {
    gone,
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    async stop() {
      say({ kind: "stop" });
      const timer = setTimeout(() => child.kill("SIGKILL"), stopPatienceMs);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** The built package has .js where the sources have .ts. */
function workerFile(): string {
  const source = fileURLToPath(new URL("./worker.ts", import.meta.url));
  return import.meta.url.endsWith(".ts") ? source : source.replace(/\.ts$/, ".js");
}

/** "close" rather than "exit": by then its standard error has been read to the end. */
async function ending(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = await once(child, "close");
    return signal === null ? `exit code ${code}` : String(signal);
  } catch (error) {
    return `could not start: ${error instanceof Error ? error.message : error}`;
  }
}
