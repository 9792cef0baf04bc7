// What the entry's parts share in one process: the open store, the worker, and patience with both.
import { CatalogError, ExecutionUnknownError } from "../core/errors.ts";
import { isUuid } from "../core/ids.ts";
import type { Env } from "./env.ts";
import { insist } from "./patience.ts";
import type { Worker } from "./worker.ts";

/** How long a command or a question is repeated while the store is away. */
const commandPatienceMs = 30_000;
const closePatienceMs = 5_000;

/** What works while the worker does. */
export interface Companion {
  /** Rejects where it cannot begin: then nothing does. */
  start(): void | Promise<void>;
  /** There may be something to do, such as for a job that was just registered. */
  poke(): void;
  stop(): Promise<void>;
}

export class Session {
  readonly env: Env;
  readonly worker: Worker;
  #opening: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #companions: Companion[] = [];

  constructor(env: Env, worker: Worker) {
    this.env = env;
    this.worker = worker;
  }

  accompany(companion: Companion): void {
    this.#companions.push(companion);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  open(): Promise<void> {
    if (this.#closing !== undefined)
      return Promise.reject(new CatalogError("APP_CLOSED", "this app was stopped. Make a new one with makegood()", {}));
    this.#opening ??= this.env.store.open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async run(): Promise<void> {
    await this.open();
    this.#running ??= this.#begin().catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    await this.#running;
  }

  async #begin(): Promise<void> {
    await this.worker.start();
    // Before the first execution ends here: what its code declares must be there, and what follows it known.
    for (const companion of this.#companions) await companion.start();
    this.worker.work();
  }

  stop(graceMs: number): Promise<void> {
    this.#closing ??= this.#stop(graceMs);
    return this.#closing;
  }

  async #stop(graceMs: number): Promise<void> {
    // A database that does not answer must not hold up the end: what is not given back is taken over when the lease is out.
    const orderly = async (): Promise<void> => {
      if (this.isRunning) await Promise.all(this.#companions.map((companion) => companion.stop()));
      if (this.isRunning) await this.worker.stop(graceMs);
      await this.env.journal.drained();
    };
    let cancelTimer: (() => void) | undefined;
    const patience = new Promise<void>((resolve) => {
      cancelTimer = this.env.clock.after(graceMs + closePatienceMs, resolve);
    });
    await Promise.race([orderly(), patience]);
    cancelTimer?.();
    this.env.journal.close();
    this.env.engagements.close();
    if (this.#opening !== undefined)
      await this.#opening.then(
        () => this.env.store.close(),
        () => {},
      );
  }

  /** Jobs were registered. */
  registered(): void {
    if (!this.isRunning) return;
    this.worker.poke();
    for (const companion of this.#companions) companion.poke();
  }

  /** There may be work, here or elsewhere; so soon at the earliest. `isTold`: elsewhere they have heard of it. */
  announce(inMs = 0, isTold = false): void {
    if (this.isRunning && inMs > 0) this.worker.wakeIn(inMs);
    else if (this.isRunning) this.worker.poke();
    if (!isTold) this.env.store.announce(this.env.namespace, null);
  }

  /** Commands and reads are idempotent: repeated while the store is away, for `patienceMs`. Who waits for an end waits on. */
  insist<T>(ask: () => Promise<T>, patienceMs = commandPatienceMs): Promise<T> {
    const { clock } = this.env;
    const giveUpAt = clock.monotonicMs() + patienceMs;
    return insist(this.env, ask, () => this.#closing === undefined && clock.monotonicMs() < giveUpAt);
  }
}

/** A text that is no id names no execution; the stores are not asked. */
export function checkId(id: string): void {
  if (!isUuid(id)) throw new ExecutionUnknownError(id);
}
