// The port by messages to a thread that has the store itself. What runs in transactions of the user's stays here: it is only text.
import { existsSync } from "node:fs";
import type { OwnTransactions, Store } from "../../../core/store.ts";
import { type Effect, effects, type Room, type ThreadSettings } from "./calls.ts";
import { Thread } from "./thread.ts";
import { packCommit, unpackOutcomes } from "./wire.ts";

/** `own` of this thread, given the identity once it is known. */
export function threaded(
  program: URL,
  settings: ThreadSettings,
  own: (identity: () => string | null) => OwnTransactions,
): Store {
  const thread = new Thread(program, settings);
  let identity: string | null = null;
  return {
    kind: "sqlite",
    executions: {
      ...roomOf(thread, "executions"),
      async commit(starts, writes) {
        const packed = packCommit(starts, writes);
        const told = await thread.call("write", { name: "commit", packed }, [packed.bytes.buffer]);
        return unpackOutcomes(told as readonly unknown[], starts, writes);
      },
    },
    workers: roomOf(thread, "workers"),
    commands: roomOf(thread, "commands"),
    reads: roomOf(thread, "reads"),
    schedules: roomOf(thread, "schedules"),
    executors: roomOf(thread, "executors"),
    own: own(() => identity),
    flushLanes: 2,
    async open() {
      identity = (await thread.start("open")) as string;
    },
    async migrate() {
      return (await thread.start("migrate")) as readonly string[];
    },
    // SQLite cannot push: other processes poll.
    announce() {},
    listen: () => () => {},
    close: () => thread.close(),
  };
}

function roomOf<R extends Room>(thread: Thread, name: R): Store[R] {
  const methods = (Object.entries(effects[name]) as [string, Effect][]).map(([method, effect]) => [
    method,
    (...values: readonly unknown[]) => thread.call(effect, { name, method, values }),
  ]);
  return Object.fromEntries(methods) as Store[R];
}

/**
 * The program of the thread, beside this file: TypeScript where this runs from its source. Null where there is none, such as
 * in a bundle; beside one may lie programs of the application's, which is why its name is no common one.
 */
export function findProgram(): URL | null {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  try {
    const program = new URL(`./makegood-sqlite-thread.${extension}`, import.meta.url);
    return existsSync(program) ? program : null;
  } catch {
    return null;
  }
}
