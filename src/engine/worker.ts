// A worker: one process start that claims executions and runs them.
//
//   claim    when there is room and there may be work: after a start, a wake, an announcement, a poll
//   renew    every third of the lease, with a sweep: executions that name me and that I do not hold (a claim whose reply
//            was lost) are adopted when seen twice; held ones hear of cancel, messages and loss
//   rescue   executions of workers whose lease is out
//   wake     executions whose time has come

import { CatalogError } from "../core/errors.ts";
import { Pause } from "../core/pause.ts";
import type { Actor, Tasks } from "../core/ports.ts";
import type { ClaimedExecution, Loaded } from "../core/store.ts";
import { ChurningMap } from "./churning-map.ts";
import type { Env } from "./env.ts";
import { complain, every } from "./every.ts";
import { type Housekeeping, keepHouse } from "./housekeeping.ts";
import { WorkerLease } from "./lease.ts";
import { insist } from "./patience.ts";
import { type Release, Run, type RunHost } from "./run.ts";

export interface WorkerOptions extends Housekeeping {
  readonly name: string;
  /** Executions in memory at once. */
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Longest pause between looks for work that nobody announced. */
  readonly pollMs: number;
  /** Claims without a new journal row before an execution is parked as NO_PROGRESS. */
  readonly maxCrashes: number;
}

const claimBatch = 500;
/** With a backlog, small room is filled up only this often: each claim is a round trip. */
const topUpMs = 10;
const wakeBatch = 500;
const firstPollMs = 20;

export class Worker implements RunHost {
  readonly #env: Env;
  readonly #tasks: Tasks;
  readonly #options: WorkerOptions;
  readonly #lease: WorkerLease;
  readonly #held = new ChurningMap<Run>();
  /** Starts sent as already claimed, whose answer is not here yet; they take up room. */
  #reserved = 0;
  #isWorking = false;
  #isStopping = false;
  #mayHaveWork = true;
  /** Executions may be there whose owner's lease is out. Looked for in the claim loop, so that both share the room. */
  #mayHaveOrphans = true;
  #lookedForOrphansAt = Number.NEGATIVE_INFINITY;
  /** This process has started executions since its last claim. */
  #startsItself = false;
  #topUpTimer: (() => void) | undefined;
  readonly #pause: Pause;
  #wakeTimer: (() => void) | undefined;
  #wakeTimerAt = Number.POSITIVE_INFINITY;
  #isWakeDue = true;
  #isWakeScheduled = false;
  #orphansSeen = new Map<string, number>();
  #claiming: Promise<void> = Promise.resolve();
  #stopListening: (() => void) | undefined;
  #whenEmpty: (() => void)[] = [];

  constructor(env: Env, tasks: Tasks, options: WorkerOptions) {
    this.#env = env;
    this.#tasks = tasks;
    this.#options = options;
    this.#lease = new WorkerLease(env, options.name, options.leaseMs);
    this.#pause = new Pause(env.clock);
  }

  get name(): string {
    return this.#options.name;
  }

