// Starting: one execution per key and round, already claimed where this process has room.
import type { Duration } from "../core/duration.ts";
import { InvariantError, KeyExistsError, KeyInputMismatchError, OptionError } from "../core/errors.ts";
import { isTerminal, type Status } from "../core/execution.ts";
import type { AnyJob, Execution, Job } from "../core/job.ts";
import { checkOptions } from "../core/options.ts";
import type { StartedExecution } from "../core/outbox.ts";
import type { Participant, ParticipantPort } from "../core/participant.ts";
import type { Actor } from "../core/ports.ts";
import { toInstant } from "../core/schedule/instant.ts";
import { zoneOf } from "../core/schedule/zone.ts";
import type { Script } from "../core/script.ts";
import type { ClaimedExecution, ExecutionRow, NewExecution, StartOutcome } from "../core/store.ts";
import { defaultActor } from "./commands.ts";
import type { Handles } from "./handles.ts";
import { type Preparation, prepare } from "./prepare.ts";
import type { Session } from "./session.ts";
import { startMessage } from "./start-message.ts";

// biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
export type InTransaction<Tx> = readonly [participant: Participant<Tx, any>, tx: Tx];

/** What an existing key answers. */
export type IfExists = "return" | "restart-failed" | "refuse";

export interface StartOptions<Tx = never> {
  /**
   * Starts it inside this transaction: it exists if and only if that commits, and is not claimed before. In another database
   * than the engine's it goes through that participant's outbox, and exists a moment after the commit.
   */
  readonly in?: InTransaction<Tx>;
  /**
   * What an existing key answers. `return` (default): the newest round, whatever became of it. `restart-failed`: a new
   * round if the newest ended without success. `refuse`: throws KEY_EXISTS.
   */
  readonly ifExists?: IfExists;
  readonly delay?: Duration;
  /** 0 (first) … 9. */
  readonly priority?: number;
  /** W3C traceparent, kept with the execution and handed to its children. */
  readonly traceContext?: string;
  /**
   * What the fire of another scheduler was planned for: the job's `ctx.scheduledAt`. 1970 … 2199, default none. An execution
   * that exists keeps its own.
   */
  readonly scheduledAt?: Date;
  readonly actor?: Actor;
}

const startKeys = ["in", "ifExists", "delay", "priority", "traceContext", "scheduledAt", "actor"] as const;
const maxRestartTries = 5;

export class Starter {
  readonly #session: Session;
  readonly #handles: Handles;

  readonly #hasRelay: (port: ParticipantPort) => boolean;

  /** @param hasRelay whether what is started in a participant's outbox gets here. */
  constructor(session: Session, handles: Handles, hasRelay: (port: ParticipantPort) => boolean) {
    this.#session = session;
    this.#handles = handles;
    this.#hasRelay = hasRelay;
  }

  /**
   * Starts an execution, or answers the one that has its key. Resolves after commit: from then on it survives any crash.
   *
   * Throws INPUT_INVALID, KEY_INVALID, KEY_INPUT_MISMATCH (same key, another input), KEY_EXISTS (`ifExists: "refuse"`),
   * OPTION_INVALID. Called again after an unknown outcome it answers the first one, if the job has a key.
   */
  start<I, O, R, Tx = never>(job: Job<I, O, R>, input: I, options: StartOptions<Tx> = {}): Promise<Execution<R>> {
    return this.#start(job, input, options, {});
  }

  /** A new round of a key: the job's own, or made of the message or the fire that started it. */
  restart(job: AnyJob, input: unknown, of: ExecutionRow, actor: Actor): Promise<Execution<unknown>> {
    const { key, schedule, scheduledAt: at } = of;
    const scheduled = schedule === null && at === null ? undefined : { schedule, at };
    return this.#start(job, input, { ifExists: "restart-failed", actor }, { ownKey: key, scheduled });
  }

