// The entry class: registers jobs, starts and commands executions, and runs a worker. It wires and delegates.

import { type Duration, toMs } from "../core/duration.ts";
import {
  CatalogError,
  ExecutionNotSuccessfulError,
  ExecutionStateError,
  ExecutionUnknownError,
  KeyExistsError,
  KeyInputMismatchError,
  OptionError,
  parseStoredError,
  type StoredError,
  toStoredError,
} from "../core/errors.ts";
import { isTerminal, type ShownState, type Status, shownState } from "../core/execution.ts";
import { isUuid } from "../core/ids.ts";
import type { AnyJob, Execution, Job, Outcome, SignalOf, StepName } from "../core/job.ts";
import type { AttemptRow, JournalRow, Role } from "../core/journal.ts";
import { validateStepName } from "../core/keys.ts";
import { checkOptions } from "../core/options.ts";
import type { Participant } from "../core/participant.ts";
import type { Actor } from "../core/ports.ts";
import { redacted, redactValue } from "../core/redact.ts";
import { validateInput } from "../core/schema.ts";
import type {
  ClaimedExecution,
  CommandOutcome,
  ExecutionRow,
  IncidentRow,
  NewExecution,
  ReadStore,
  StartOutcome,
} from "../core/store.ts";
import type { Ending } from "./engagements.ts";
import type { Env } from "./env.ts";
import { isPassing } from "./group-commit.ts";
import { prepare } from "./prepare.ts";
import type { Worker } from "./worker.ts";

// biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
export type InTransaction<Tx> = readonly [participant: Participant<Tx, any>, tx: Tx];

export interface StartOptions<Tx = never> {
  /** Starts it inside this transaction: it exists if and only if that commits. Not claimed before. */
  readonly in?: InTransaction<Tx>;
  /**
   * What an existing key answers. `return` (default): the newest round, whatever became of it. `restart-failed`: a new
   * round if the newest ended without success. `refuse`: throws KEY_EXISTS.
   */
  readonly ifExists?: "return" | "restart-failed" | "refuse";
  readonly delay?: Duration;
  /** 0 (first) … 9. */
  readonly priority?: number;
  /** W3C traceparent, kept with the execution and handed to its children. */
  readonly traceContext?: string;
  readonly actor?: Actor;
}

export interface CommandOptions {
  readonly actor?: Actor;
  /** For the audit: why. */
  readonly note?: string;
}

export interface SignalOptions {
  /** The same id is delivered once. Default: a fresh one. */
  readonly signalId?: string;
  readonly actor?: Actor;
}

const startKeys = ["in", "ifExists", "delay", "priority", "traceContext", "actor"] as const;
const defaultActor: Actor = { kind: "system", id: "app" };
const maxRestartTries = 5;

export class App {
  readonly #env: Env;
  readonly #worker: Worker;
  readonly #participants = new Map<string, Participant<unknown>>();
  #opening: Promise<void> | undefined;
  #isRunning = false;
  #closing: Promise<void> | undefined;

