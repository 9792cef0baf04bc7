// What a step is told: its key, its attempt, its signal, and the headers for a remote participant's barrier.
import type { StepInfo, UndoInfo } from "../core/job.ts";
import { deriveStepKey, type KeyRole } from "../core/keys.ts";
import type { BarrierMark } from "../core/participant.ts";
import { stepHeaders } from "../core/step-headers.ts";
import type { AttemptSignal } from "./attempts.ts";
import type { Call } from "./calls.ts";
import type { Known, Run } from "./run.ts";

/** The same on every attempt of every owner; another in another round. */
export function stepKey(run: Run, call: Pick<Call, "name" | "id">, role: KeyRole): string {
  const { namespace, sha256 } = run.env;
  const { job, key, id, round } = run.claimed;
  return deriveStepKey(sha256, {
    namespace,
    job,
    businessKey: key ?? undefined,
    executionId: id,
    round,
    step: call.name,
    stepId: call.id,
    role,
  });
}

export function stepInfo(run: Run, call: Call, role: KeyRole, attempt: number, abort: AttemptSignal): StepInfo {
  return new LazyStepInfo(run, call, role, attempt, abort);
}

/** Key, signal and headers are made when somebody asks for them: most steps never do. */
class LazyStepInfo implements StepInfo {
  readonly attempt: number;
  readonly #run: Run;
  readonly #call: Call;
  readonly #role: KeyRole;
  readonly #abort: AttemptSignal;

  constructor(run: Run, call: Call, role: KeyRole, attempt: number, abort: AttemptSignal) {
    this.attempt = attempt;
    this.#run = run;
    this.#call = call;
    this.#role = role;
    this.#abort = abort;
  }

  get key(): string {
    return stepKey(this.#run, this.#call, this.#role);
  }
  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  /** A function of its own, so that it can be taken out of the object. */
  get headers(): StepInfo["headers"] {
    const { id: executionId, round } = this.#run.claimed;
    return () => stepHeaders({ executionId, step: this.#call.step, role: this.#role, round, key: this.key });
  }
}

/** `known`: what the step returned, where that is known. */
export function undoInfo(run: Run, call: Call, info: StepInfo, known: Known | undefined): UndoInfo<unknown> {
  // The union of its two outcomes is decided by `known`.
  return new LazyUndoInfo(run, call, info, known) as UndoInfo<unknown>;
}

class LazyUndoInfo implements StepInfo {
  readonly attempt: number;
  readonly outcome: UndoInfo<unknown>["outcome"];
  readonly result: unknown;
  readonly #run: Run;
  readonly #call: Call;
  readonly #info: StepInfo;

  constructor(run: Run, call: Call, info: StepInfo, known: Known | undefined) {
    this.attempt = info.attempt;
    this.outcome = known === undefined ? "unknown" : "done";
    this.result = known?.value;
    this.#run = run;
    this.#call = call;
    this.#info = info;
  }

  get key(): string {
    return this.#info.key;
  }
  get actionKey(): string {
    return stepKey(this.#run, this.#call, this.#call.role);
  }
  get signal(): AbortSignal {
    return this.#info.signal;
  }
  get headers(): StepInfo["headers"] {
    return this.#info.headers;
  }
}

/** The step's name in a participant's barrier. */
export const markOf = (run: Run, call: Pick<Call, "step">): BarrierMark => ({
  gid: run.id,
  branch: call.step,
  round: run.claimed.round,
});
