// What users write: jobs, steps, and what they get back. Types and the thin constructors; no behavior.
import type { Stored } from "./codec.ts";
import type { Duration } from "./duration.ts";
import type { StoredError } from "./errors.ts";
import type { Awaitable, Participant } from "./participant.ts";
import type { Log } from "./ports.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Schema } from "./schema.ts";
import type { BlockingStrategy } from "./store.ts";
import type { Trigger } from "./trigger.ts";

// ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A bare name may be used once per execution; in loops and parallel code the id makes it unique. Never an ordinal. */
export type StepName = string | readonly [name: string, id: string | number];

/** What cannot be seen from outside, stated by the author; the checklist says *declared* for it. */
export type Effect = "natural" | "keyed" | "recorded" | "irreversible";

export interface StepInfo {
  /** The idempotency key: the same on every attempt of every owner, another in another round. ASCII, at most 64 characters. */
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  /** Aborts when the attempt times out, the lease is lost, or the execution turns back. */
  readonly signal: AbortSignal;
  /** Carries execution, step, role, round and key to a remote participant's barrier. */
  headers(): Readonly<Record<string, string>>;
}

/** `key` is the compensation's own: a payment provider refuses the action's key for another request. */
export type UndoInfo<R> = StepInfo & { readonly actionKey: string } & (
    | { readonly outcome: "done"; readonly result: Stored<R> }
    | { readonly outcome: "unknown"; readonly result?: undefined }
  );

export type Undo<F> =
  /** `within`: after this long (counted from the first attempt to undo) the execution parks. Default: no window, attempts only. */
  | { readonly compensate: F; readonly within?: Duration; readonly irreversible?: undefined }
  | { readonly irreversible: string; readonly compensate?: undefined }
  | { readonly compensate?: undefined; readonly irreversible?: undefined };

interface StepOptions {
  readonly retry?: RetryPolicy;
  readonly effect?: Effect;
}

// `run` stands before `compensate`: TypeScript infers context-sensitive members from left to right.
export type RemoteStep<R> = StepOptions & {
  readonly run: (step: StepInfo) => Awaitable<R>;
  /** Of one attempt. Default: the job's `attemptTimeout`. */
  readonly timeout?: Duration;
} & Undo<(undo: UndoInfo<R>) => Awaitable<unknown>>;

export type TxStep<Tx, R> = StepOptions & {
  readonly run: (tx: Tx, step: StepInfo) => Awaitable<R>;
  readonly timeout?: Duration;
} & Undo<(tx: Tx, result: Stored<R>, step: StepInfo) => Awaitable<unknown>>;

export type SyncTxStep<Tx, R, U = unknown> = StepOptions & { readonly run: (tx: Tx, step: StepInfo) => R } & Undo<
    (tx: Tx, result: Stored<R>, step: StepInfo) => U
  >;

/** Refuses a member that returns a promise, or may. What returns `any` is judged at run time. */
type NoPromise<R, Member extends string> = 0 extends 1 & R
  ? unknown
  : [Extract<R, PromiseLike<unknown>>] extends [never]
    ? unknown
    : { readonly [M in Member]: "must be synchronous on this participant" };

export interface TccBranch<R> {
  /** Reserves; the reservation carries its own expiry. */
  readonly try: (step: StepInfo) => Awaitable<R>;
  readonly confirm: (step: StepInfo & { readonly result: Stored<R> }) => Awaitable<unknown>;
  readonly cancel: (step: UndoInfo<R>) => Awaitable<unknown>;
  readonly retry?: RetryPolicy;
  readonly timeout?: Duration;
  readonly within?: Duration;
}

export interface TccTxBranch<Tx, R> {
  readonly try: (tx: Tx, step: StepInfo) => Awaitable<R>;
  readonly confirm: (tx: Tx, result: Stored<R>, step: StepInfo) => Awaitable<unknown>;
  /** Called only where the try took effect; the barrier answers the empty cancel. */
  readonly cancel: (tx: Tx, result: Stored<R>, step: StepInfo) => Awaitable<unknown>;
  readonly retry?: RetryPolicy;
  readonly within?: Duration;
}

export interface SyncTccTxBranch<Tx, R, C = unknown, X = unknown> {
  readonly try: (tx: Tx, step: StepInfo) => R;
  readonly confirm: (tx: Tx, result: Stored<R>, step: StepInfo) => C;
  readonly cancel: (tx: Tx, result: Stored<R>, step: StepInfo) => X;
  readonly retry?: RetryPolicy;
  readonly within?: Duration;
}

