// What a step is told: its key, its attempt, its signal, and the headers for a remote participant's barrier.
import type { StepInfo } from "../core/job.ts";
import { deriveStepKey, type KeyRole } from "../core/keys.ts";
import type { BarrierMark } from "../core/participant.ts";
import { stepHeaders } from "../core/step-headers.ts";
import type { AttemptSignal } from "./attempts.ts";
import type { Call } from "./calls.ts";
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

/** Key and signal are made when somebody asks for them: most steps never do. */
export function stepInfo(run: Run, call: Call, role: KeyRole, attempt: number, abort: AttemptSignal): StepInfo {
  const { id: executionId, round } = run.claimed;
  const keyOf = (): string => stepKey(run, call, role);
  return {
    get key() {
      return keyOf();
    },
    attempt,
    get signal() {
      return abort.signal;
    },
    headers: () => stepHeaders({ executionId, step: call.step, role, round, key: keyOf() }),
  };
}

/** The step's name in a participant's barrier. */
export const markOf = (run: Run, call: Pick<Call, "step">): BarrierMark => ({
  gid: run.id,
  branch: call.step,
  round: run.claimed.round,
});
