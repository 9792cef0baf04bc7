// Waiting for an execution to end, and what callers are told of it.
import { CatalogError, ExecutionNotSuccessfulError, ExecutionUnknownError, type StoredError } from "../core/errors.ts";
import { isTerminal, shownState } from "../core/execution.ts";
import type { Execution, Outcome } from "../core/job.ts";
import type { NewExecution } from "../core/store.ts";
import { parseStoredError, toStoredError } from "../core/stored-error.ts";
import type { Ending } from "./engagements.ts";
import { checkId, type Session } from "./session.ts";

const firstPauseMs = 10;
const maxPauseMs = 1_000;

export class Handles {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  handle<R>(id: string, round: number, isNew: boolean): Execution<R> {
    return {
      id,
      round,
      isNew,
      result: async (options) => {
        const ending = await this.#wait(id, false, options?.signal);
        if (ending.status === "completed") return this.#session.env.formats.result.decode(ending.result) as R;
        throw new ExecutionNotSuccessfulError(id, shownState(ending), this.#errorOf(ending));
      },
      outcome: async (options) => this.#outcome<R>(await this.#wait(id, true, options?.signal)),
    };
  }

  /** Of an execution that is on its way through an outbox: waits for its arrival first; for ever, where its transaction rolled back. */
  arriving<R>(execution: NewExecution): Execution<R> {
    const arrived = async (signal: AbortSignal | undefined): Promise<Execution<R>> =>
      this.handle<R>(await this.#arrival(execution, signal), 0, true);
    return {
      id: execution.id,
      round: execution.replacesRound === null ? 0 : execution.replacesRound + 1,
      isNew: true,
      result: async (options) => (await arrived(options?.signal)).result(options),
      outcome: async (options) => (await arrived(options?.signal)).outcome(options),
    };
  }

  /** Its id, or that of the execution which took its key meanwhile. */
  async #arrival(execution: NewExecution, signal: AbortSignal | undefined): Promise<string> {
    const { reads } = this.#session.env.store;
    const { id, namespace, job, key, replacesRound } = execution;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 1.5)) {
      signal?.throwIfAborted();
      const find = async (): Promise<string | null> => {
        if ((await reads.outcomes([id])).has(id)) return id;
        const newest = key === null ? null : await reads.findByKey({ namespace, job, key });
        return newest !== null && newest.round > (replacesRound ?? -1) ? newest.id : null;
      };
      const found = await this.#session.insist(find, Number.POSITIVE_INFINITY);
      if (found !== null) return found;
      await new Promise<void>((resolve) => void this.#session.env.clock.after(pauseMs, resolve));
    }
  }

  /** What this process runs is not asked for: its end is handed over. */
  #wait(id: string, alsoParked: boolean, signal: AbortSignal | undefined): Promise<Ending> {
    return this.#session.worker.isHeld(id) && signal === undefined
      ? this.#ending(id, alsoParked, signal)
      : this.#look(id, alsoParked, signal);
  }

  async #look(id: string, alsoParked: boolean, signal: AbortSignal | undefined): Promise<Ending> {
    checkId(id);
    await this.#session.open();
    signal?.throwIfAborted();
    if (!this.#session.worker.isHeld(id)) {
      const ask = () => this.#session.env.store.reads.outcomes([id]);
      const known = (await this.#session.insist(ask, Number.POSITIVE_INFINITY)).get(id);
      if (known === undefined) throw new ExecutionUnknownError(id);
      if (isTerminal(known.status) || (alsoParked && known.status === "parked")) return known;
    }
    signal?.throwIfAborted();
    return this.#ending(id, alsoParked, signal);
  }

  async #ending(id: string, alsoParked: boolean, signal: AbortSignal | undefined): Promise<Ending> {
    const found = await this.#session.env.engagements.wait(id, alsoParked, signal);
    if (found === null) throw new ExecutionUnknownError(id);
    return found;
  }

  #outcome<R>(ending: Ending): Outcome<R> {
    const state = shownState(ending);
    switch (state) {
      case "completed":
        return { state, result: this.#session.env.formats.result.decode(ending.result) as R };
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
    return ending.error === null ? null : parseStoredError(this.#session.env.formats.result.decode(ending.error));
  }
}