  /** Made by `makegood()`. */
  constructor(env: Env, worker: Worker, participants: readonly Participant<unknown>[]) {
    this.#env = env;
    this.#worker = worker;
    env.engagements.isHeld = (id) => worker.isHeld(id);
    for (const participant of participants) {
      if (this.#participants.has(participant.name))
        throw new OptionError(
          "participants",
          `participants: expected each name once, found ${JSON.stringify(participant.name)} twice`,
        );
      this.#participants.set(participant.name, participant);
    }
  }

  // ── Jobs and work ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes jobs known to this process. Throws JOB_DUPLICATE. */
  register(...jobs: readonly AnyJob[]): void {
    for (const job of jobs) this.#env.registry.add(job);
    if (this.#isRunning) this.#worker.poke();
  }

  /** Opens the store. Called by every other method when needed; call it to see errors of set-up early. */
  open(): Promise<void> {
    if (this.#closing !== undefined)
      return Promise.reject(new CatalogError("APP_CLOSED", "this app was stopped. Make a new one with makegood()", {}));
    this.#opening ??= this.#env.store.open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** This process now works: claims and runs executions of the registered jobs. Resolves when it has begun; safe twice. */
  async run(): Promise<void> {
    await this.open();
    if (this.#isRunning) return;
    this.#isRunning = true;
    await this.#worker.start();
  }

  /**
   * Stops claiming, lets running executions end for `grace` (default 10 s), gives the rest back unspent, closes the store.
   * Resolves at the latest 5 s after the grace, also when the database does not answer. Safe twice.
   */
  stop(options: { readonly grace?: Duration; readonly graceMs?: number } = {}): Promise<void> {
    checkOptions(options, ["grace", "graceMs"], "stop");
    const graceMs = options.graceMs ?? toMs(options.grace ?? "10s", "grace");
    this.#closing ??= this.#stop(graceMs);
    return this.#closing;
  }

  async #stop(graceMs: number): Promise<void> {
    // A database that does not answer must not hold up the end: what is not given back is taken over when the lease is out.
    const orderly = async (): Promise<void> => {
      if (this.#isRunning) await this.#worker.stop(graceMs);
      await this.#env.journal.drained();
    };
    let cancelTimer: (() => void) | undefined;
    const patience = new Promise<void>((resolve) => {
      cancelTimer = this.#env.clock.after(graceMs + closePatienceMs, resolve);
    });
    await Promise.race([orderly(), patience]);
    cancelTimer?.();
    this.#env.journal.close();
    this.#env.engagements.close();
    if (this.#opening !== undefined)
      await this.#opening.then(
        () => this.#env.store.close(),
        () => {},
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // ── Starting ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Starts an execution, or answers the one that has its key. Resolves after commit: from then on it survives any crash.
   *
   * Throws INPUT_INVALID, KEY_INVALID, KEY_INPUT_MISMATCH (same key, another input), KEY_EXISTS (`ifExists: "refuse"`),
   * OPTION_INVALID. Called again after an unknown outcome it answers the first one, if the job has a key.
   */
  async start<I, O, R, Tx = never>(job: Job<I, O, R>, input: I, options: StartOptions<Tx> = {}): Promise<Execution<R>> {
    checkOptions(options, startKeys, "start");
    await this.open();
    const { delay, priority, traceContext } = options;
    const execution = await prepare(this.#env, job, input, {
      delay,
      priority,
      traceContext,
      actor: options.actor ?? defaultActor,
    });
    const outcome =
      options.in === undefined ? await this.#startHere(execution) : await this.#startIn(options.in, execution);
    return this.#answer<R, Tx>(job, execution, outcome, options);
  }

  async #startHere(execution: NewExecution): Promise<StartOutcome> {
    const mayClaim = this.#isRunning && execution.delayMs === 0 && execution.concurrencyKey === null;
    const worker = mayClaim ? this.#worker.reserve(execution.job, execution.version) : null;
    try {
      const outcome = await this.#env.journal.start(worker === null ? execution : { ...execution, claimFor: worker });
      if (outcome.kind === "started" && outcome.status === "running")
        this.#worker.run(claimedAtStart(execution, outcome));
      else if (outcome.kind === "started") this.#announce();
      return outcome;
    } finally {
      if (worker !== null) this.#worker.unreserve();
    }
  }

  async #startIn<Tx>([participant, tx]: InTransaction<Tx>, execution: NewExecution): Promise<StartOutcome> {
    if (!(await this.#env.isOwn(participant.port, (script) => participant.runIn(tx, script))))
      throw new OptionError(
        "in",
        `start in ${participant.name}: expected a participant in the engine's own database, found another database. Start it from an outbox there, or after its commit`,
      );
    const outcome = await participant.runIn(tx, this.#env.store.own.startScript(execution));
    // Before the commit nobody may run it, and nobody here learns of the commit: the poll finds it, and an early look does no harm.
    this.#announce();
    return outcome;
  }

  async #answer<R, Tx>(
    job: AnyJob,
    execution: NewExecution,
    first: StartOutcome,
    options: StartOptions<Tx>,
  ): Promise<Execution<R>> {
    let outcome = first;
    for (let tries = 0; outcome.kind === "exists" && outcome.id !== execution.id; tries++) {
      const { id, fingerprint, status, round } = outcome;
      const key = execution.key ?? "";
      if (options.ifExists === "refuse") throw new KeyExistsError({ job: job.name, key, executionId: id });
      if (fingerprint !== null && fingerprint !== execution.fingerprint)
        throw new KeyInputMismatchError({
          job: job.name,
          key,
          recorded: fingerprint,
          given: execution.fingerprint ?? "",
        });
      const hasFailed = isTerminal(status) && status !== "completed";
      if (options.ifExists !== "restart-failed" || !hasFailed || tries >= maxRestartTries)
        return this.#handle<R>(id, round, false);
      const next = { ...execution, replacesRound: round };
      outcome = options.in === undefined ? await this.#startHere(next) : await this.#startIn(options.in, next);
    }
    return this.#handle<R>(outcome.id, outcome.round, true);
  }

  #announce(): void {
    if (this.#isRunning) this.#worker.poke();
    this.#env.store.announce(this.#env.namespace, null);
  }

  /** A handle for an execution that is known by its id. */
  execution<R = unknown>(id: string, round = 0): Execution<R> {
    return this.#handle<R>(id, round, false);
  }

  #handle<R>(id: string, round: number, isNew: boolean): Execution<R> {
    return {
      id,
      round,
      isNew,
      result: async (options) => {
        const ending = await this.#wait(id, false, options?.signal);
        if (ending.status === "completed") return this.#env.formats.result.decode(ending.result) as R;
        throw new ExecutionNotSuccessfulError(id, shownState(ending), this.#errorOf(ending));
      },
      outcome: async (options) => this.#outcome<R>(await this.#wait(id, true, options?.signal)),
    };
  }

  async #wait(id: string, alsoParked: boolean, signal: AbortSignal | undefined): Promise<Ending> {
    checkId(id);
    await this.open();
    signal?.throwIfAborted();
    const first = this.#worker.isHeld(id) ? undefined : await this.#insist(() => this.#env.store.reads.outcomes([id]));
    if (first !== undefined) {
      const known = first.get(id);
      if (known === undefined) throw new ExecutionUnknownError(id);
      if (isTerminal(known.status) || (alsoParked && known.status === "parked")) return known;
    }
    const { ending, leave } = this.#env.engagements.wait(id, alsoParked);
    const aborted = new Promise<never>((_, reject) =>
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
    );
    try {
      const found = await (signal === undefined ? ending : Promise.race([ending, aborted]));
      if (found === null) throw new ExecutionUnknownError(id);
      return found;
    } finally {
      leave();
    }
  }

  #outcome<R>(ending: Ending): Outcome<R> {
    const state = shownState(ending);
    switch (state) {
      case "completed":
        return { state, result: this.#env.formats.result.decode(ending.result) as R };
      case "failed":
      case "compensated":
      case "canceled":
      case "timed-out":
        return { state, error: this.#errorOf(ending) ?? toStoredError(undefined) };
      case "discarded":
        return { state };
      case "parked":
      case "killed":
        return { state, incidentId: ending.incidentId };
      case "ready":
      case "running":
      case "waiting":
      case "compensating":
      case "confirming":
        throw new CatalogError("INVARIANT", `expected an ended execution, found ${state}`, {});
    }
  }

  #errorOf(ending: Ending): StoredError | null {
    return ending.error === null ? null : parseStoredError(this.#env.formats.result.decode(ending.error));
  }

  // ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Delivers a message to `ctx.waitFor`, once per signal id; kept until a wait takes it. Throws SIGNAL_REFUSED when the execution has ended. */
  async signal<O, I>(
    id: string,
    to: SignalOf<O> & {
      readonly schema: { readonly "~standard": { readonly types?: { readonly input: I } | undefined } } | null;
    },
    payload: I,
    options: SignalOptions = {},
  ): Promise<{ readonly isNew: boolean }> {
    checkOptions(options, ["signalId", "actor"], "signal");
    checkId(id);
    await this.open();
    if (to.schema !== null) {
      const checked = await validateInput(to.schema as NonNullable<SignalOf<O>["schema"]>, payload, {
        what: `signal ${to.name}`,
      });
      if (!checked.ok) throw checked.error;
    }
    const bytes = this.#env.formats.signal.store(payload, "payload").bytes;
    const signalId = options.signalId ?? this.#freshId();
    const outcome = await this.#insist(() =>
      this.#env.store.commands.signal({
        id,
        signalId,
        name: to.name,
        payload: bytes,
        actor: options.actor ?? defaultActor,
      }),
    );
    if (outcome.kind === "unknown-execution") throw new ExecutionUnknownError(id);
    if (outcome.kind === "refused")
      throw new CatalogError("SIGNAL_REFUSED", `execution ${id} is ${outcome.status} and takes no signals`, {
        executionId: id,
        state: outcome.status,
      });
    this.#worker.newsFor(id);
    return { isNew: outcome.kind === "accepted" };
  }

  /** Turns it back through compensation, children first. Throws EXECUTION_STATE from the pivot on: too late. */
  async cancel(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("cancel", id, options, (actor, note) =>
      this.#env.store.commands.cancel({ id, reason: "canceled", actor, note }),
    );
    this.#worker.newsFor(id);
  }

  /** Ends it at once, without undoing anything. Loud: opens an incident. */
  async kill(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("kill", id, options, (actor, note) => this.#env.store.commands.kill({ id, actor, note }));
    this.#worker.lost(id);
    this.#worker.newsFor(id);
  }

  /** Lets a parked execution go on, for example after the code that fits was deployed. */
  async resume(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("resume", id, options, (actor, note) =>
      this.#env.store.commands.resume({ id, resetAttempts: false, actor, note }),
    );
    this.#announce();
  }

  /** Like `resume`, with fresh attempts and windows for the step or compensation that used its own up. */
  async retry(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("retry", id, options, (actor, note) =>
      this.#env.store.commands.resume({ id, resetAttempts: true, actor, note }),
    );
    this.#announce();
  }

  /**
   * Starts a new round of an execution that ended without success, with the input it had; every step runs again under new keys.
   * Throws EXECUTION_STATE when it completed or has not ended.
   */
  async restart<R = unknown>(id: string, options: CommandOptions = {}): Promise<Execution<R>> {
    checkId(id);
    await this.open();
    const row = await this.#insist(() => this.#env.store.reads.find(id));
    if (row === null) throw new ExecutionUnknownError(id);
    if (!isTerminal(row.status) || row.status === "completed")
      throw stateError("restart", id, row.status, "only one that ended without success can be restarted");
    const definition = this.#env.registry.find(row.job, row.version);
    if (definition === undefined)
      throw new CatalogError(
        "JOB_UNKNOWN",
        `expected job ${row.job} version ${row.version} to be registered here, found none. Restart it where it is registered`,
        { job: row.job, version: row.version },
      );
    const input = this.#env.formats.input.decode(await this.#insist(() => this.#env.store.reads.input(id)));
    const actor = options.actor ?? defaultActor;
    return (await this.start(
      definition.job,
      input,
      row.key === null ? { actor } : { ifExists: "restart-failed", actor },
    )) as Execution<R>;
  }

  /** A person states how one step of a parked execution ended; then `resume` it. The row bears the actor. */
  async settleStep(
    id: string,
    step: StepName,
    as: {
      readonly role?: Exclude<Role, "due">;
      readonly outcome: "done" | "refused";
      readonly value?: unknown;
      readonly error?: string;
    },
    options: CommandOptions = {},
  ): Promise<void> {
    checkOptions(as, ["role", "outcome", "value", "error"], "settleStep");
    const { text } = validateStepName(step);
    const role = as.role ?? "action";
    const history = await this.history(id);
    const known = history.journal.find((row) => row.step === text) ?? history.attempts.find((row) => row.step === text);
    const kind = known !== undefined && "kind" in known ? known.kind : "step";
    const body =
      as.outcome === "done"
        ? this.#env.formats.result.store(as.value, "value").bytes
        : this.#env.formats.result.encode(
            toStoredError(new Error(as.error ?? "settled by hand as not happened")),
            "error",
          );
    const row = {
      step: text,
      role,
      kind,
      attempt: 1,
      state: as.outcome,
      body,
      started: known !== undefined && "started" in known ? known.started : null,
    } as const;
    await this.#command("settle", id, options, (actor, note) =>
      this.#env.store.commands.settleStep({ id, row, actor, note }),
    );
  }

  /** A person ends a parked execution by word, having put its effects right. */
  async settle(
    id: string,
    as:
      | { readonly outcome: "completed"; readonly result?: unknown }
      | { readonly outcome: "compensated"; readonly error?: string },
    options: CommandOptions = {},
  ): Promise<void> {
    const result = as.outcome === "completed" ? this.#env.formats.result.store(as.result, "result").bytes : null;
    const error =
      as.outcome === "compensated"
        ? this.#env.formats.result.encode(
            toStoredError(new CatalogError("DISCARDED", as.error ?? "settled by hand", {})),
            "error",
          )
        : null;
    await this.#command("settle", id, options, (actor, note) =>
      this.#env.store.commands.settle({ id, as: as.outcome, result, error, actor, note }),
    );
    this.#worker.newsFor(id);
  }

