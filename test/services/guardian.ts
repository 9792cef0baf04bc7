/**
 * The process that owns what a test run starts: servers and their folders. It is their parent, in a session of its
 * own, so neither Ctrl-C in the terminal nor a crash or SIGKILL of the test run can orphan them: when the channel to
 * the test run closes, for whatever reason, it stops every server, removes every folder and ends.
 *
 * Run only through `guarded.ts`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";

export interface StartRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly logFile: string;
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** The signal that ends this server soon and cleanly, without waiting for its clients. */
  readonly stopSignal: NodeJS.Signals;
}

export type Request =
  | { readonly id: number; readonly kind: "own-folder"; readonly folder: string }
  | { readonly id: number; readonly kind: "start"; readonly server: StartRequest }
  | { readonly id: number; readonly kind: "signal"; readonly pid: number; readonly signal: NodeJS.Signals }
  | { readonly id: number; readonly kind: "wait-for-exit"; readonly pid: number }
  | { readonly id: number; readonly kind: "remove-folder"; readonly folder: string };

export type Reply =
  | { readonly id: number; readonly ok: true; readonly pid?: number }
  | { readonly id: number; readonly ok: false; readonly message: string };

interface Server {
  readonly process: ChildProcess;
  readonly stopSignal: NodeJS.Signals;
  readonly exited: Promise<void>;
}

const patienceMs = 10_000;
const servers = new Map<number, Server>();
const folders = new Set<string>();

process.on("message", (request: Request) => {
  answer(request).then(
    (pid) => send({ id: request.id, ok: true, ...(pid === undefined ? {} : { pid }) }),
    (error: unknown) => send({ id: request.id, ok: false, message: String(error) }),
  );
});
process.on("disconnect", () => void closeAll().finally(() => process.exit()));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void closeAll().finally(() => process.exit()));
}

async function answer(request: Request): Promise<number | undefined> {
  switch (request.kind) {
    case "own-folder":
      folders.add(request.folder);
      return undefined;
    case "start":
      return start(request.server);
    case "signal":
      servers.get(request.pid)?.process.kill(request.signal);
      return undefined;
    case "wait-for-exit":
      await servers.get(request.pid)?.exited;
      return undefined;
    case "remove-folder":
      folders.delete(request.folder);
      rmSync(request.folder, { recursive: true, force: true });
      return undefined;
  }
}

function start(request: StartRequest): Promise<number> {
  const log = openSync(request.logFile, "a");
  const child = spawn(request.command, request.args, {
    cwd: request.folder,
    env: request.env,
    stdio: ["ignore", log, log],
    ...(request.user ?? {}),
  });
  closeSync(log);
  return new Promise((settle, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      const pid = child.pid ?? 0;
      const exited = new Promise<void>((done) => child.once("exit", () => done())).then(() => {
        servers.delete(pid);
      });
      servers.set(pid, { process: child, stopSignal: request.stopSignal, exited });
      settle(pid);
    });
  });
}

async function closeAll(): Promise<void> {
  await Promise.all([...servers.values()].map(stop));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function stop(server: Server): Promise<void> {
  server.process.kill("SIGCONT"); // a test may have frozen it
  server.process.kill(server.stopSignal);
  const timer = setTimeout(() => server.process.kill("SIGKILL"), patienceMs);
  await server.exited;
  clearTimeout(timer);
}

function send(reply: Reply): void {
  if (process.connected) process.send?.(reply);
}
