// One execution in the hands of this process, from claim to release.
//
// Authority is the guard row; this object only believes. Every write names the lease and the direction, and an answer of
// *lost* ends the belief at once: the run is dead, nothing more is written for it, and no promise it handed to the
// function ever settles, so that no `catch` can carry on. The same holds after it turned back.
//
//   replaying → live → ended            the function; results come from the journal, then from steps
//   forward   → back → compensated      the direction; recorded before any undo
//             → confirming → completed  with TCC branches
//   any       → released                suspended, parked, handed back, lost, or over

import { CatalogError, isCodedError, LeaseLostError, type StoredError } from "../core/errors.ts";
import type { Phase, Reason } from "../core/execution.ts";
import type { Child, StepName } from "../core/job.ts";
import { type AttemptRow, type JournalRow, type Role, reservedSteps } from "../core/journal.ts";
import { createScrubber } from "../core/redact.ts";
import type { ResolvedRetry } from "../core/retry.ts";
import type { ClaimedExecution, Incident, Lease, Loaded, StoredSignal, Write } from "../core/store.ts";
import { parseStoredError, toStoredError } from "../core/stored-error.ts";
import { Activity } from "./activity.ts";
import { afterThrow, finish } from "./after-function.ts";
import { type AttemptPlan, type AttemptSignal, isThenable } from "./attempts.ts";
import { type Ask, type Call, isEffectful } from "./calls.ts";
import type { StartedChild } from "./children.ts";
import { confirmBranches } from "./confirm.ts";
import { createContext } from "./context.ts";
import { Deadline } from "./deadline.ts";
import { noError } from "./endings.ts";
import type { Ending } from "./engagements.ts";
import type { Env } from "./env.ts";
import type { Settled } from "./group-commit.ts";
import { Ledger, type RowOf } from "./ledger.ts";
import { newCall } from "./new-call.ts";
import { persist } from "./patience.ts";
import { perform } from "./perform.ts";
import { parseInput } from "./prepare.ts";
import { Progress } from "./progress.ts";
import type { Recording } from "./recording.ts";
import type { Definition } from "./registry.ts";
import { type Drift, replayJournal } from "./replay.ts";
import { Results } from "./results.ts";
import { recordTurn, turnError } from "./turn.ts";
import { undoAll } from "./undo.ts";
import { Waits } from "./waits.ts";

/** How a run left this process. */
export type Release =
  | { readonly kind: "ended" }
  | { readonly kind: "suspended"; readonly wakeInMs: number | null }
  | { readonly kind: "parked" }
  | { readonly kind: "handed-back" }
  | { readonly kind: "lost" };

export interface RunHost {
  /** The run is over for this process; called exactly once. */
  released(run: Run, release: Release): void;
  /** Another execution got a message or an end to hear of. */
  newsFor(executionId: string): void;
}

/** How long a step in flight is waited for when turning back, where attempts have no timeout. */
const patienceMs = 60_000;
const lingerMs = 10;

export class Run {
  readonly env: Env;
  readonly claimed: ClaimedExecution;
  readonly definition: Definition;
  readonly lease: Lease;
  readonly calls = new Map<string, Call>();
  readonly ledger: Ledger;
  readonly results: Results;
  /** The attempts that run now; told when the run is given up. */
  readonly inFlight = new Set<AttemptSignal>();
  readonly retry: ResolvedRetry;
  readonly attemptTimeoutMs: number;
  signals: readonly StoredSignal[];
  /** The guard row's inbox as last read, before the signals were. */
  inbox: number;
  phase: Phase;
  /** Set when turning back began in this process, and when the claim found it so. */
  turn: { readonly reason: Reason; readonly error: StoredError } | undefined;
  /** Time as replay gives it back. */
  nowMs: number;
  scrub: (text: string) => string = (text) => text;
  input: unknown;

