// Waiting: for time, for a signal, for a child. Waking is a hint; only the owner decides a wait's outcome, as a journal row.

import { CatalogError, fromStoredError, type StoredError } from "../core/errors.ts";
import { isTerminal, shownState } from "../core/execution.ts";
import type { JournalRow } from "../core/journal.ts";
import type { Ask, Call } from "./calls.ts";
import { endingOf, type StartedChild } from "./children.ts";
import type { Ending } from "./engagements.ts";
import type { Settled } from "./group-commit.ts";
import { persist } from "./patience.ts";
import type { Run } from "./run.ts";

type WaitAsk = Extract<Ask, { readonly kind: "sleep" | "wait" | "child" }>;

interface Pending {
  readonly call: Call;
  readonly ask: WaitAsk;
  readonly dueAt: number | null;
  cancelTimer: (() => void) | undefined;
  isSettling: boolean;
}

export class Waits {
  readonly #run: Run;
  readonly #pending = new Set<Pending>();
  readonly #rests = new Set<{ readonly atMs: number; readonly cancelTimer: () => void }>();
  #lookCount = 0;
  /** Signals that a wait of this process is about to take. */
  readonly #takenHere = new Set<string>();

  constructor(run: Run) {
    this.#run = run;
  }

  add(call: Call, ask: WaitAsk): void {
    const lengthMs = ask.kind === "sleep" ? ask.ms : ask.kind === "wait" ? ask.timeoutMs : null;
    const pending: Pending = {
      call,
      ask,
      dueAt: lengthMs === null ? null : this.#dueAt(call, lengthMs),
      cancelTimer: undefined,
      isSettling: false,
    };
    this.#pending.add(pending);
    if (pending.dueAt !== null) this.#arm(pending, pending.dueAt);
    void this.look().then(() => this.#run.considerSuspending());
  }

  /** A timer may fire a moment before the wall clock has come that far; then it is set again. */
  #arm(pending: Pending, dueAt: number): void {
    pending.cancelTimer = this.#after(dueAt, () => {
      if (this.#run.env.clock.now() < dueAt) this.#arm(pending, dueAt);
      else void this.look();
    });
  }

  /** Resolves at an instant of this process's clock, unless the run ends first. */
  rest(atMs: number): Promise<void> {
    return new Promise((resolve) => {
      const rest = {
        atMs,
        cancelTimer: this.#after(atMs, () => {
          this.#rests.delete(rest);
          resolve();
        }),
      };
      this.#rests.add(rest);
    });
  }

  stop(): void {
    for (const pending of this.#pending) pending.cancelTimer?.();
    for (const rest of this.#rests) rest.cancelTimer();
    this.#pending.clear();
    this.#rests.clear();
  }

  /** When the first of them is due; null if only a message can end them. */
  get dueInMs(): number | null {
    let first = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#pending) if (dueAt !== null) first = Math.min(first, dueAt);
    for (const { atMs } of this.#rests) first = Math.min(first, atMs);
    return first === Number.POSITIVE_INFINITY ? null : Math.max(0, first - this.#run.env.clock.now());
  }

  /** Something is waited for, nothing is being looked at or settled, and it will take longer than is worth keeping in memory. */
  get isLong(): boolean {
    if (this.#pending.size + this.#rests.size === 0 || this.#lookCount > 0) return false;
    for (const pending of this.#pending) if (pending.isSettling) return false;
    const due = this.dueInMs;
    return due === null || due > this.#run.env.suspendAfterMs;
  }

  /**
   * Settles every wait whose time, signal or child has come. Until it has looked at each of them since the inbox was read,
   * the execution must not sleep: what the inbox counts may be the end of one that is not looked at yet.
   */
  async look(): Promise<void> {
    this.#lookCount++;
    try {
      for (let seen = -1; seen !== this.#run.inbox && this.#run.isForward; ) {
        seen = this.#run.inbox;
        for (const pending of [...this.#pending])
          if (!pending.isSettling && this.#run.isForward) await this.#lookAt(pending);
      }
    } catch (error) {
      this.#run.fail(error);
    } finally {
      this.#lookCount--;
    }
    this.#run.considerSuspending();
  }

  async #lookAt(pending: Pending): Promise<void> {
    const { call, ask, dueAt } = pending;
    const isDue = dueAt !== null && dueAt <= this.#run.env.clock.now();
    if (ask.kind === "sleep") {
      if (isDue) await this.#settle(pending, () => this.#run.results.recordFirst(call, "action", "done", null, 1));
    } else if (ask.kind === "child") await this.#lookAtChild(pending, ask.child);
    else if (!(await this.#takeSignal(pending, ask.signal)) && isDue) {
      // Only one who has read every message may say that none came in time.
      await this.#run.readNews();
      if (this.#run.isForward && !pending.isSettling && !(await this.#takeSignal(pending, ask.signal)))
        await this.#settle(pending, () =>
          this.#run.results.recordFirst(call, "action", "refused", null, 1, { seenInbox: this.#run.inbox }),
        );
    }
  }

  async #takeSignal(pending: Pending, name: string): Promise<boolean> {
    const signal = this.#run.signals.find(
      (one) => one.name === name && one.takenBy === null && !this.#takenHere.has(one.signalId),
    );
    if (signal === undefined) return false;
    this.#takenHere.add(signal.signalId);
    const { call } = pending;
    await this.#settle(pending, () =>
      this.#run.results.recordFirst(call, "action", "done", signal.payload, 1, {
        takes: [{ signalId: signal.signalId, step: call.step }],
      }),
    );
    return true;
  }

  async #lookAtChild(pending: Pending, child: StartedChild): Promise<void> {
    const found = await persist(this.#run, () => endingOf(this.#run, child));
    if (found === undefined) return;
    const { id: childId, ending } = found;
    if (this.#run.isDead || pending.isSettling || (ending !== undefined && !isTerminal(ending.status))) return;
    if (ending?.status === "completed")
      return this.#settle(pending, () =>
        this.#run.results.recordFirst(pending.call, "action", "done", ending.result, 1),
      );
    const error = this.#childError(childId, ending);
    await this.#settle(pending, () =>
      this.#run.results.recordFirst(pending.call, "action", "refused", this.#run.encodeError(error), 1),
    );
  }

  #childError(executionId: string, ending: Ending | undefined): StoredError {
    const state = ending === undefined ? "gone" : shownState(ending);
    const error = ending?.error == null ? null : this.#run.decodeError(ending.error);
    const why = error === null ? "" : `: ${error.message}`;
    return {
      code: "CHILD_FAILED",
      message: `child ${executionId} ended as ${state}${why}`,
      details: { executionId, state, error },
      retryable: false,
      effect: "unknown",
    };
  }

  async #settle(pending: Pending, record: () => Promise<Settled>): Promise<void> {
    pending.isSettling = true;
    const answer = await record();
    if (answer.kind === "done") {
      pending.cancelTimer?.();
      this.#pending.delete(pending);
      return;
    }
    pending.isSettling = false;
    // A message came in between: read it, and decide again.
    if (answer.kind === "refused" && this.#run.isForward) await this.#run.news();
  }

  outcomeOf(ask: WaitAsk, row: JournalRow): unknown {
    if (ask.kind === "sleep") return undefined;
    if (ask.kind === "child") {
      if (row.state !== "done") throw fromStoredError(this.#run.decodeError(row.body));
      return this.#run.env.formats.result.decode(row.body);
    }
    if (row.state !== "done") return { kind: "timed-out" };
    const value = ask.read(this.#run.env.formats.signal.decode(row.body));
    return ask.timeoutMs === null
      ? value
      : Promise.resolve(value).then((received) => ({ kind: "received", value: received }));
  }

  /** The instant recorded when the wait began, so that a wake for another reason neither ends nor lengthens it. */
  #dueAt(call: Call, lengthMs: number): number {
    const { env } = this.#run;
    const recorded = this.#run.ledger.row(call.step, "due");
    if (recorded !== undefined) {
      const dueAt = env.formats.result.decode(recorded.body);
      if (typeof dueAt === "number") return dueAt;
      throw new CatalogError(
        "VALUE_CORRUPT",
        `expected the instant at which ${call.step} is due, found ${typeof dueAt}`,
        { step: call.step },
      );
    }
    const dueAt = env.clock.now() + lengthMs;
    if (lengthMs > env.suspendAfterMs) this.#run.noteDue(call, dueAt);
    return dueAt;
  }

  #after(atMs: number, run: () => void): () => void {
    const { clock } = this.#run.env;
    return clock.after(Math.max(0, atMs - clock.now()), run);
  }
}
