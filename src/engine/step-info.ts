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
  return new AttemptInfo(run, call, role, attempt, abort) as AttemptInfo & StepInfo;
}

/** An attempt's info made one of an undo. `known`: what the step returned, where that is known. */
export function undoInfo(info: StepInfo, known: Known | undefined): UndoInfo<unknown> {
  const outcome = known === undefined ? { outcome: "unknown" } : { outcome: "done", result: known.value };
  return Object.assign(Object.defineProperty(info, "actionKey", AttemptInfo.actionKey), outcome) as UndoInfo<unknown>;
}

/**
 * Key and signal are made when somebody asks for them: most steps never do. They are properties of each object all the same,
 * so that a copy (`{ ...info }`) has them: a call made with the copy could take effect twice for want of its key. The getters
 * are shared, since V8 makes a new hidden class for each new one (a 3-step job: 25 against 15 to 18 µs, Node 24.21).
 */
class AttemptInfo {
  static readonly #lazily: PropertyDescriptorMap & ThisType<AttemptInfo> = {
    key: {
      get() {
        return stepKey(this.#run, this.#call, this.#role);
      },
      enumerable: true,
    },
    signal: {
      get() {
        return this.#abort.signal;
      },
      enumerable: true,
    },
  };

  static readonly actionKey: PropertyDescriptor & ThisType<AttemptInfo> = {
    get() {
      return stepKey(this.#run, this.#call, this.#call.role);
    },
    enumerable: true,
  };

  readonly attempt: number;
  readonly headers: StepInfo["headers"];
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
    this.headers = () => {
      const { id: executionId, round } = run.claimed;
      return stepHeaders({ executionId, step: call.step, role, round, key: stepKey(run, call, role) });
    };
    Object.defineProperties(this, AttemptInfo.#lazily);
  }
}

/** The step's name in a participant's barrier. */
export const markOf = (run: Run, call: Pick<Call, "step">): BarrierMark => ({
  gid: run.id,
  branch: call.step,
  round: run.claimed.round,
});
