// The entry class: what a program holds in its hand. It delegates, and decides nothing.
import { type Duration, toMs } from "../core/duration.ts";
import { OptionError } from "../core/errors.ts";
import type { Status } from "../core/execution.ts";
import type { AnyJob, Execution, Job, Signal, StepName } from "../core/job.ts";
import { checkOptions } from "../core/options.ts";
import type { MessageConsumers, MessageRelays } from "../core/outbox.ts";
import type { Participant } from "../core/participant.ts";
import { schedulesChanged } from "../core/schedule-store.ts";
import type { Script } from "../core/script.ts";
import { type CommandOptions, Commands, type SignalOptions, type StepVerdict, type Verdict } from "./commands.ts";
import { Consumers } from "./consumers.ts";
import type { Env, JobLine } from "./env.ts";
import { arrivalJobOf } from "./follow/arrival.ts";
import { Handles } from "./handles.ts";
import { Messages } from "./messages.ts";
import { type History, type ListRequest, Reader, type ShownIncident, type ShownRow } from "./reader.ts";
import { Reconciler } from "./reconcile.ts";
import { Schedules } from "./schedules.ts";
import { type Companion, Session } from "./session.ts";
import { type LogLine, type LogRequest, type ShownExecution, ShownExecutions } from "./shown-executions.ts";
import { Starter, type StartOptions } from "./starter.ts";
import type { Worker } from "./worker.ts";

export class App {
  readonly #session: Session;
  readonly #handles: Handles;
  readonly #starter: Starter;
  readonly #reader: Reader;
  readonly #commands: Commands;
  readonly #shown: ShownExecutions;
  readonly #participants: readonly Participant<unknown>[];

  /** Schedules made by people and programs; those declared in code are among them. */
  readonly schedules: Schedules;

  /** Messages in the outboxes of the participants named to `makegood()`. */
  readonly messages: Messages;

