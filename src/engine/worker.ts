// A worker: one process start that claims executions and runs them.
//
// Its lease is one row, renewed for all it holds. The lease is a hint to others when to take over; what protects is the
// fence in every write. So a renewal that comes late is no harm, and a lease that is lost is noticed by the writes.
//
//   claim    when there is room and there may be work: after a start, a wake, an announcement, a poll
//   renew    every third of the lease, with a sweep: executions that name me and that I do not hold (a claim whose reply
//            was lost) are adopted when seen twice; held ones hear of cancel, messages and loss
//   rescue   executions of workers whose lease is out
//   wake     executions whose time has come

import { CatalogError, isPassing } from "../core/errors.ts";
import type { Actor, Tasks } from "../core/ports.ts";
import type { ClaimedExecution, Loaded } from "../core/store.ts";
import { ChurningMap } from "./churning-map.ts";
import type { Env } from "./env.ts";
import { type Release, Run, type RunHost } from "./run.ts";

export interface WorkerOptions {
  readonly name: string;
  /** Executions in memory at once. */
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Longest pause between looks for work that nobody announced. */
  readonly pollMs: number;
  /** Claims without a new journal row before an execution is parked as NO_PROGRESS. */
  readonly maxCrashes: number;
  /** Deletes the barrier rows of ended executions at every participant; null where there are none. */
  readonly pruneBarriers: ((executionIds: readonly string[]) => Promise<void>) | null;
  /** Deletes what else has expired in the participants' databases. */
  readonly pruneParticipants: ((signal: AbortSignal) => Promise<void>) | null;
}

const claimBatch = 500;
/** With a backlog, small room is filled up only this often: each claim is a round trip. */
const topUpMs = 10;
const wakeBatch = 500;
const firstPollMs = 20;
const retentionEveryMs = 60_000;
const pruneBatch = 500;
/** Late calls to a participant find its barrier at least this long after the execution's end. */
const farRetentionMs = 600_000;
const unservedAfterMs = 60_000;
const unservedEveryMs = 60_000;