// ── Signals ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Signal<I, O = I> {
  readonly name: string;
  readonly schema: Schema<I, O> | null;
}
// biome-ignore lint/suspicious/noExplicitAny: a wait reads the output and accepts every input
export type SignalOf<O> = Signal<any, O>;

// ── The context ────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Child<R> {
  readonly id: string;
  /** False when an execution of that key existed already. */
  readonly isNew: boolean;
  /** Waits for the child's end. Rejects with CHILD_FAILED when it did not complete. */
  result(): Promise<R>;
}

/** A copy (`{ ...ctx }`) has all of it but what lives: `now`, `signal` and `log`. */
export interface Context {
  readonly executionId: string;
  readonly job: string;
  /** The business key; the execution's id for a job without one. */
  readonly key: string;
  readonly round: number;
  /**
   * What the fire that started it was planned for, without jitter and however late it came: by a schedule here; as
   * `app.start` was told (`scheduledAt`); under an XXL-JOB admin, which does not tell what it planned, when it triggered
   * the run that started it (`logDateTime`). Null: started otherwise, also by hand. The same in every replay.
   */
  readonly scheduledAt: Date | null;
  /** Time as replay gives it back: that of the last result delivered. */
  readonly now: Date;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** In [0, 1); the same sequence in every replay of this execution. */
  random(): number;
  /** Shown to people, written at most once a second; never replayed. `fraction` in 0 … 1. */
  progress(fraction: number, note?: string): void;
  tx<Tx, R>(on: Participant<Tx, "async">, name: StepName, step: TxStep<Tx, R>): Promise<Stored<Awaited<R>>>;
  tx<Tx, R, U>(
    on: Participant<Tx, "sync">,
    name: StepName,
    step: SyncTxStep<Tx, R, U> & NoPromise<R, "run"> & NoPromise<U, "compensate">,
  ): Promise<Stored<R>>;
  step<R>(name: StepName, step: RemoteStep<R>): Promise<Stored<Awaited<R>>>;
  /** Like `step`, but a final failure comes back as a value, after what may have happened of this step was undone. */
  attempt<R>(
    name: StepName,
    step: RemoteStep<R>,
  ): Promise<
    { readonly ok: true; readonly value: Stored<Awaited<R>> } | { readonly ok: false; readonly error: StoredError }
  >;
  tcc<R>(name: StepName, branch: TccBranch<R>): Promise<Stored<Awaited<R>>>;
  tcc<Tx, R>(on: Participant<Tx, "async">, name: StepName, branch: TccTxBranch<Tx, R>): Promise<Stored<Awaited<R>>>;
  tcc<Tx, R, C, X>(
    on: Participant<Tx, "sync">,
    name: StepName,
    branch: SyncTccTxBranch<Tx, R, C, X> & NoPromise<R, "try"> & NoPromise<C, "confirm"> & NoPromise<X, "cancel">,
  ): Promise<Stored<R>>;
  /** The decision: cancel is refused from here, failures park, branches will be confirmed. Implied at return. Await it. */
  pivot(): Promise<void>;
  sleep(name: StepName, duration: Duration): Promise<void>;
  waitFor<O>(signal: SignalOf<O>): Promise<O>;
  waitFor<O>(
    signal: SignalOf<O>,
    options: { readonly timeout: Duration; readonly name?: StepName },
  ): Promise<{ readonly kind: "received"; readonly value: O } | { readonly kind: "timed-out" }>;
  waitFor<O>(signal: SignalOf<O>, options: { readonly name: StepName }): Promise<O>;
  /** Starts a child in the same commit as the record of it. If this execution turns back, an unfinished child is canceled first, unless `onUndo: "leave"`. */
  start<I, O, R>(
    job: Job<I, O, R>,
    input: I,
    options?: { readonly delay?: Duration; readonly name?: StepName; readonly onUndo?: "cancel" | "leave" },
  ): Promise<Child<R>>;
}

// ── Jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What to do with a new execution while another of the same concurrency key is unfinished. */
export interface Concurrency<O> {
  readonly strategy: BlockingStrategy;
  /** Default: one for the whole job. */
  readonly key?: (input: O) => string;
}

/** How much of an inconsistency others may see, and for how long; from the least that is kept to the most. */
export const consistencyLevels = ["natural", "recorded", "eventual", "strict"] as const;
export type ConsistencyLevel = (typeof consistencyLevels)[number];

