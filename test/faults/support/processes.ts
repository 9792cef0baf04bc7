/** Child processes of a test: started fast, heard line by line, and gone when the test is. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  /** What it has said on stdout so far. */
  readonly lines: readonly string[];
  readonly errors: () => string;
  readonly exit: Promise<Exit>;
  readonly hasExited: () => boolean;
  /** Resolves with the first line, said or to be said, that begins so; rejects when it ends before. */
  said(start: string): Promise<string>;
  tell(line: string): void;
  kill(signal: NodeJS.Signals): void;
}

export interface Nursery<A> {
  start(args: A): Child;
}

/**
 * For a block of tests: starts children that run `program` of this folder, and kills what is left of them at the end.
 * With `null` as its argument the program loads its modules and ends: only a process that ends by itself leaves what it
 * compiled to those after it, and compiling is more than half of a start's time.
 */
export function makeNursery<A>(program: string): Nursery<A> {
  const children = new Set<ChildProcess>();
  const cache = mkdtempSync(join(tmpdir(), "makegood-faults-cache-"));
  afterAll(async () => {
    const leaving = [...children].map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(leaving);
    rmSync(cache, { recursive: true, force: true });
  });
  const start = (args: A | null): Child => {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file, JSON.stringify(args)], {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: cache },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return listenTo(child);
  };
  beforeAll(async () => {
    const warm = start(null);
    const { code } = await warm.exit;
    if (code !== 0) throw new Error(`Expected ${program} to load, found exit code ${code}: ${warm.errors()}`);
  });
  return { start };
}

function listenTo(child: ChildProcess): Child {
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  let rest = "";
  let errors = "";
  let exited: Exit | undefined;
  const wake = (): void => {
    for (const listener of [...listeners]) listener();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    wake();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  child.stdin?.on("error", () => undefined);
  // After "close" all output is here; "exit" may come before its last lines.
  const exit = new Promise<Exit>((resolve) =>
    child.once("close", (code, signal) => {
      exited = { code, signal };
      wake();
      resolve(exited);
    }),
  );
  return {
    pid: child.pid ?? 0,
    lines,
    errors: () => errors,
    exit,
    hasExited: () => exited !== undefined,
    said: (start) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => line.startsWith(start));
          if (found === undefined && exited === undefined) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else
            reject(
              new Error(
                `Expected the child to say "${start}", found that it ended (${exited?.code ?? exited?.signal}) after saying:\n${lines.join("\n")}\n${errors}`,
              ),
            );
        };
        listeners.add(look);
        look();
      }),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    kill: (signal) => void child.kill(signal),
  };
}