  async #command(
    verb: string,
    id: string,
    options: CommandOptions,
    send: (actor: Actor, note: string | null) => Promise<CommandOutcome>,
  ): Promise<void> {
    checkOptions(options, ["actor", "note"], verb);
    checkId(id);
    await this.open();
    const outcome = await this.#insist(() => send(options.actor ?? defaultActor, options.note ?? null));
    if (outcome.kind === "unknown-execution") throw new ExecutionUnknownError(id);
    if (outcome.kind === "refused")
      throw stateError(
        verb,
        id,
        outcome.status,
        outcome.phase === "open"
          ? (allowedStates[verb] ?? "")
          : `its phase is ${outcome.phase}: ${allowedStates[verb] ?? ""}`,
      );
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async find(id: string): Promise<(ExecutionRow & { readonly state: ShownState }) | null> {
    await this.open();
    const row = isUuid(id) ? await this.#insist(() => this.#env.store.reads.find(id)) : null;
    return row === null ? null : { ...row, state: shownState(row) };
  }

  /** Newest first. */
  async list(
    request: Omit<Parameters<ReadStore["list"]>[0], "namespace" | "limit"> & { readonly limit?: number } = {},
  ): Promise<readonly (ExecutionRow & { readonly state: ShownState })[]> {
    await this.open();
    const rows = await this.#insist(() =>
      this.#env.store.reads.list({ ...request, namespace: this.#env.namespace, limit: request.limit ?? 100 }),
    );
    return rows.map((row) => ({ ...row, state: shownState(row) }));
  }

  /** What happened, in order, for people: the input and the steps' results with marked places taken out; without the job's definition here, no values at all. */
  async history(id: string): Promise<History> {
    await this.open();
    const row = await this.find(id);
    if (row === null) throw new ExecutionUnknownError(id);
    const { journal, attempts, signals, audit, incidents } = await this.#insist(() =>
      this.#env.store.reads.history(id),
    );
    const definition = this.#env.registry.find(row.job, row.version);
    const { formats } = this.#env;
    const input =
      definition === undefined
        ? redacted
        : redactValue(
            formats.input.decode(await this.#insist(() => this.#env.store.reads.input(id))),
            definition.settings.marks,
          );
    const isOpen = definition !== undefined && definition.settings.marks.paths.length === 0;
    const shown = (body: Uint8Array | null): unknown => (isOpen ? formats.result.decode(body) : redacted);
    const errorIn = (body: Uint8Array | null): StoredError | null =>
      body === null ? null : parseStoredError(formats.result.decode(body));
    return {
      execution: row,
      input,
      journal: journal.map(({ body, ...one }) => ({
        ...one,
        ...(one.state === "done" ? { value: shown(body) } : { error: errorIn(body) }),
      })),
      attempts: attempts.map(({ error, ...one }) => ({ ...one, error: errorIn(error) })),
      signals: signals.map(({ payload: _, ...one }) => one),
      audit,
      incidents: incidents.map(({ error, ...one }) => ({ ...one, error: errorIn(error) })),
    };
  }

  /** What needs a person. */
  async incidents(
    limit = 100,
  ): Promise<readonly (Omit<IncidentRow, "error"> & { readonly error: StoredError | null })[]> {
    await this.open();
    const rows = await this.#insist(() =>
      this.#env.store.reads.openIncidents({ namespace: this.#env.namespace, limit }),
    );
    return rows.map(({ error, ...one }) => ({
      ...one,
      error: error === null ? null : parseStoredError(this.#env.formats.result.decode(error)),
    }));
  }

  async counts(): Promise<Readonly<Record<Status, number>>> {
    await this.open();
    return this.#insist(() => this.#env.store.reads.countByStatus(this.#env.namespace));
  }

  #freshId(): string {
    return Array.from(this.#env.random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Commands and reads are idempotent: repeated while the store is away, for a while. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (!isPassing(error) || tries >= maxCommandTries || this.#closing !== undefined) throw error;
        await new Promise<void>(
          (resolve) => void this.#env.clock.after(20 * 2 ** tries * (0.5 + this.#env.random.next()), resolve),
        );
      }
    }
  }
}

