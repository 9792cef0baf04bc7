// The life of the thread, seen from the main one. It is started by open(), and started anew by the first call after it died.
// Calls go to it in order and are carried out in order; of a call that it died with nobody knows how far it came.
//
// The thread keeps the process alive only while a call is under way: a process that forgets to close ends as if the store
// were not there, as it does with a store in its own thread.
import { existsSync } from "node:fs";
import { type Transferable, Worker } from "node:worker_threads";
import { StoreOutcomeUnknownError, StorePoisonError, StoreUnavailableError } from "../../../core/errors.ts";
import type { Answer, Call, Effect, NumberedCall, ThreadSettings } from "./calls.ts";
import { fromSent } from "./sent-error.ts";

export class Thread {
  readonly #program: URL;
  readonly #settings: ThreadSettings;
  #life: Life | null = null;
  /** False before open() and after close(). */
  #isWanted = false;
  #revival: Promise<unknown> | null = null;

  constructor(program: URL, settings: ThreadSettings) {
    this.#program = program;
    this.#settings = settings;
  }

  /** Nothing if it is open. */
  async start(name: "open" | "migrate"): Promise<unknown> {
    this.#life ??= new Life(this.#program, this.#settings);
    const life = this.#life;
    try {
      const value = await life.ask("read", { name });
      this.#isWanted = true;
      return value;
    } catch (error) {
      if (!this.#isWanted) await this.close();
      throw error;
    }
  }

  call(effect: Effect, call: Call, transferred: readonly Transferable[] = []): Promise<unknown> {
    const life = this.#life;
    if (!this.#isWanted || life?.isAlive !== true) return this.#callAnew(effect, call, transferred);
    return life.ask(effect, call, transferred);
  }

  async close(): Promise<void> {
    this.#isWanted = false;
    const life = this.#life;
    this.#life = null;
    await life?.end();
  }

  async #callAnew(effect: Effect, call: Call, transferred: readonly Transferable[]): Promise<unknown> {
    const { path } = this.#settings;
    if (!this.#isWanted) throw new StoreUnavailableError(`The store on ${path} is closed: open it first`, { path });
    // SQLite would make a new, empty database.
    if (!existsSync(path))
      throw new StoreUnavailableError(`${path} is gone: it was there when the store opened`, { path });
    this.#revival ??= this.#revive().finally(() => {
      this.#revival = null;
    });
    await this.#revival;
    return this.call(effect, call, transferred);
  }

  #revive(): Promise<unknown> {
    this.#life = null;
    return this.start("open");
  }
}

interface Pending {
  readonly effect: Effect;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, from its start to its end. */
class Life {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #lastNumber = 0;
  #isAlive = true;
  #isEnding = false;

  constructor(program: URL, settings: ThreadSettings) {
    this.#path = settings.path;
    this.#worker = new Worker(program, {
      name: "makegood sqlite",
      workerData: settings,
      // Loaders and flags of the application's own are not for this program. The warning is the main thread's to give.
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => this.#hear(answer));
    let cause: unknown;
    this.#worker.on("error", (error) => {
      cause = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on("exit", (exitCode) => {
        this.#die(exitCode, cause);
        resolve();
      });
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  ask(effect: Effect, call: Call, transferred: readonly Transferable[] = []): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const number = ++this.#lastNumber;
      const numbered: NumberedCall = { number, call };
      try {
        this.#worker.postMessage(numbered, transferred);
      } catch (error) {
        return reject(
          new StorePoisonError(`A value cannot be sent to SQLite's thread: ${error}`, {}, { cause: error }),
        );
      }
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(number, { effect, resolve, reject });
    });
  }

  /** Resolves when the thread is gone; what it was asked before is answered. */
  async end(): Promise<void> {
    if (!this.#isAlive) return;
    this.#isEnding = true;
    const closed = this.ask("read", { name: "close" });
    await Promise.race([closed, this.#ended]);
    await this.#ended;
  }

  #hear(answer: Answer): void {
    const pending = this.#pending.get(answer.number);
    this.#pending.delete(answer.number);
    if (this.#pending.size === 0 && !this.#isEnding) this.#worker.unref();
    if ("error" in answer) pending?.reject(fromSent(answer.error));
    else pending?.resolve(answer.value);
  }

  #die(exitCode: number, cause: unknown): void {
    this.#isAlive = false;
    const details = { path: this.#path, exitCode };
    const why = `the thread of SQLite has ended${cause instanceof Error ? `: ${cause.message}` : ""}`;
    for (const { effect, reject } of this.#pending.values())
      reject(
        effect === "read"
          ? new StoreUnavailableError(`${this.#path} was not read: ${why}`, details, { cause })
          : new StoreOutcomeUnknownError(
              `The write to ${this.#path} may have landed: ${why}. Repeat the same call`,
              details,
              { cause },
            ),
      );
    this.#pending.clear();
  }
}
