// The real world behind the engine's ports: Node's clock, chance, hash and background tasks. The only place that reads them.
import { hash, randomBytes } from "node:crypto";
import type { Clock, Log, Random, Tasks } from "./core/ports.ts";

const maxTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), maxTimerMs));
    return () => clearTimeout(timer);
  },
  // A tick asked for by a microtask comes when no microtask is left; asked for by anything else it may come before them.
  drained: (run) => queueMicrotask(() => process.nextTick(run)),
  soon: (run) => void setImmediate(run),
};

/** Chance in blocks: one system call for some hundred ids. */
const blockBytes = 4_096;

export function createSystemRandom(): Random {
  let block = randomBytes(blockBytes);
  let used = 0;
  return {
    next: () => Math.random(),
    bytes(count) {
      if (count > blockBytes) return randomBytes(count);
      if (used + count > blockBytes) {
        block = randomBytes(blockBytes);
        used = 0;
      }
      used += count;
      return block.subarray(used - count, used);
    },
  };
}

export const sha256 = (text: string): Uint8Array => hash("sha256", text, "buffer");

export function createTasks(log: Log): Tasks {
  const controller = new AbortController();
  const running = new Set<Promise<void>>();
  return {
    start(name, run) {
      const task: Promise<void> = run(controller.signal)
        .catch((error: unknown) => log.error({ err: error, task: name }, "background task ended by an error"))
        .finally(() => running.delete(task));
      running.add(task);
    },
    async stop() {
      controller.abort();
      await Promise.all(running);
    },
  };
}

/** Warnings and errors as JSON lines on stderr; for those who pass no log of their own. */
export const defaultLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => writeLine("warn", fields, message),
  error: (fields, message) => writeLine("error", fields, message),
};

function writeLine(level: string, fields: object, message: string): void {
  const plain = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value,
    ]),
  );
  process.stderr.write(`${JSON.stringify({ level, time: Date.now(), ...plain, msg: message })}\n`);
}
