/** The test run's side of the guardian: starts servers that cannot outlive this process. See guardian.ts. */
import { type ChildProcess, fork } from "node:child_process";
import { chownSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Reply, Request, StartRequest } from "./guardian.ts";

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;
type Waiting = { readonly settle: (reply: Reply) => void };

export interface UnprivilegedUser {
  readonly uid: number;
  readonly gid: number;
}

let guardian: ChildProcess | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

/** A fresh folder that only `user` may enter, removed at the latest when this process ends. */
export async function makeFolder(prefix: string, user: UnprivilegedUser | null): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  await ask({ kind: "own-folder", folder });
  if (user !== null) chownSync(folder, user.uid, user.gid);
  return folder;
}

export async function removeFolder(folder: string): Promise<void> {
  await ask({ kind: "remove-folder", folder });
}

/** Starts a server that is stopped at the latest when this process ends, and gives its process id. */
export async function startGuarded(server: StartRequest): Promise<number> {
  const { pid } = await ask({ kind: "start", server });
  if (pid === undefined) throw new Error(`The guardian started ${server.command} and named no process id.`);
  return pid;
}

export async function signalGuarded(pid: number, signal: NodeJS.Signals): Promise<void> {
  await ask({ kind: "signal", pid, signal });
}

/** Settles when that server has ended; at once if it has already. */
export async function exitOfGuarded(pid: number): Promise<void> {
  await ask({ kind: "wait-for-exit", pid });
}

async function ask(request: Unnumbered<Request>): Promise<{ readonly pid?: number }> {
  const channel = openGuardian();
  const id = ++lastId;
  const reply = await new Promise<Reply>((settle) => {
    waiting.set(id, { settle });
    channel.channel?.ref();
    channel.send({ ...request, id }, (error) => {
      if (error !== null) settle({ id, ok: false, message: error.message });
    });
  });
  waiting.delete(id);
  // Only a question under way may keep this process alive.
  if (waiting.size === 0) channel.channel?.unref();
  if (!reply.ok) throw new Error(reply.message);
  return reply;
}

function openGuardian(): ChildProcess {
  if (guardian?.connected === true) return guardian;
  const child = fork(fileURLToPath(new URL("./guardian.ts", import.meta.url)), {
    detached: true,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  child.on("message", (reply: Reply) => waiting.get(reply.id)?.settle(reply));
  child.on("exit", () => {
    for (const [id, { settle }] of waiting) settle({ id, ok: false, message: "The guardian process ended early." });
  });
  child.unref();
  child.channel?.unref();
  guardian = child;
  return child;
}