/** The seven questions of the checklist. */
export const checkPoints = [
  "executed before",
  "idempotent",
  "transitions",
  "compensated",
  "traceable",
  "timeout",
  "concurrency",
] as const;
export type CheckPoint = (typeof checkPoints)[number];

/** What the author states where the checklist cannot see it: why all is well. Evidence to the contrary outweighs it. */
export type Declarations = { readonly [point in CheckPoint]?: string } & {
  /** What the job needs; less than that is an error. */
  readonly level?: ConsistencyLevel;
};

export interface JobOptions<I, O> {
  /** Any Standard Schema library. Without it the job takes no input. */
  readonly input?: Schema<I, O>;
  /** The business key: at most one execution per key and round. Without it every start is a new execution. */
  readonly key?: (input: NoInfer<O>) => string;
  /** Raised when the steps change, 1 … 2³¹−1, default 1; a worker claims only versions that it has. */
  readonly version?: number;
  /** Overall, from the moment it may first run; before the pivot it turns back, after it parks. Default: none. */
  readonly timeout?: Duration;
  /** Of one attempt of one step. Default 60 s; 0 = none. */
  readonly attemptTimeout?: Duration;
  /** For its steps where they have none of their own; given, it also re-runs a function that throws by itself. */
  readonly retry?: RetryPolicy;
  /** What a step's final failure does before the pivot. Default `compensate`. */
  readonly onFailure?: "compensate" | "park";
  /**
   * When the function is handed what a step came to. `recorded` (default): once that is in the database. `early`: at once, a
   * commit sooner; whatever it then asks `ctx` for waits for the record, and so does its end.
   */
  readonly results?: "recorded" | "early";
  /** 0 (first) … 9, default 5. */
  readonly priority?: number;
  readonly group?: string | ((input: NoInfer<O>) => string);
  readonly concurrency?: BlockingStrategy | Concurrency<NoInfer<O>>;
  /** How long an ended execution is kept. Default 30 d. */
  readonly retention?: Duration;
  /** How long its key answers after that. Default 90 d. */
  readonly keyRetention?: Duration;
  /** Schema paths never shown in a log or error text: `"card.number"`, `"lines.*.iban"`. */
  readonly redact?: readonly string[];
  /** To find executions by: name → value, both at most 255 bytes. */
  readonly attributes?: (input: NoInfer<O>) => Readonly<Record<string, string>>;
  readonly effect?: Effect;
  /** For the checklist: `{ level: "eventual", transitions: "it only inserts" }`. */
  readonly checklist?: Declarations;
  /** What starts it without a call: `[cron("0 30 2 * * ?")]`, `[onMessage(topic)]`. Each must supply the job's input. */
  readonly on?: readonly Trigger<NoInfer<I>>[];
}

/** The schema alone says what the input is: an annotation of the parameter that the schema does not back is refused. */
export type Handler<O, R> = (ctx: Context, input: NoInfer<O>) => Awaitable<R>;

/** A definition: what may be run. `R` is what its result is after storing. */
export interface Job<I, O, R> {
  readonly name: string;
  readonly version: number;
  readonly options: JobOptions<I, O>;
  readonly handler: Handler<O, unknown>;
  /** Jobs that it cannot do without: registered wherever it is. */
  readonly companions?: readonly AnyJob[];
  /** Never present; carries the result's type. */
  readonly result?: (input: I) => R;
}

/** A job of any input and result, for lists of jobs. */
// biome-ignore lint/suspicious/noExplicitAny: variance; a list of jobs holds every kind
export type AnyJob = Job<any, any, any>;

// ── Outcomes ───────────────────────────────────────────────────────────────────────────────────────────────────────

export type Outcome<R> =
  | { readonly state: "completed"; readonly result: R }
  | { readonly state: "failed" | "compensated" | "canceled" | "timed-out"; readonly error: StoredError }
  | { readonly state: "discarded" }
  | { readonly state: "parked" | "killed"; readonly incidentId: string | null };

export interface Execution<R> {
  readonly id: string;
  readonly round: number;
  /** False when the key existed already and that execution is answered. */
  readonly isNew: boolean;
  /** Waits for the end. Rejects with EXECUTION_NOT_SUCCESSFUL when it ends otherwise than completed; goes on waiting while it is parked. */
  result(options?: { readonly signal?: AbortSignal }): Promise<R>;
  /** Waits until it has ended or is parked. */
  outcome(options?: { readonly signal?: AbortSignal }): Promise<Outcome<R>>;
}
