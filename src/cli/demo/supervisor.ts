import { setTimeout as delay } from "node:timers/promises";
import { DemoError } from "./demo-error.ts";
import type { KillPlan } from "./kill-plan.ts";
import type { FromWorker, WorkerSettings } from "./messages.ts";
import type { Reference } from "./movements.ts";
import { seededRandom } from "./seeded-random.ts";
import { startWorkerProcess, type WorkerProcess } from "./worker-process.ts";

export interface SupervisorOptions {
  readonly settings: WorkerSettings;
  /** For what Node compiles. */
  readonly cacheFolder: string;
  readonly plan: KillPlan;
  readonly movementCount: number;
  /** Asked when the worker is dead: does the store still show work that it held? */
  readonly isWorkInterrupted: () => Promise<boolean>;
}

/** More ends of the worker than we brought about: something is wrong with it, and starting it again does not help. */
const maxUnexpectedEnds = 5;

/** Keeps one worker process running, and kills it as planned. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #random = seededRandom(1);
  readonly #begun = new Set<Reference>();
  readonly #failure = Promise.withResolvers<never>();
  readonly #takeOversMs: number[] = [];
  #worker: WorkerProcess | undefined;
  #strike: Promise<void> | undefined;
  #killCount = 0;
  #unexpectedEndCount = 0;
  #isClosing = false;
  #killedAt: number | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => undefined);
  }

  /** Kills that interrupted unfinished executions; others do not count and are made again. */
  get killCount(): number {
    return this.#killCount;
  }

  /** Movements that have begun so far, each counted once. */
  get begunCount(): number {
    return this.#begun.size;
  }

  /** From each kill to the first movement by the restarted worker. */
  get takeOversMs(): readonly number[] {
    return this.#takeOversMs;
  }

  /** Rejects when the worker cannot be kept running; never settles otherwise. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  start(): void {
    const worker = startWorkerProcess(this.#options.settings, this.#options.cacheFolder, (message) =>
      this.#hear(message),
    );
    this.#worker = worker;
    void worker.gone.then(({ how, lastWords }) => {
      const isExpected = this.#isClosing || this.#strike !== undefined;
      if (this.#worker === worker && !isExpected) this.#restartAfter(how, lastWords);
    });
  }

  /** Lets the worker give its work back and end. */
  async stop(): Promise<void> {
    this.#isClosing = true;
    await this.#strike;
    await this.#worker?.stop();
  }

  /** Ends the worker at once. */
  async abandon(): Promise<void> {
    this.#isClosing = true;
    await this.#worker?.kill();
    await this.#strike?.catch(() => undefined);
  }

  #hear(message: FromWorker): void {
    if (message.kind !== "moving") return;
    this.#begun.add(message.reference);
    if (this.#killedAt !== undefined) {
      this.#takeOversMs.push(performance.now() - this.#killedAt);
      this.#killedAt = undefined;
    }
    const strikeAt = this.#options.plan.strikes[this.#killCount];
    if (strikeAt === undefined || this.#begun.size < strikeAt || this.#strike !== undefined || this.#isClosing) return;
    this.#strike = this.#killAndRestart()
      .catch((error: unknown) => this.#failure.reject(error))
      .finally(() => {
        this.#strike = undefined;
      });
  }

  async #killAndRestart(): Promise<void> {
    const waitMs = this.#strikeDelayMs();
    if (waitMs > 0) await delay(waitMs);
    await this.#worker?.kill();
    this.#killedAt = performance.now();
    if (await this.#options.isWorkInterrupted()) this.#killCount++;
    if (!this.#isClosing) this.start();
  }

  /**
   * Slowed movements would always be met before their row is added. A wait of up to one and a half movements lets kills
   * fall before, inside and after the commit; near the end there is no wait, lest the work be finished before the kill.
   */
  #strikeDelayMs(): number {
    const { settings, movementCount } = this.#options;
    const isNearEnd = movementCount - this.#begun.size <= 2 * settings.concurrency;
    return isNearEnd || !settings.isGuarded ? 0 : Math.floor(this.#random.next() * 1.5 * settings.paceMs);
  }

  #restartAfter(how: string, lastWords: string): void {
    this.#unexpectedEndCount++;
    if (this.#unexpectedEndCount < maxUnexpectedEnds) this.start();
    else this.#failure.reject(workerFailure(this.#unexpectedEndCount, how, lastWords));
  }
}

function workerFailure(endCount: number, how: string, lastWords: string): DemoError {
  return new DemoError(
    `The worker ended by itself ${endCount} times, at last with ${how}. Its last words:\n${lastWords}`,
  );
}