  readonly #host: RunHost;
  #abort: AbortController | undefined;
  readonly #activity: Activity;
  #plan: AttemptPlan | undefined;
  #waits: Waits | undefined;
  #progress: Progress | undefined;
  #isDead = false;
  #isReplaying: boolean;
  readonly #deadline: Deadline;
  #started = 0;
  #returned: { readonly value: unknown } | undefined;
  #threw: { readonly error: unknown } | undefined;
  /** The last one: what turned an execution back stands in the turn's row, in that of the step, and with the end. */
  #encoded: { readonly error: StoredError; readonly bytes: Uint8Array } | undefined;
  #isFinishing = false;
  #isConsidering = false;

  constructor(env: Env, host: RunHost, claimed: ClaimedExecution, definition: Definition, loaded: Loaded | undefined) {
    this.env = env;
    this.#host = host;
    this.claimed = claimed;
    this.definition = definition;
    this.lease = { executionId: claimed.id, token: claimed.token };
    this.phase = claimed.phase;
    this.#deadline = new Deadline(env.clock, claimed.deadlineInMs);
    this.nowMs = claimed.createdAt;
    this.signals = loaded?.signals ?? [];
    this.inbox = loaded?.inbox ?? claimed.inbox;
    this.retry = definition.settings.retry;
    this.attemptTimeoutMs = definition.settings.attemptTimeoutMs;
    this.ledger = new Ledger(loaded);
    this.results = new Results(this, definition.settings.hearsEarly);
    this.#activity = new Activity(env.clock);
    this.#isReplaying = claimed.token > 1;
  }