  /** Made by `makegood()`. */
  constructor(
    env: Env,
    worker: Worker,
    participants: readonly Participant<unknown>[],
    makeRelays: (consumers: MessageConsumers) => MessageRelays,
    makeScheduler: (session: Session, reconcile: () => Promise<void>) => Companion,
  ) {
    env.engagements.isHeld = (id) => worker.isHeld(id);
    this.#session = new Session(env, worker);
    this.#handles = new Handles(this.#session);
    this.#starter = new Starter(this.#session, this.#handles, (port) => participants.some((one) => one.port === port));
    this.#reader = new Reader(this.#session);
    this.#shown = new ShownExecutions(this.#session, this.#reader);
    this.#commands = new Commands(this.#session, this.#starter, this.#reader);
    this.#participants = checkNames(participants);
    const consumers = new Consumers(this.#session, this.#starter);
    this.messages = new Messages(this.#session, this.#commands, consumers, this.#participants);
    this.#session.accompany(makeRelays(consumers));
    const reconciler = new Reconciler(this.#session);
    const scheduler = makeScheduler(this.#session, () => reconciler.run());
    this.#session.accompany(scheduler);
    this.schedules = new Schedules(this.#session, this.#handles, () => {
      scheduler.poke();
      env.store.announce(env.namespace, schedulesChanged);
    });
  }

  // ── Jobs and work ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes jobs known to this process. Throws JOB_DUPLICATE. */
  register(...jobs: readonly AnyJob[]): void {
    const { registry } = this.#session.env;
    for (const job of jobs) registry.add(job);
    for (const definition of registry.newest()) {
      const arrival = arrivalJobOf(definition);
      if (arrival !== null && registry.newestOf(arrival.name) === undefined) registry.add(arrival);
    }
    this.#session.registered();
  }

  /** Those that were registered here, but for makegood's own; of each its newest version. */
  get jobs(): readonly AnyJob[] {
    const all = this.#session.env.registry.newest().map(({ job }) => job);
    return all.filter(({ name }) => !name.startsWith("makegood."));
  }

  /** Opens the store. Called by every other method when needed; call it to see errors of set-up early. */
  open(): Promise<void> {
    return this.#session.open();
  }

  /** Brings the tables of the store and of every participant named to `makegood()` up to date. Safe twice, and from several processes. */
  async migrate(): Promise<void> {
    await this.#session.env.store.migrate();
    for (const participant of this.#participants) await participant.migrate();
  }

  /** This process now works: claims and runs executions of the registered jobs. Resolves when it has begun; safe twice. */
  run(): Promise<void> {
    return this.#session.run();
  }

  /**
   * Stops claiming, lets running executions end for `grace` (default 10 s), gives the rest back unspent, closes the store.
   * Resolves at the latest 5 s after the grace, also when the database does not answer. Safe twice.
   */
  stop(options: { readonly grace?: Duration; readonly graceMs?: number } = {}): Promise<void> {
    checkOptions(options, ["grace", "graceMs"], "stop");
    return this.#session.stop(options.graceMs ?? toMs(options.grace ?? "10s", "grace"));
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
  start<I, O, R, Tx = never>(job: Job<I, O, R>, input: I, options: StartOptions<Tx> = {}): Promise<Execution<R>> {
    return this.#starter.start(job, input, options);
  }

  /** For `machine.drive`: resolves to what starts a job by a script, in a transaction of this participant's. */
  // biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type and mode
  startScripts(participant: Participant<any, any>): Promise<(job: AnyJob, input: unknown) => Script<void>> {
    return this.#starter.startScripts(participant);
  }

  /** To wait for an execution that is known by its id. */
  execution<R = unknown>(id: string): Pick<Execution<R>, "id" | "result" | "outcome"> {
    return this.#handles.handle<R>(id, 0, false);
  }

  // ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Delivers a message to `ctx.waitFor`, once per signal id; kept until a wait takes it. Throws INPUT_INVALID, and SIGNAL_REFUSED when the execution has ended. */
  signal<I>(
    id: string,
    to: Signal<I, unknown>,
    payload: NoInfer<I>,
    options: SignalOptions = {},
  ): Promise<{ readonly isNew: boolean }> {
    return this.#commands.signal(id, to, payload, options);
  }

  /** Turns it back through compensation, children first. Throws EXECUTION_STATE from the pivot on: too late. */
  cancel(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#commands.cancel(id, options);
  }

  /** Ends it at once, without undoing anything. Loud: opens an incident. Throws EXECUTION_STATE when it has ended. */
  kill(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#commands.kill(id, options);
  }

  /** Lets a parked execution go on, for example after the code that fits was deployed. Throws EXECUTION_STATE. */
  resume(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#commands.resume(id, options);
  }

  /** Like `resume`, with fresh attempts and windows for the step or compensation that used its own up. Throws EXECUTION_STATE. */
  retry(id: string, options: CommandOptions = {}): Promise<void> {
    return this.#commands.retry(id, options);
  }

  /**
   * Starts a new round of an execution that ended without success, with the input it had; every step runs again under new keys.
   * Throws EXECUTION_STATE when it completed or has not ended.
   */
  restart<R = unknown>(id: string, options: CommandOptions = {}): Promise<Execution<R>> {
    return this.#commands.restart<R>(id, options);
  }

  /** A person states how one step of a parked execution ended; then `resume` it. The row bears the actor. Throws EXECUTION_STATE. */
  settleStep(id: string, step: StepName, as: StepVerdict, options: CommandOptions = {}): Promise<void> {
    return this.#commands.settleStep(id, step, as, options);
  }

  /** A person ends a parked execution by word, having put its effects right. Throws EXECUTION_STATE. */
  settle(id: string, as: Verdict, options: CommandOptions = {}): Promise<void> {
    return this.#commands.settle(id, as, options);
  }

  /** Hands `listener` every line that jobs write to `ctx.log` in this process, as long as the returned function is not called. It must not throw. */
  onLog(listener: (line: JobLine) => void): () => void {
    const { logListeners } = this.#session.env;
    logListeners.add(listener);
    return () => void logListeners.delete(listener);
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  find(id: string): Promise<ShownRow | null> {
    return this.#reader.find(id);
  }

  /** Newest first. */
  list(request: ListRequest = {}): Promise<readonly ShownRow[]> {
    return this.#reader.list(request);
  }

  /** Newest first, one line each: with attempt, executor, times, and what it came to. */
  executions(request: ListRequest = {}): Promise<readonly ShownExecution[]> {
    return this.#shown.list(request);
  }

  /** What happened to an execution, and what its executors wrote, line by line; with `search` only lines that hold that text. Throws EXECUTION_UNKNOWN, OPTION_INVALID. */
  log(id: string, request: LogRequest = {}): Promise<readonly LogLine[]> {
    return this.#shown.log(id, request);
  }

  /** What happened, in order, for people: marked places are taken out; without the job's definition here no values are shown at all. */
  history(id: string): Promise<History> {
    return this.#reader.history(id);
  }

  /** What needs a person. */
  incidents(limit = 100): Promise<readonly ShownIncident[]> {
    return this.#reader.incidents(limit);
  }

  counts(): Promise<Readonly<Record<Status, number>>> {
    return this.#reader.counts();
  }
}

function checkNames(participants: readonly Participant<unknown>[]): readonly Participant<unknown>[] {
  const names = participants.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return participants;
  throw new OptionError("participants", `participants: expected each name once, found ${JSON.stringify(twice)} twice`);
}
