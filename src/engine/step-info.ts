// What a step is told: its key, its attempt, its signal, and the headers for a remote participant's barrier.
import type { StepInfo, UndoInfo } from "../core/job.ts";
import { deriveStepKey, type KeyRole } from "../core/keys.ts";
import type { BarrierMark } from "../core/participant.ts";
import { stepHeaders } from "../core/step-headers.ts";
import type { AttemptSignal } from "./attempts.ts";
import type { Call } from "./calls.ts";
import type { Known } from "./results.ts";
import type { Run } from "./run.ts";

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

function headersOf(run: Run, call: Call, role: KeyRole): ReturnType<StepInfo["headers"]> {
  const { id: executionId, round } = run.claimed;
  return stepHeaders({ executionId, step: call.step, role, round, key: stepKey(run, call, role) });
}

export function stepInfo(run: Run, call: Call, role: KeyRole, attempt: number, abort: AttemptSignal): StepInfo {
  return new AttemptInfo(run, call, role, attempt, abort) as AttemptInfo & StepInfo;
}

/** An attempt's info made one of an undo. `known`: what the step returned, where that is known. */
export function undoInfo(info: StepInfo, known: Known | undefined): UndoInfo<unknown> {
  const outcome = known === undefined ? { outcome: "unknown" } : { outcome: "done", result: known.value };
  return Object.assign(Object.defineProperty(info, "actionKey", AttemptInfo.actionKey), outcome) as UndoInfo<unknown>;
}

/** A property that is made when somebody asks for it. */
const lazily = (get: (this: AttemptInfo) => unknown): PropertyDescriptor => ({ get, enumerable: true });

/**
 * Key, headers and signal are made when somebody asks for them: most steps never do. They are properties of each object all
 * the same, so that a copy (`{ ...info }`) has them: a call made with the copy could take effect twice for want of its key.
 * The getters are shared, since V8 makes a new hidden class for each new one; and a closure of the object's own, which
 * V8 took for long-lived, kept the whole run alive until the next full collection (docs/decisions/0030).
 */
class AttemptInfo {
  static readonly #key = lazily(function () {
    return stepKey(this.#run, this.#call, this.#role);
  });
  static readonly #headers = lazily(function () {
    return () => headersOf(this.#run, this.#call, this.#role);
  });
  static readonly #signal = lazily(function () {
    return this.#abort.signal;
  });
  static readonly actionKey = lazily(function () {
    return stepKey(this.#run, this.#call, this.#call.role);
  });

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
    // One by one: `defineProperties` takes twice the time.
    Object.defineProperty(this, "key", AttemptInfo.#key);
    Object.defineProperty(this, "headers", AttemptInfo.#headers);
    Object.defineProperty(this, "signal", AttemptInfo.#signal);
  }
}

/** The step's name in a participant's barrier. */
export const markOf = (run: Run, call: Pick<Call, "step">): BarrierMark => ({
  gid: run.id,
  branch: call.step,
  round: run.claimed.round,
});
