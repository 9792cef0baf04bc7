// Another process of a sample: a worker that is told where, and says what it saw.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { execArgv } from "./node-flags.ts";

export interface Child<Word> {
  /** What it says next. Rejects when it ends instead. */
  next(): Promise<Word>;
  /** SIGKILL; settles when it is gone. */
  kill(): Promise<void>;
  /** Asks it to end, and settles when it has. */
  stop(): Promise<void>;
}

/** `file` is relative to this folder. Its orders are the first thing that it hears. */
export function startChild<Word>(file: string, orders: unknown): Child<Word> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: [...execArgv],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const words: Word[] = [];
  let hear: (() => void) | undefined;
  let hasEnded = false;
  child.on("message", (word) => {
    words.push(word as Word);
    hear?.();
  });
  child.on("exit", () => {
    hasEnded = true;
    hear?.();
  });
  child.send(orders as object);
  const gone = async (): Promise<void> => {
    if (!hasEnded) await once(child, "exit");
  };
  return {
    async next() {
      while (words.length === 0) {
        if (hasEnded) throw new Error(`Expected ${file} to say something, found that it ended.`);
        await new Promise<void>((settle) => {
          hear = settle;
        });
      }
      return words.shift() as Word;
    },
    async kill() {
      child.kill("SIGKILL");
      await gone();
    },
    async stop() {
      if (child.connected) child.disconnect();
      await gone();
    },
  };
}

/** The child's side: what it was told to do. */
export async function receiveOrders<Orders>(): Promise<Orders> {
  const [orders] = (await once(process, "message")) as [Orders];
  return orders;
}

export function say(word: unknown): void {
  process.send?.(word);
}