/** A text that is no id names no execution; the stores are not asked. */
function checkId(id: string): void {
  if (!isUuid(id)) throw new ExecutionUnknownError(id);
}

const maxCommandTries = 7;
const closePatienceMs = 5_000;

const allowedStates: Readonly<Record<string, string>> = {
  cancel: "it is accepted before the pivot and before the end; behind it only `kill` is left",
  kill: "only one that has not ended can be killed",
  resume: "only a parked one can be resumed",
  retry: "only a parked one can be retried; use `restart` for one that has ended",
  settle: "only a parked one can be settled",
};

function stateError(command: string, executionId: string, state: string, why: string): ExecutionStateError {
  return new ExecutionStateError(`cannot ${command} execution ${executionId}: it is ${state}; ${why}`, {
    executionId,
    state,
    command,
  });
}

export interface History {
  readonly execution: ExecutionRow & { readonly state: ShownState };
  readonly input: unknown;
  readonly journal: readonly (Omit<JournalRow, "body"> & {
    readonly token: number;
    readonly value?: unknown;
    readonly error?: StoredError | null;
  })[];
  readonly attempts: readonly (Omit<AttemptRow, "error"> & { readonly error: StoredError | null })[];
  readonly signals: readonly {
    readonly signalId: string;
    readonly name: string;
    readonly at: number;
    readonly takenBy: string | null;
  }[];
  readonly audit: Awaited<ReturnType<ReadStore["history"]>>["audit"];
  readonly incidents: readonly (Omit<IncidentRow, "error"> & { readonly error: StoredError | null })[];
}

function claimedAtStart(
  execution: NewExecution,
  outcome: Extract<StartOutcome, { readonly kind: "started" }>,
): ClaimedExecution {
  return {
    id: outcome.id,
    job: execution.job,
    version: execution.version,
    key: execution.key,
    round: outcome.round,
    token: outcome.token,
    phase: "open",
    reason: null,
    cancel: null,
    inbox: 0,
    priority: execution.priority,
    group: execution.group,
    parent: execution.parent,
    root: execution.root,
    holdsSlot: false,
    traceContext: execution.traceContext,
    input: execution.input,
    createdAt: outcome.createdAt,
    deadlineAt: outcome.deadlineAt,
    deadlineInMs: outcome.deadlineAt === null ? null : outcome.deadlineAt - outcome.createdAt,
  };
}