  get actor(): Actor {
    return { kind: "worker", id: this.#options.name };
  }

  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  /** Registers, and keeps the lease. Nothing is claimed before `work`. */
  async start(): Promise<void> {
    await this.#lease.register(this.#mayGoOn);
    this.#tasks.start("lease", (signal) =>
      every(this.#env, signal, this.#options.leaseMs / 3, () => this.#keepLease()),
    );
  }

  /** Claims and runs from here on. */
  work(): void {
    this.#isWorking = true;
    this.#stopListening = this.#env.store.listen(this.#env.namespace, (execution) => {
      if (execution !== null) this.newsFor(execution, true);
      this.poke();
    });
    this.#tasks.start("claim", (signal) => {
      this.#claiming = this.#claimLoop(signal);
      return this.#claiming;
    });
    keepHouse(this.#env, this.#tasks, this.#options);
  }

  /** Gives work back: waits `graceMs` for what runs, then hands the rest over without spending an attempt. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#stopListening?.();
    this.#wakeTimer?.();
    this.#topUpTimer?.();
    this.#pause.wake();
    if (this.#held.size > 0 && graceMs > 0) {
      let cancelTimer: (() => void) | undefined;
      await new Promise<void>((resolve) => {
        this.#whenEmpty.push(resolve);
        cancelTimer = this.#env.clock.after(graceMs, resolve);
      });
      cancelTimer?.();
    }
    // A claim that is under way brings more, and must not take again what was given back.
    await this.#claiming;
    await Promise.allSettled(this.#held.values().map((run) => run.handBack()));
    await this.#tasks.stop();
    await this.#lease.end();
    this.#env.store.announce(this.#env.namespace, null);
  }

  /** There may be work: look now. */
  poke(): void {
    this.#mayHaveWork = true;
    this.#isWakeDue = true;
    this.#pause.wake();
  }

  /** Something comes due then: nothing to look for before. */
  wakeIn(inMs: number): void {
    const at = this.#env.clock.monotonicMs() + inMs;
    if (this.#isStopping || at >= this.#wakeTimerAt) return;
    this.#wakeTimer?.();
    this.#wakeTimerAt = at;
    this.#wakeTimer = this.#env.clock.after(Math.min(inMs + 1, maxTimerMs), () => {
      this.#wakeTimerAt = Number.POSITIVE_INFINITY;
      this.poke();
    });
  }

  // ── Starting already claimed ─────────────────────────────────────────────────────────────────────────────────────

  /** Room for one more that this process starts itself: the worker's id, or null. Give it back with `release`. */
  reserve(job: string, version: number): string | null {
    this.#startsItself = true;
    if (!this.#isWorking || this.#isStopping || this.#room <= 0 || this.#lease.isOut) return null;
    if (this.#env.registry.find(job, version) === undefined) return null;
    this.#reserved++;
    return this.#lease.id;
  }

  unreserve(): void {
    this.#reserved--;
  }

  /** The answer to a start is here: already claimed, so run it. */
  run(claimed: ClaimedExecution): void {
    this.#begin(claimed, undefined);
  }

  // ── RunHost ──────────────────────────────────────────────────────────────────────────────────────────────────────

  released(run: Run, release: Release): void {
    if (this.#held.get(run.id) === run) this.#held.delete(run.id);
    if (release.kind === "suspended" && release.wakeInMs !== null) this.wakeIn(release.wakeInMs);
    if (release.kind !== "ended") this.#env.engagements.released(run.id);
    if (this.#mayHaveWork) this.#claimSoon();
    if (this.#held.size === 0) {
      const waiting = this.#whenEmpty;
      this.#whenEmpty = [];
      for (const wake of waiting) wake();
    }
    // A slot may have been handed on, a parent woken.
    if (release.kind === "ended" && (run.claimed.holdsSlot || run.claimed.parent !== null)) this.poke();
  }

  newsFor(executionId: string, isFromElsewhere = false): void {
    const run = this.#held.get(executionId);
    if (run !== undefined) void run.news().catch((error: unknown) => run.fail(error));
    else if (!isFromElsewhere) this.#env.store.announce(this.#env.namespace, executionId);
    this.#env.engagements.hint(executionId);
    this.poke();
  }

  /** A command raised the token of something this process may hold. */
  lost(executionId: string): void {
    this.#held.get(executionId)?.lose();
  }

  /** What one flush releases is claimed anew in one go, and what others release besides, a moment later. */
  #claimSoon(): void {
    if (!this.#pause.isOn || this.#isWakeScheduled) return;
    this.#isWakeScheduled = true;
    this.#env.clock.soon(() => {
      this.#isWakeScheduled = false;
      if (this.#hasMuchRoom) this.#pause.wake();
      else
        this.#topUpTimer ??= this.#env.clock.after(topUpMs, () => {
          this.#topUpTimer = undefined;
          this.#pause.wake();
        });
    });
  }

  // ── Loops ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #claimLoop(signal: AbortSignal): Promise<void> {
    let pauseMs = firstPollMs;
    while (!signal.aborted && !this.#isStopping) {
      let claimedCount = 0;
      try {
        claimedCount = await this.#claim();
        // After the claim, so that what was announced, and is mostly ready, does not wait for it. What is woken is claimed in the next turn.
        if (this.#isWakeDue) await this.#wakeDue();
      } catch (error) {
        complain(this.#env, error, "could not claim");
        pauseMs = this.#options.pollMs;
      }
      if (claimedCount > 0) pauseMs = firstPollMs;
      if (this.#mayHaveWork && this.#hasMuchRoom) continue;
      // With room: until somebody announces work, or the next look. Without: until an execution leaves.
      const nextLookMs = this.#mayHaveWork ? topUpMs : pauseMs * (0.75 + this.#env.random.next() / 2);
      if (!this.#isStopping) await this.#pause.take(this.#room > 0 ? nextLookMs : this.#options.pollMs, signal);
      if (!this.#mayHaveWork) {
        pauseMs = Math.min(this.#options.pollMs, pauseMs * 1.5);
        this.#mayHaveWork = true;
        this.#isWakeDue = true;
      } else pauseMs = firstPollMs;
    }
  }

  get #room(): number {
    return this.#options.concurrency - this.#held.size - this.#reserved;
  }

  get #hasMuchRoom(): boolean {
    return this.#room >= Math.ceil(this.#options.concurrency / 4);
  }

  /** What others left first, then what is ready, as far as there is room. Returns how many came. */
  async #claim(): Promise<number> {
    const jobs = this.#env.registry.refs;
    const room = this.#room;
    // Cleared before the questions, so that an announcement that comes meanwhile is not forgotten.
    this.#mayHaveWork = false;
    if (jobs.length === 0) return 0;
    if (room <= 0) {
      this.#mayHaveWork = true;
      return 0;
    }
    if (this.#lease.isOut) await this.#renew();
    if (this.#isStopping) return 0;
    const share = this.#share(room);
    this.#reserved += share;
    try {
      const rescued = this.#mayLookForOrphans() ? await this.#rescue(share) : [];
      const limit = share - rescued.length;
      const request = { namespace: this.#env.namespace, worker: this.#lease.id, jobs, limit };
      const ready = limit > 0 ? await this.#env.store.executions.claim(request) : [];
      await this.#beginAll([...rescued, ...ready]);
      if (ready.length === limit || this.#mayHaveOrphans) this.#mayHaveWork = true;
      return rescued.length + ready.length;
    } finally {
      this.#reserved -= share;
    }
  }

  /** Taken while the store is asked. The rest is for what this process starts meanwhile, or for the claim after this one. */
  #share(room: number): number {
    const share = this.#startsItself ? Math.ceil(room / 2) : Math.min(room, Math.ceil(this.#options.concurrency / 2));
    this.#startsItself = false;
    return Math.min(share, claimBatch);
  }

  /** An orphan waits at most as long as work that nobody announced. */
  #mayLookForOrphans(): boolean {
    return this.#mayHaveOrphans || this.#env.clock.monotonicMs() - this.#lookedForOrphansAt >= this.#options.pollMs;
  }

  async #beginAll(claimed: readonly ClaimedExecution[]): Promise<void> {
    const known = claimed.filter((one) => one.token > 1 || one.inbox > 0);
    const loaded: ReadonlyMap<string, Loaded> =
      known.length === 0
        ? new Map()
        : await insist(this.#env, () => this.#env.store.executions.load(known.map((one) => one.id)), this.#mayGoOn);
    for (const one of claimed) this.#begin(one, loaded.get(one.id));
  }

  #begin(claimed: ClaimedExecution, loaded: Loaded | undefined): void {
    const definition = this.#env.registry.find(claimed.job, claimed.version);
    if (definition === undefined)
      throw new CatalogError(
        "INVARIANT",
        `claimed ${claimed.job} version ${claimed.version}, which is not registered here`,
        {},
      );
    this.#held.get(claimed.id)?.lose();
    const run = new Run(this.#env, this, claimed, definition, loaded);
    this.#held.set(claimed.id, run);
    void run.begin().catch((error: unknown) => run.fail(error));
  }

  async #wakeDue(): Promise<void> {
    this.#isWakeDue = false;
    const { wokenCount, nextInMs } = await this.#env.store.executions.wakeDue({
      namespace: this.#env.namespace,
      limit: wakeBatch,
    });
    if (wokenCount > 0) this.#mayHaveWork = true;
    if (wokenCount >= wakeBatch) this.#isWakeDue = true;
    if (nextInMs !== null) this.wakeIn(nextInMs);
  }

  async #rescue(limit: number): Promise<readonly ClaimedExecution[]> {
    this.#mayHaveOrphans = false;
    this.#lookedForOrphansAt = this.#env.clock.monotonicMs();
    const { claimed, parked } = await this.#env.store.executions.rescue({
      namespace: this.#env.namespace,
      worker: this.#lease.id,
      jobs: this.#env.registry.refs,
      limit,
      maxCrashes: this.#options.maxCrashes,
    });
    for (const id of parked) {
      this.#env.log.error(
        { executionId: id, code: "NO_PROGRESS" },
        "execution parked: it was taken over again and again without a new record",
      );
      this.#env.engagements.hint(id);
    }
    if (claimed.length > 0) this.#env.log.info({ count: claimed.length }, "took over executions whose worker is gone");
    if (claimed.length + parked.length >= limit) this.#mayHaveOrphans = true;
    return claimed;
  }

  /** Renewed first, so that a worker which was slow does not rescue its own. */
  async #keepLease(): Promise<void> {
    await this.#renew();
    await this.#sweep();
    this.#mayHaveOrphans = true;
    this.poke();
  }

  async #sweep(): Promise<void> {
    const sweepHeld = this.#held.keys();
    const news = await this.#env.store.workers.sweep({ worker: this.#lease.id, held: sweepHeld });
    const orphans = new Map<string, number>();
    for (const { id, token, cancel } of news) {
      const run = this.#held.get(id);
      if (run === undefined) {
        // A claim or a start may be on its way to me: adopted only when seen twice, with the same token.
        orphans.set(id, token);
      } else if (run.lease.token !== token) run.lose();
      else if (cancel !== null) run.cancel(cancel);
      else void run.news().catch((error: unknown) => run.fail(error));
    }
    const abandoned = [...orphans].filter(([id, token]) => this.#orphansSeen.get(id) === token && !this.#held.has(id));
    this.#orphansSeen = orphans;
    if (abandoned.length > 0) {
      this.#env.log.warn({ count: abandoned.length }, "adopted executions whose claim was answered to nobody");
      await this.#beginAll(
        await this.#env.store.workers.adopt({
          worker: this.#lease.id,
          orphans: abandoned.map(([executionId, token]) => ({ executionId, token })),
        }),
      );
    }
    if (sweepHeld.length > 0) {
      const leases = sweepHeld.flatMap((id) => this.#held.get(id)?.lease ?? []);
      for (const id of await this.#env.store.workers.lostAmong(leases)) this.#held.get(id)?.lose();
    }
  }

  /** A worker whose row is gone starts anew under another id. */
  async #renew(): Promise<void> {
    if (await this.#lease.renew()) return;
    this.#env.log.warn({ worker: this.#options.name }, "this worker's row is gone: everything held is dropped");
    for (const run of this.#held.values()) run.lose();
    await this.#lease.register(this.#mayGoOn);
  }

  readonly #mayGoOn = (): boolean => !this.#isStopping;
}

const maxTimerMs = 2 ** 31 - 1;
