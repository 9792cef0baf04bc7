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

/**
 * Key and signal are made when somebody asks for them: most steps never do. They are properties of the object itself and not
 * of a class, so that a copy (`{ ...info }`) has them: without its key, a call to the outside could take effect twice.
 */
export function stepInfo(run: Run, call: Call, role: KeyRole, attempt: number, abort: AttemptSignal): StepInfo {
  return {
    get key() {
      return stepKey(run, call, role);
    },
    attempt,
    get signal() {
      return abort.signal;
    },
    headers() {
      const { id: executionId, round } = run.claimed;
      return stepHeaders({ executionId, step: call.step, role, round, key: stepKey(run, call, role) });
    },
  };
}

/** `known`: what the step returned, where that is known. */
export function undoInfo(run: Run, call: Call, info: StepInfo, known: Known | undefined): UndoInfo<unknown> {
  return {
    get key() {
      return info.key;
    },
    get actionKey() {
      return stepKey(run, call, call.role);
    },
    attempt: info.attempt,
    get signal() {
      return info.signal;
    },
    headers: info.headers,
    ...(known === undefined ? { outcome: "unknown" } : { outcome: "done", result: known.value }),
  };
}

/** The step's name in a participant's barrier. */
export const markOf = (run: Run, call: Pick<Call, "step">): BarrierMark => ({
  gid: run.id,
  branch: call.step,
  round: run.claimed.round,
});