export class Worker implements RunHost {
  readonly #env: Env;
  readonly #tasks: Tasks;
  readonly #options: WorkerOptions;
  #id: string;
  readonly #held = new ChurningMap<Run>();
  /** Starts sent as already claimed, whose answer is not here yet; they take up room. */
  #reserved = 0;
  #renewedAt = 0;
  #isWorking = false;
  #isStopping = false;
  #mayHaveWork = true;
  /** Executions may be there whose owner's lease is out. Looked for in the claim loop, so that both share the room. */
  #mayHaveOrphans = true;
  #lookedForOrphansAt = Number.NEGATIVE_INFINITY;
  /** This process has started executions since its last claim. */
  #startsItself = false;
  #topUpTimer: (() => void) | undefined;
  #wakeClaimer: (() => void) | undefined;
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
    this.#id = env.newId();
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
    await this.#register();
    this.#tasks.start("lease", (signal) =>
      this.#every(signal, this.#options.leaseMs / 3, () => this.#keepLease(), true),
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
    this.#tasks.start("retention", (signal) => this.#every(signal, retentionEveryMs, () => this.#prune(signal), true));
    this.#tasks.start("unserved", (signal) => this.#every(signal, unservedEveryMs, () => this.#reportUnserved()));
  }

  /** Gives work back: waits `graceMs` for what runs, then hands the rest over without spending an attempt. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#stopListening?.();
    this.#wakeTimer?.();
    this.#topUpTimer?.();
    this.#wakeClaimer?.();
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
    await this.#env.store.workers
      .end(this.#id)
      .catch((error: unknown) =>
        this.#env.log.warn({ err: error }, "the lease could not be ended; it runs out by itself"),
      );
    this.#env.store.announce(this.#env.namespace, null);
  }

  /** There may be work: look now. */
  poke(): void {
    this.#mayHaveWork = true;
    this.#isWakeDue = true;
    this.#wakeClaimer?.();
  }

  // ── Starting already claimed ─────────────────────────────────────────────────────────────────────────────────────

  /** Room for one more that this process starts itself: the worker's id, or null. Give it back with `release`. */
  reserve(job: string, version: number): string | null {
    this.#startsItself = true;
    if (!this.#isWorking || this.#isStopping || this.#room <= 0 || this.#isLeaseOut()) return null;
    if (this.#env.registry.find(job, version) === undefined) return null;
    this.#reserved++;
    return this.#id;
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
    if (release.kind === "suspended" && release.wakeInMs !== null) this.#wakeAt(release.wakeInMs);
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
    if (this.#wakeClaimer === undefined || this.#isWakeScheduled) return;
    this.#isWakeScheduled = true;
    this.#env.clock.soon(() => {
      this.#isWakeScheduled = false;
      if (this.#hasMuchRoom) this.#wakeClaimer?.();
      else
        this.#topUpTimer ??= this.#env.clock.after(topUpMs, () => {
          this.#topUpTimer = undefined;
          this.#wakeClaimer?.();
        });
    });
  }

  // ── Loops ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #claimLoop(signal: AbortSignal): Promise<void> {
    let pauseMs = firstPollMs;
    while (!signal.aborted && !this.#isStopping) {
      let claimedCount = 0;
      try {
        if (this.#isWakeDue) await this.#wakeDue();
        claimedCount = await this.#claim();
      } catch (error) {
        this.#complain(error, "could not claim");
        pauseMs = this.#options.pollMs;
      }
      if (claimedCount > 0) pauseMs = firstPollMs;
      if (this.#mayHaveWork && this.#hasMuchRoom) continue;
      // With room: until somebody announces work, or the next look. Without: until an execution leaves.
      const nextLookMs = this.#mayHaveWork ? topUpMs : pauseMs * (0.75 + this.#env.random.next() / 2);
      await this.#pause(signal, this.#room > 0 ? nextLookMs : this.#options.pollMs);
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
    if (this.#isLeaseOut() && !(await this.#renew())) return 0;
    if (this.#isStopping) return 0;
    const share = this.#share(room);
    this.#reserved += share;
    try {
      const rescued = this.#mayLookForOrphans() ? await this.#rescue(share) : [];
      const limit = share - rescued.length;
      const request = { namespace: this.#env.namespace, worker: this.#id, jobs, limit };
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
        : await this.#insist(() => this.#env.store.executions.load(known.map((one) => one.id)));
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
    if (nextInMs !== null) this.#wakeAt(nextInMs);
  }

  #wakeAt(inMs: number): void {
    const at = this.#env.clock.monotonicMs() + inMs;
    if (this.#isStopping || at >= this.#wakeTimerAt) return;
    this.#wakeTimer?.();
    this.#wakeTimerAt = at;
    this.#wakeTimer = this.#env.clock.after(Math.min(inMs + 1, maxTimerMs), () => {
      this.#wakeTimerAt = Number.POSITIVE_INFINITY;
      this.poke();
    });
  }

  async #rescue(limit: number): Promise<readonly ClaimedExecution[]> {
    this.#mayHaveOrphans = false;
    this.#lookedForOrphansAt = this.#env.clock.monotonicMs();
    const { claimed, parked } = await this.#env.store.executions.rescue({
      namespace: this.#env.namespace,
      worker: this.#id,
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

  async #register(): Promise<void> {
    const sentAt = this.#env.clock.monotonicMs();
    await this.#insist(() =>
      this.#env.store.workers.register({
        id: this.#id,
        name: this.#options.name,
        namespace: this.#env.namespace,
        leaseMs: this.#options.leaseMs,
        jobs: this.#env.registry.refs,
      }),
    );
    this.#renewedAt = sentAt;
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
    const news = await this.#env.store.workers.sweep({ worker: this.#id, held: sweepHeld });
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
          worker: this.#id,
          orphans: abandoned.map(([executionId, token]) => ({ executionId, token })),
        }),
      );
    }
    if (sweepHeld.length > 0) {
      const leases = sweepHeld.flatMap((id) => this.#held.get(id)?.lease ?? []);
      for (const id of await this.#env.store.workers.lostAmong(leases)) this.#held.get(id)?.lose();
    }
  }

  /** True when the lease is live again. A worker whose row is gone starts anew under another id. */
  async #renew(): Promise<boolean> {
    const sentAt = this.#env.clock.monotonicMs();
    if (
      await this.#env.store.workers.renew({
        id: this.#id,
        leaseMs: this.#options.leaseMs,
        jobs: this.#env.registry.refs,
      })
    ) {
      this.#renewedAt = sentAt;
      return true;
    }
    this.#env.log.warn({ worker: this.#options.name }, "this worker's row is gone: everything held is dropped");
    for (const run of this.#held.values()) run.lose();
    this.#id = this.#env.newId();
    await this.#register();
    return true;
  }

  /** By this process's own clock, from the moment the last successful renewal was sent. Saves work; the fence protects. */
  #isLeaseOut(): boolean {
    return this.#env.clock.monotonicMs() - this.#renewedAt > this.#options.leaseMs;
  }

  /** Barrier rows go with their executions, and before them: afterwards nobody would know which may go. */
  async #prune(signal: AbortSignal): Promise<void> {
    const { executions } = this.#env.store;
    const { pruneBarriers } = this.#options;
    const request = {
      namespace: this.#env.namespace,
      limit: pruneBatch,
      endedForMs: pruneBarriers === null ? 0 : farRetentionMs,
    };
    for (;;) {
      if (pruneBarriers !== null) await pruneBarriers(await executions.prunable(request));
      const { executionCount, keyCount } = await executions.prune(request);
      if (executionCount < pruneBatch && keyCount < pruneBatch) break;
    }
    await this.#options.pruneParticipants?.(signal);
  }

  async #reportUnserved(): Promise<void> {
    for (const { job, version, count } of await this.#env.store.workers.unserved({
      namespace: this.#env.namespace,
      olderThanMs: unservedAfterMs,
    }))
      this.#env.log.warn({ job, version, count }, "executions wait, and no live worker has this job and version");
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #every(signal: AbortSignal, ms: number, turn: () => Promise<void>, atOnce = false): Promise<void> {
    if (!atOnce) await this.#sleep(signal, ms);
    while (!signal.aborted) {
      try {
        await turn();
      } catch (error) {
        this.#complain(error, "a background turn failed; it will be tried again");
      }
      await this.#sleep(signal, ms * (0.9 + this.#env.random.next() / 5));
    }
  }

  #sleep(signal: AbortSignal, ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        cancelTimer();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancelTimer = this.#env.clock.after(ms, done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  async #pause(signal: AbortSignal, ms: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancelTimer();
        this.#wakeClaimer = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancelTimer = this.#env.clock.after(ms, done);
      this.#wakeClaimer = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Repeats until the store answers. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (let pauseMs = 10; ; pauseMs = Math.min(1_000, pauseMs * 2)) {
      try {
        return await ask();
      } catch (error) {
        if (!isPassing(error) || this.#isStopping) throw error;
        await new Promise<void>((resolve) => void this.#env.clock.after(pauseMs, resolve));
      }
    }
  }

  #complain(error: unknown, message: string): void {
    if (isPassing(error)) this.#env.log.debug({ err: error }, message);
    else this.#env.log.error({ err: error }, message);
  }
}

const maxTimerMs = 2 ** 31 - 1;
