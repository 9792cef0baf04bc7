import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./process.ts", import.meta.url));

export interface OtherProcess {
  readonly pid: number;
  /** The next line that it says; undefined when it has ended. */
  line(): Promise<string | undefined>;
  tell(): void;
  kill(): void;
  /** Its exit code, or the signal that ended it. */
  end(): Promise<number | string>;
}

/** Runs testing/process.ts under this Node; with `maxFileKib` it may not write files beyond that size. */
export function startProcess(verb: string, path: string, argument = "", maxFileKib?: number): OtherProcess {
  const command = [process.execPath, "--disable-warning=ExperimentalWarning", program, verb, path, argument];
  // XFSZ ignored: a write beyond the limit then fails with EFBIG, which is an I/O error to SQLite.
  const limited = ["sh", "-c", `trap '' XFSZ; ulimit -f ${maxFileKib}; exec "$@"`, "sh", ...command];
  const [file = "", ...rest] = maxFileKib === undefined ? command : limited;
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(file, rest, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on("error", () => {});
  return {
    pid: child.pid ?? 0,
    line: async () => (await lines.next()).value as string | undefined,
    tell: () => void child.stdin.write("\n"),
    kill: () => void child.kill("SIGKILL"),
    end: () => ended,
  };
}

/** A path in a folder of its own, which is removed afterwards. */
export async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "makegood-sqlite-"));
  try {
    await run(join(folder, "engine.db"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
