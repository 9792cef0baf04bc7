// Commands from people and programs, each with its actor in the audit.
import { CatalogError, ExecutionStateError, ExecutionUnknownError } from "../core/errors.ts";
import { isTerminal } from "../core/execution.ts";
import type { Execution, Signal, StepName } from "../core/job.ts";
import type { Role } from "../core/journal.ts";
import { validateStepName } from "../core/keys.ts";
import { checkOptions } from "../core/options.ts";
import type { Actor } from "../core/ports.ts";
import { validateInput } from "../core/schema.ts";
import type { CommandOutcome } from "../core/store.ts";
import { toStoredError } from "../core/stored-error.ts";
import type { Reader } from "./reader.ts";
import { checkId, type Session } from "./session.ts";
import type { Starter } from "./starter.ts";

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

/** How one step ended, by a person's word. */
export interface StepVerdict {
  /** Default `action`. */
  readonly role?: Exclude<Role, "due">;
  readonly outcome: "done" | "refused";
  /** What the step would have returned. */
  readonly value?: unknown;
  readonly error?: string;
}

/** How an execution ended, by a person's word. */
export type Verdict =
  | { readonly outcome: "completed"; readonly result?: unknown }
  | { readonly outcome: "compensated"; readonly error?: string };

export const defaultActor: Actor = { kind: "system", id: "app" };

export class Commands {
  readonly #session: Session;
  readonly #starter: Starter;
  readonly #reader: Reader;

  constructor(session: Session, starter: Starter, reader: Reader) {
    this.#session = session;
    this.#starter = starter;
    this.#reader = reader;
  }

  /** Delivers a message to `ctx.waitFor`, once per signal id; kept until a wait takes it. Throws SIGNAL_REFUSED when the execution has ended. */
  async signal<I>(
    id: string,
    to: Signal<I, unknown>,
    payload: NoInfer<I>,
    options: SignalOptions = {},
  ): Promise<{ readonly isNew: boolean }> {
    checkOptions(options, ["signalId", "actor"], "signal");
    checkId(id);
    await this.#session.open();
    if (to.schema !== null) {
      const checked = await validateInput(to.schema, payload, {
        what: `signal ${to.name}`,
      });
      if (!checked.ok) throw checked.error;
    }
    const bytes = this.#session.env.formats.signal.store(payload, "payload").bytes;
    const signalId = options.signalId ?? this.#freshId();
    const outcome = await this.#session.insist(() =>
      this.#session.env.store.commands.signal({
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
    this.#session.worker.newsFor(id);
    return { isNew: outcome.kind === "accepted" };
  }

  /** Turns it back through compensation, children first. Throws EXECUTION_STATE from the pivot on: too late. */
  async cancel(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("cancel", id, options, (actor, note) =>
      this.#session.env.store.commands.cancel({ id, reason: "canceled", actor, note }),
    );
    this.#session.worker.newsFor(id);
  }

  /** Ends it at once, without undoing anything. Loud: opens an incident. */
  async kill(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("kill", id, options, (actor, note) =>
      this.#session.env.store.commands.kill({ id, actor, note }),
    );
    this.#session.worker.lost(id);
    this.#session.worker.newsFor(id);
  }

  /** Lets a parked execution go on, for example after the code that fits was deployed. */
  async resume(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("resume", id, options, (actor, note) =>
      this.#session.env.store.commands.resume({ id, resetAttempts: false, actor, note }),
    );
    this.#session.announce();
  }

  /** Like `resume`, with fresh attempts and windows for the step or compensation that used its own up. */
  async retry(id: string, options: CommandOptions = {}): Promise<void> {
    await this.#command("retry", id, options, (actor, note) =>
      this.#session.env.store.commands.resume({ id, resetAttempts: true, actor, note }),
    );
    this.#session.announce();
  }

  /**
   * Starts a new round of an execution that ended without success, with the input it had; every step runs again under new keys.
   * Throws EXECUTION_STATE when it completed or has not ended.
   */
  async restart<R = unknown>(id: string, options: CommandOptions = {}): Promise<Execution<R>> {
    checkId(id);
    await this.#session.open();
    const row = await this.#session.insist(() => this.#session.env.store.reads.find(id));
    if (row === null) throw new ExecutionUnknownError(id);
    if (!isTerminal(row.status) || row.status === "completed")
      throw stateError("restart", id, row.status, "only one that ended without success can be restarted");
    const definition = this.#session.env.registry.find(row.job, row.version);
    if (definition === undefined)
      throw new CatalogError(
        "JOB_UNKNOWN",
        `expected job ${row.job} version ${row.version} to be registered here, found none. Restart it where it is registered`,
        { job: row.job, version: row.version },
      );
    const input = this.#session.env.formats.input.decode(
      await this.#session.insist(() => this.#session.env.store.reads.input(id)),
    );
    const actor = options.actor ?? defaultActor;
    const { job } = definition;
    return (await (row.key === null
      ? this.#starter.start(job, input, { actor })
      : this.#starter.restart(job, input, row, actor))) as Execution<R>;
  }

  /** A person states how one step of a parked execution ended; then `resume` it. The row bears the actor. */
  async settleStep(id: string, step: StepName, as: StepVerdict, options: CommandOptions = {}): Promise<void> {
    checkOptions(as, ["role", "outcome", "value", "error"], "settleStep");
    const { text } = validateStepName(step);
    const role = as.role ?? "action";
    const history = await this.#reader.history(id);
    const known = history.journal.find((row) => row.step === text) ?? history.attempts.find((row) => row.step === text);
    const kind = known !== undefined && "kind" in known ? known.kind : "step";
    const body =
      as.outcome === "done"
        ? this.#session.env.formats.result.store(as.value, "value").bytes
        : this.#session.env.formats.result.encode(
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
      this.#session.env.store.commands.settleStep({ id, row, actor, note }),
    );
  }

  /** A person ends a parked execution by word, having put its effects right. */
  async settle(id: string, as: Verdict, options: CommandOptions = {}): Promise<void> {
    const result =
      as.outcome === "completed" ? this.#session.env.formats.result.store(as.result, "result").bytes : null;
    const error =
      as.outcome === "compensated"
        ? this.#session.env.formats.result.encode(
            toStoredError(new CatalogError("DISCARDED", as.error ?? "settled by hand", {})),
            "error",
          )
        : null;
    await this.#command("settle", id, options, (actor, note) =>
      this.#session.env.store.commands.settle({ id, as: as.outcome, result, error, actor, note }),
    );
    this.#session.worker.newsFor(id);
  }

  async #command(
    verb: string,
    id: string,
    options: CommandOptions,
    send: (actor: Actor, note: string | null) => Promise<CommandOutcome>,
  ): Promise<void> {
    checkOptions(options, ["actor", "note"], verb);
    checkId(id);
    await this.#session.open();
    const outcome = await this.#session.insist(() => send(options.actor ?? defaultActor, options.note ?? null));
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

  #freshId(): string {
    return Array.from(this.#session.env.random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

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