  // ── Life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  get id(): string {
    return this.claimed.id;
  }
  get isDead(): boolean {
    return this.#isDead;
  }
  /** The signal that `ctx.signal` shows: aborted when the lease is lost, or the run is given up. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }
  /** How a step without a policy of its own is attempted. */
  get plan(): AttemptPlan {
    this.#plan ??= { role: "action", policy: this.retry, windowMs: null, mayGoOn: () => this.isForward };
    return this.#plan;
  }
  /** Most executions wait for nothing. */
  get waits(): Waits {
    this.#waits ??= new Waits(this);
    return this.#waits;
  }
  get hasFunctionEnded(): boolean {
    return this.#returned !== undefined || this.#threw !== undefined;
  }
  get isReplaying(): boolean {
    return this.#isReplaying;
  }
  /** Forward steps may still begin. */
  get isForward(): boolean {
    return !this.#isDead && this.turn === undefined && this.phase !== "back";
  }

  /** The function itself went past the pivot, or returned; the phase says so already while replay brings it there. */
  get isBehindPivot(): boolean {
    return this.calls.has(reservedSteps.pivot) || (this.phase === "confirming" && !this.#isReplaying);
  }

  /** Runs it. Never rejects. */
  async begin(): Promise<void> {
    try {
      const raw = this.env.formats.input.decode(this.claimed.input);
      if (this.definition.settings.marks.paths.length > 0)
        this.scrub = createScrubber(this.definition.settings.marks, raw);
      const parsed = parseInput(this.env, this.definition.job, raw);
      this.input = isThenable(parsed) ? await parsed : parsed;
    } catch (error) {
      return this.park({
        code: isCodedError(error) ? error.code : "INPUT_INVALID",
        step: null,
        error: this.encodeError(this.storedError(error)),
      });
    }
    if (this.#isDead) return;
    if (this.phase !== "back") this.#deadline.watch(() => this.#timedOut());
    if (this.phase === "back") {
      const turned = this.ledger.row(reservedSteps.turn, "action");
      this.turn = {
        reason: this.claimed.reason ?? "failed",
        error: turned === undefined ? noError : this.decodeError(turned.body),
      };
    } else if (this.phase === "open" && this.claimed.cancel !== null) {
      this.turnBack(this.claimed.cancel, turnError(this.claimed.cancel));
      if (!this.#isReplaying) return;
    }
    if (this.#isDead) return;
    this.#callFunction();
    if (this.#isReplaying) await this.#replay();
  }

  #callFunction(): void {
    const context = createContext(this);
    const ended = (): void => {
      if (!this.#isReplaying) this.#functionMayBeOver();
    };
    try {
      Promise.resolve(this.definition.job.handler(context, this.input)).then(
        (value) => {
          this.#returned = { value };
          ended();
        },
        (error: unknown) => {
          this.#threw = { error };
          ended();
        },
      );
    } catch (error) {
      this.#threw = { error };
      ended();
    }
  }

  /**
   * It is over when it has ended and its steps have settled. Steps that it does not wait for may go on to another step with
   * the result that they were just given: so only when they have had their turn.
   */
  #functionMayBeOver(): void {
    if (this.results.isBeingHeard) this.env.turns.after(() => this.#functionMayBeOver());
    else this.#afterFunction();
  }

  #afterFunction(): void {
    if (this.#isDead || this.turn !== undefined || this.phase === "confirming") return;
    let next: Promise<void> | undefined;
    if (this.#threw !== undefined) next = afterThrow(this, this.#threw.error);
    else if (this.#returned !== undefined && !this.#isFinishing && this.#hasSettled) {
      this.#isFinishing = true;
      next = finish(this, this.#returned.value);
    }
    void next?.catch((error: unknown) => this.fail(error));
  }

  /** No step is under way, and the function has heard of each. */
  get #hasSettled(): boolean {
    return this.#activity.isCalm && this.results.areOver;
  }

  /** Gives the execution back to the store as ready, without spending an attempt. For shutdown. */
  async handBack(): Promise<void> {
    if (this.#isDead) return;
    this.#silence();
    await this.write({ lease: this.lease, direction: "any", transition: { name: "hand-back" } }, true);
    this.#release({ kind: "handed-back" });
  }

  /** The execution is another's now, or killed. */
  lose(): void {
    if (this.#isDead) return;
    this.#silence();
    this.#release({ kind: "lost" });
  }

  /** From here no promise given to the function settles, and nothing is delivered. */
  #silence(): void {
    this.#isDead = true;
    this.results.stop();
    this.#waits?.stop();
    this.#deadline.stop();
    if (this.#abort !== undefined || this.inFlight.size > 0) {
      const error = new LeaseLostError(this.id, this.lease.token);
      this.#abort?.abort(error);
      for (const attempt of this.inFlight) attempt.abort(error);
    }
    this.#activity.release();
  }

  #release(release: Release): void {
    this.#host.released(this, release);
  }

  // ── Calls of the function ────────────────────────────────────────────────────────────────────────────────────────

  /** One use of `ctx`. The promise settles with what the journal says, or never. */
  call(name: StepName, ask: Ask): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      const isDirty = this.claimed.token > 1 && !this.results.hasDelivered;
      const started = ++this.#started;
      const behind = this.results.knownCount;
      const more = { started, behind, isDirty, resolve, reject };
      const call = newCall(this.calls, this.env.limits.maxSteps, name, ask, more);
      this.calls.set(call.step, call);
      if (!this.#isReplaying && this.isForward && this.results.admits(call)) this.#beginCall(call);
    });
  }

  #beginCall(call: Call): void {
    if (call.ask.kind === "sleep" || call.ask.kind === "wait" || call.ask.kind === "child") {
      this.waits.add(call, call.ask);
      return;
    }
    this.#activity.begin(isEffectful(call.ask.kind));
    try {
      const work = perform(this, call);
      if (isThenable(work))
        work.then(
          () => this.#callOver(call),
          (error: unknown) => this.#callBroken(call, error),
        );
      else this.#callOver(call);
    } catch (error) {
      this.#callBroken(call, error);
    }
  }

  /** Nothing of the call is under way any more, but for its row. */
  #callOver(call: Call): void {
    this.#activity.end(isEffectful(call.ask.kind));
    if (this.#returned !== undefined) this.#functionMayBeOver();
    this.considerSuspending();
  }

  #callBroken(call: Call, error: unknown): void {
    this.fail(error);
    this.#callOver(call);
  }

  /** Something that is neither the user's nor the store's answer went wrong: a bug, or a value that the database refuses. */
  fail(error: unknown): void {
    if (this.#isDead) return;
    // The app was stopped: whoever claims it next goes on.
    if (isCodedError(error) && error.code === "APP_CLOSED") {
      this.lose();
      return;
    }
    this.env.log.error(
      { err: error, executionId: this.id, job: this.claimed.job },
      "execution parked by an internal error",
    );
    this.#parkFor({
      code: isCodedError(error) ? error.code : "INVARIANT",
      step: null,
      error: this.encodeError(this.storedError(error)),
    });
  }

  /** Parks it, or at least lets it go: then the worker's sweep finds it. */
  #parkFor(incident: Incident): void {
    this.park(incident).catch((thrown: unknown) => {
      this.env.log.error({ err: thrown, executionId: this.id }, "execution could not be parked; it will be taken over");
      this.lose();
    });
  }

  // ── Replay ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #replay(): Promise<void> {
    const drift = await replayJournal(this);
    if (this.#isDead) return;
    if (drift !== undefined) return this.#drift(drift);
    this.#isReplaying = false;
    if (this.phase === "back") return void undoAll(this);
    if (this.turn !== undefined) return;
    if (this.phase === "confirming") return void confirmBranches(this);
    const frontier = [...this.calls.values()].filter((call) => call.row === undefined);
    for (const call of frontier) if (this.isForward) this.#beginCall(call);
    if (this.hasFunctionEnded) this.#afterFunction();
  }

  #drift({ step, text }: Drift): Promise<void> {
    const { job, version } = this.claimed;
    const error = new CatalogError(
      "STEP_DRIFT",
      `${job} version ${version}: ${text}. The code changed under this execution: deploy code that fits the record and resume it, or raise the job's version`,
      { step },
    );
    return this.park({ code: "STEP_DRIFT", step, error: this.encodeError(this.storedError(error)) });
  }

  childHandle(child: StartedChild): Child<unknown> {
    return {
      id: child.id,
      isNew: child.isNew,
      result: () => this.call(["result of child", child.id], { kind: "child", child }),
    };
  }

  // ── Recording ────────────────────────────────────────────────────────────────────────────────────────────────────

  newRow(call: RowOf, role: Role, state: JournalRow["state"], body: Uint8Array | null, attempt: number): JournalRow {
    return this.ledger.next(call, role, state, body, attempt, this.env.clock.now());
  }

  /** The row of a step was answered. */
  recorded(recording: Recording, settled: Settled): void {
    const mayBegin = this.results.answered(recording, this.heard(settled));
    for (const call of mayBegin) if (this.isForward) this.#beginCall(call);
    if (this.#returned !== undefined) this.#functionMayBeOver();
    this.considerSuspending();
  }

  /** A fenced write. *Lost* ends the run; *refused* brings what is believed up to date. */
  write(write: Write, isFarewell = false): Promise<Settled> {
    return new Promise((resolve, failed) =>
      this.env.journal.send(write, { heard: (answer) => resolve(this.heard(answer, isFarewell)), failed }),
    );
  }

  /** What an answer means to this run. */
  heard(answer: Settled, isFarewell = false): Settled {
    if (this.#isDead && !isFarewell) return { kind: "lost" };
    if (answer.kind === "lost") this.lose();
    if (answer.kind === "refused") this.phase = answer.phase;
    return answer;
  }

  noteAttempt(row: AttemptRow): void {
    this.ledger.addAttempt(row);
    this.env.journal.write({ lease: this.lease, direction: "any", attempts: [row] }).then(
      (answer) => answer.kind === "lost" && this.lose(),
      (error: unknown) =>
        this.env.log.warn({ err: error, executionId: this.id, step: row.step }, "a failed attempt could not be noted"),
    );
  }

  encodeError(error: StoredError): Uint8Array {
    if (this.#encoded?.error !== error)
      this.#encoded = { error, bytes: this.env.formats.result.encode(error, "error") };
    return this.#encoded.bytes;
  }
  decodeError(body: Uint8Array | null): StoredError {
    return parseStoredError(this.env.formats.result.decode(body));
  }
  storedError(thrown: unknown): StoredError {
    return toStoredError(thrown, this.scrub);
  }

  // ── Rest, waits, suspension ──────────────────────────────────────────────────────────────────────────────────────

  /** Rests until an instant of this process's clock. Long rests may suspend the execution: then this never resolves. */
  async restUntil(atMs: number): Promise<void> {
    this.#activity.end();
    const rested = this.waits.rest(atMs);
    this.considerSuspending();
    await rested;
    this.#activity.begin();
  }

  /** Holds off suspension while `work` goes on. */
  async whileActive(work: () => Promise<void>): Promise<void> {
    this.#activity.begin();
    try {
      await work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#activity.end();
    }
  }

  /** Nothing moves but time and messages, and no row is on its way. */
  get #isIdle(): boolean {
    return this.#activity.isIdle && this.results.areAnswered;
  }

  /** If nothing moves but time and messages, and not soon, gives the execution up until then. */
  considerSuspending(): void {
    if (this.#waits === undefined || this.#isConsidering || this.#isDead || this.#isReplaying) return;
    if (!this.#isIdle || !this.#waits.isLong) return;
    this.#isConsidering = true;
    // Lingers a moment: a quick child or signal is met in memory, without a replay.
    this.env.clock.after(lingerMs, () => {
      this.#isConsidering = false;
      if (this.#isDead || !this.#isIdle || !this.results.areHeard || !this.waits.isLong || this.#isFinishing) return;
      if (this.phase !== "back" && this.turn !== undefined) return;
      void this.suspend(this.waits.dueInMs).catch((error: unknown) => this.fail(error));
    });
  }

  /** Suspends whatever news arrives: there is nothing here that could act on them. */
  async giveUpUntil(wakeInMs: number): Promise<void> {
    while (!this.#isDead && this.turn === undefined) await this.suspend(wakeInMs);
  }

  /** Suspends, unless news arrived that was not read: then the news are read instead. */
  async suspend(wakeInMs: number | null): Promise<void> {
    const deadlineInMs = this.phase === "back" ? null : this.#deadline.leftMs;
    const soonest = Math.min(wakeInMs ?? Number.POSITIVE_INFINITY, deadlineInMs ?? Number.POSITIVE_INFINITY);
    const wake = soonest === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(soonest));
    const answer = await this.write({
      lease: this.lease,
      direction: "any",
      seenInbox: this.inbox,
      transition: { name: "suspend", wakeInMs: wake },
    });
    if (this.#isDead) return;
    if (answer.kind === "done") {
      this.#silence();
      this.#release({ kind: "suspended", wakeInMs: wake });
    } else if (answer.kind === "refused") await this.news();
  }

  /** Something happened to the execution outside: reads messages and cancel, and acts on them. */
  async news(): Promise<void> {
    await this.readNews();
    await this.waits.look();
    this.considerSuspending();
  }

  /** Brings inbox, signals and cancel up to date. */
  async readNews(): Promise<void> {
    const loaded = (await persist(this, () => this.env.store.executions.load([this.id])))?.get(this.id);
    if (this.#isDead || loaded === undefined) return;
    this.inbox = loaded.inbox;
    this.signals = loaded.signals;
    if (loaded.cancel !== null) this.cancel(loaded.cancel);
  }

  /** Another execution was given something to hear of. */
  newsForOther(executionId: string): void {
    this.#host.newsFor(executionId);
  }

  progress(fraction: number, note: string | null): void {
    if (this.#isReplaying || this.#isDead) return;
    this.#progress ??= new Progress(this.env.clock, (shown) => this.#writeProgress(shown));
    this.#progress.show(fraction, note === null ? null : this.scrub(note));
  }

  #writeProgress(progress: NonNullable<Write["progress"]>): void {
    if (this.#isDead) return;
    this.write({ lease: this.lease, direction: "any", progress }).catch((error: unknown) =>
      this.env.log.warn({ err: error, executionId: this.id }, "progress could not be written"),
    );
  }

  /** A child was started: there may be work for this process. */
  workStarted(): void {
    this.#host.newsFor(this.id);
  }

  /** Notes the instant at which a long wait ends; nobody waits for the answer, since a suspension is written after it. */
  noteDue(call: Call, dueAt: number): void {
    const body = this.env.formats.result.encode(dueAt, "due");
    const row: JournalRow = {
      step: call.step,
      role: "due",
      kind: call.ask.kind,
      seq: 0,
      started: call.started,
      attempt: 1,
      state: "done",
      body,
      at: this.env.clock.now(),
      actor: null,
    };
    this.ledger.keep(row);
    this.write({ lease: this.lease, direction: "forward", records: [row] }).catch((error: unknown) => this.fail(error));
  }

  // ── Turning back, parking, finishing ─────────────────────────────────────────────────────────────────────────────

  cancel(reason: Reason): void {
    if (this.phase === "open" && this.turn === undefined) this.turnBack(reason, turnError(reason));
  }

  #timedOut(): void {
    // What turned back has no deadline but its windows.
    if (this.turn !== undefined) return;
    const error = turnError("timed-out");
    if (this.phase === "open") this.turnBack("timed-out", error);
    else this.#parkFor({ code: error.code, step: null, error: this.encodeError(error) });
  }

  /** A step failed for good. `isCertain`: it did not happen. */
  async stepFailed(call: Call, error: StoredError): Promise<void> {
    if (!this.isForward) return;
    if (this.phase !== "open" || this.definition.settings.onFailure === "park")
      return this.park({
        code: error.retryable ? "ATTEMPTS_EXHAUSTED" : error.code,
        step: call.step,
        error: this.encodeError(error),
      });
    this.turnBack("failed", error);
  }

  /** From here the function hears nothing more. The direction is recorded before any undo. */
  turnBack(reason: Reason, error: StoredError): void {
    if (this.#isDead || this.turn !== undefined || this.phase === "back") return;
    this.turn = { reason, error };
    void recordTurn(this, reason, error).catch((thrown: unknown) => this.fail(thrown));
  }

  /** Waits for the steps in flight, for as long as an attempt may take: a known result is kinder to `compensate`. */
  calm(): Promise<void> {
    return this.#activity.calm(this.attemptTimeoutMs === 0 ? patienceMs : this.attemptTimeoutMs);
  }

  async park(incident: Incident): Promise<void> {
    if (this.#isDead) return;
    this.turn ??= { reason: "failed", error: noError };
    const answer = await this.write({ lease: this.lease, direction: "any", transition: { name: "park", incident } });
    if (this.#isDead || answer.kind !== "done") return;
    this.#silence();
    this.env.log.warn(
      { executionId: this.id, job: this.claimed.job, key: this.claimed.key, code: incident.code, step: incident.step },
      "execution parked: a person must look at it",
    );
    this.#release({ kind: "parked" });
    this.env.engagements.hint(this.id);
  }

  /** It has ended; `isWhole`: the ending is known here in full. */
  ended(ending: Ending, isWhole = true): void {
    this.#silence();
    this.#release({ kind: "ended" });
    if (isWhole) this.env.engagements.settle(this.id, ending);
    else this.env.engagements.hint(this.id);
    if (this.claimed.parent !== null) this.#host.newsFor(this.claimed.parent);
  }

  /** A cancel was accepted before the decision: accepted means never completed. */
  endRefused(): Promise<void> {
    this.#isFinishing = false;
    return this.news();
  }
}
