import { flushCompileCache } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { type Log, makegood } from "../../index.ts";
import { storeAt } from "../store-address.ts";
import type { Watch } from "./books.ts";
import { defineJobs } from "./jobs.ts";
import type { FromWorker, ToWorker, WorkerSettings } from "./messages.ts";
import { type Movement, referenceOf } from "./movements.ts";
import { openBooks } from "./open-books.ts";

// The process that the demo kills. It is an ordinary worker: it opens its databases, registers its jobs and runs. What is
// special is the watch, through which the parent learns of each movement, and can make it take longer.

/** The same in every life of the process: a restart under the same name takes over at once. */
const workerName = "demo-worker";
const graceMs = 5_000;
/** How long the answer of a movement without our guard is on its way, at least. */
const answerMs = 2;

process.on("message", (message: ToWorker) => {
  if (message.kind === "begin") void begin(message.settings);
});
// The parent is gone, by whatever cause: nobody is left to work for.
process.on("disconnect", () => process.exit(1));
// Ctrl-C reaches every process of the terminal; this one is told by its parent what to do.
process.on("SIGINT", () => undefined);

async function begin(settings: WorkerSettings): Promise<void> {
  const books = await openBooks(settings.books, watchOf(settings));
  const { orders, stock, accounts } = books.participants;
  const app = makegood({
    store: await storeAt(settings.store),
    namespace: settings.namespace,
    workerName,
    participants: [orders, stock, accounts],
    concurrency: settings.concurrency,
    maxCrashes: settings.maxCrashes,
    log: errorLog,
  });
  app.register(...defineJobs(books, settings.isGuarded).all);
  process.on("message", (message: ToWorker) => {
    if (message.kind !== "stop") return;
    void app.stop({ graceMs }).then(async () => {
      await books.close();
      process.exit(0);
    });
  });
  await app.run();
  tell({ kind: "working" });
  // By itself Node writes its cache when a process ends in order, which this one seldom does.
  flushCompileCache();
}

function watchOf({ books, isGuarded, paceMs }: WorkerSettings): Watch {
  const announce = (movement: Movement): void => tell({ kind: "moving", reference: referenceOf(movement) });
  if (!isGuarded)
    return {
      beforeAppend() {},
      async afterAppendAlone(movement) {
        announce(movement);
        await delay(Math.max(paceMs, answerMs));
      },
    };
  return {
    beforeAppend(movement) {
      announce(movement);
      if (paceMs > 0 && books.kind === "postgres") return delay(paceMs);
      if (paceMs > 0) sleepInPlace(paceMs);
      return undefined;
    },
    afterAppendAlone() {},
  };
}

/** Inside a synchronous transaction there is no other way to take time. */
function sleepInPlace(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function tell(message: FromWorker): void {
  process.send?.(message);
}

/** The parent shows the last of it if something goes wrong. */
const errorLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => console.error("warn", message, fields),
  error: (fields, message) => console.error("error", message, fields),
};