  async #start<I, O, R, Tx>(
    job: Job<I, O, R>,
    input: I,
    options: StartOptions<Tx>,
    of: Pick<Preparation, "ownKey" | "scheduled">,
  ): Promise<Execution<R>> {
    checkOptions(options, startKeys, "start");
    await this.#session.open();
    const { delay, priority, traceContext, scheduledAt, actor = defaultActor } = options;
    const how = { delay, priority, traceContext, actor, ...plannedFor(scheduledAt), ...of };
    if (options.in !== undefined && !(await this.#isOwn(options.in)))
      return this.#startAfar(options.in, await prepare(this.#session.env, job, input, how), options.ifExists);
    const claimFor = options.in === undefined ? this.#reserve : undefined;
    const execution = await prepare(this.#session.env, job, input, { ...how, claimFor });
    const outcome =
      options.in === undefined ? await this.#startHere(execution) : await this.#startIn(options.in, execution);
    return outcome.id === execution.id
      ? this.#handles.handle<R>(outcome.id, outcome.round, true)
      : this.#answer<R, Tx>(execution, outcome, options);
  }

  /**
   * Starts an execution for a message, or finds the one that an earlier delivery started. `key` is for a job without one of
   * its own. Throws as `start`.
   */
  async startOnce(
    job: AnyJob,
    input: unknown,
    how: Omit<Preparation, "claimFor" | "parent">,
  ): Promise<StartedExecution> {
    const execution = await prepare(this.#session.env, job, input, { ...how, claimFor: this.#reserve });
    const outcome = await this.#startHere(execution);
    refuseOtherInput(execution, outcome);
    return { id: outcome.id, job: execution.job, key: execution.key };
  }

  /** Inserts an execution that was prepared elsewhere. Called again it finds it by its id or key. */
  async insert(prepared: NewExecution, ifExists: IfExists | undefined): Promise<StartedExecution> {
    const isPlain = prepared.delayMs === 0 && prepared.concurrencyKey === null;
    const execution = { ...prepared, claimFor: isPlain ? this.#reserve(prepared.job, prepared.version) : null };
    const outcome = await this.#startHere(execution);
    if (outcome.id !== execution.id && ifExists === "refuse")
      throw new KeyExistsError({ job: execution.job, key: execution.key ?? "", executionId: outcome.id });
    refuseOtherInput(execution, outcome);
    return { id: outcome.id, job: execution.job, key: execution.key };
  }

  readonly #reserve = (job: string, version: number): string | null =>
    this.#session.isRunning ? this.#session.worker.reserve(job, version) : null;

  /** Gives back the room that was reserved for it: from here on it is held, or somebody else's. */
  async #startHere(execution: NewExecution): Promise<StartOutcome> {
    try {
      const outcome = await this.#session.env.journal.start(execution);
      if (outcome.kind === "started" && outcome.status === "running")
        this.#session.worker.run(claimedAtStart(execution, outcome));
      else if (outcome.kind === "started") this.#session.announce(execution.delayMs, outcome.isAnnounced);
      return outcome;
    } finally {
      if (execution.claimFor !== null) this.#session.worker.unreserve();
    }
  }

  /**
   * For callers that cannot await inside their transaction: resolves to what makes the script that starts a job there, of
   * jobs without a schema. Throws OPTION_INVALID for a participant in another database that `makegood()` was not told of.
   */
  async startScripts<Tx>(participant: InTransaction<Tx>[0]): Promise<(job: AnyJob, input: unknown) => Script<void>> {
    await this.#session.open();
    const isOwn = await this.#session.env.isOwn(participant.port);
    if (!isOwn) this.#demandRelay(participant);
    return (job, input) => (isOwn ? this.#startScript(job, input) : this.#startAfarScript(participant, job, input));
  }

  *#startScript(job: AnyJob, input: unknown): Script<void> {
    yield* this.#session.env.store.own.startScript(this.#prepareAtOnce(job, input));
    this.#session.announce();
  }

  /** Nobody is asked whether the key is known: where it is, the relay finds the execution that has it. */
  *#startAfarScript<Tx>({ port }: InTransaction<Tx>[0], job: AnyJob, input: unknown): Script<void> {
    yield* port.outbox.insertScript(startMessage(this.#session.env, this.#prepareAtOnce(job, input), undefined));
  }

  #prepareAtOnce(job: AnyJob, input: unknown): NewExecution {
    const execution = prepare(this.#session.env, job, input, { actor: defaultActor });
    if (!("then" in execution)) return execution;
    throw new InvariantError(`Expected a job without a schema, found ${job.name}, which has to be awaited`);
  }

  #isOwn<Tx>([participant, tx]: InTransaction<Tx>): Promise<boolean> {
    return this.#session.env.isOwn(participant.port, (script) => participant.runIn(tx, script));
  }

  async #startIn<Tx>([participant, tx]: InTransaction<Tx>, execution: NewExecution): Promise<StartOutcome> {
    const outcome = await participant.runIn(tx, this.#session.env.store.own.startScript(execution));
    // Before the commit nobody may run it, and nobody here learns of the commit: the poll finds it, and an early look does no harm.
    this.#session.announce();
    return outcome;
  }

  /** Another database: the execution goes into its outbox, and a relay brings it here after the commit. */
  async #startAfar<R, Tx>(
    [participant, tx]: InTransaction<Tx>,
    prepared: NewExecution,
    ifExists: IfExists | undefined,
  ): Promise<Execution<R>> {
    this.#demandRelay(participant);
    const known = await this.#findByKey(prepared);
    if (known !== null && !mayRestart(known, ifExists)) {
      refuseOtherInput(prepared, known);
      if (ifExists === "refuse")
        throw new KeyExistsError({ job: prepared.job, key: prepared.key ?? "", executionId: known.id });
      return this.#handles.handle<R>(known.id, known.round, false);
    }
    const execution = known === null ? prepared : { ...prepared, replacesRound: known.round };
    await participant.runIn(
      tx,
      participant.port.outbox.insertScript(startMessage(this.#session.env, execution, ifExists)),
    );
    return this.#handles.arriving<R>(execution);
  }

  #demandRelay<Tx>({ name, port }: InTransaction<Tx>[0]): void {
    if (this.#hasRelay(port)) return;
    throw new OptionError(
      "in",
      `start in ${name}: expected a participant that makegood({ participants: […] }) names, found another. Name it there, since its outbox brings the start to the engine`,
    );
  }

  async #findByKey({ namespace, job, key }: NewExecution): Promise<Extract<StartOutcome, { kind: "exists" }> | null> {
    if (key === null) return null;
    const { reads } = this.#session.env.store;
    const found = await this.#session.insist(() => reads.findByKey({ namespace, job, key }));
    return found === null ? null : { kind: "exists", ...found };
  }

  async #answer<R, Tx>(execution: NewExecution, first: StartOutcome, options: StartOptions<Tx>): Promise<Execution<R>> {
    let outcome = first;
    for (let tries = 0; outcome.kind === "exists" && outcome.id !== execution.id; tries++) {
      const { id, round } = outcome;
      const key = execution.key ?? "";
      if (options.ifExists === "refuse") throw new KeyExistsError({ job: execution.job, key, executionId: id });
      refuseOtherInput(execution, outcome);
      if (!mayRestart(outcome, options.ifExists) || tries >= maxRestartTries)
        return this.#handles.handle<R>(id, round, false);
      const claimFor = execution.claimFor === null ? null : this.#reserve(execution.job, execution.version);
      const next = { ...execution, replacesRound: round, claimFor };
      outcome = options.in === undefined ? await this.#startHere(next) : await this.#startIn(options.in, next);
    }
    return this.#handles.handle<R>(outcome.id, outcome.round, true);
  }
}

function plannedFor(scheduledAt: Date | undefined): Pick<Preparation, "scheduled"> {
  if (scheduledAt === undefined) return {};
  return { scheduled: { schedule: null, at: toInstant(scheduledAt, zoneOf("UTC"), "start.scheduledAt") } };
}

/** Throws KEY_INPUT_MISMATCH. */
function refuseOtherInput(execution: NewExecution, outcome: StartOutcome): void {
  if (outcome.kind !== "exists" || outcome.id === execution.id) return;
  const { fingerprint } = outcome;
  if (fingerprint === null || fingerprint === execution.fingerprint) return;
  const { job, key } = execution;
  throw new KeyInputMismatchError({ job, key: key ?? "", recorded: fingerprint, given: execution.fingerprint ?? "" });
}

function mayRestart({ status }: { readonly status: Status }, ifExists: IfExists | undefined): boolean {
  return ifExists === "restart-failed" && isTerminal(status) && status !== "completed";
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
    scheduledAt: execution.scheduled?.at ?? null,
  };
}
