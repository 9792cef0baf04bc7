// What follows when the job's function has ended.

import { isCodedError } from "../core/errors.ts";
import { reservedSteps } from "../core/journal.ts";
import { decideAfterFailure } from "../core/retry.ts";
import { confirmBranches } from "./confirm.ts";
import { complete } from "./endings.ts";
import type { Run } from "./run.ts";

/** The function threw by itself (a step's final failure is not delivered to it): again by the job's policy, or back. */
export async function afterThrow(run: Run, thrown: unknown): Promise<void> {
  await run.calm();
  if (!run.isForward) return;
  const error = run.storedError(thrown);
  const { retriesFunction, onFailure } = run.definition.settings;
  if (retriesFunction) {
    const step = reservedSteps.function;
    const attempt = run.ledger.attemptsOf(step, "action").length + 1;
    const now = run.env.clock.now();
    const next = decideAfterFailure(run.retry, { attempt, error, random: run.env.random.next(), nowMs: now });
    if (next.kind === "retry") {
      run.noteAttempt({
        step,
        role: "action",
        attempt,
        at: now,
        nextAt: next.atMs,
        isUnknown: true,
        error: run.encodeError(error),
      });
      return run.giveUpUntil(next.atMs - now);
    }
  }
  if (run.phase !== "open" || onFailure === "park")
    return run.park({ code: error.code, step: null, error: run.encodeError(error) });
  run.turnBack("failed", error);
}

/** The function returned and every step it started has settled: the decision, the branches, the end. */
export async function finish(run: Run, value: unknown): Promise<void> {
  let result: Uint8Array | null;
  try {
    result = run.env.formats.result.store(value, "result").bytes;
  } catch (thrown) {
    const error = run.storedError(thrown);
    if (run.phase === "open") return run.turnBack("failed", error);
    return run.park({ code: isCodedError(thrown) ? thrown.code : "ERROR", step: null, error: run.encodeError(error) });
  }
  const outcome = { result, error: null, undoneCount: 0 };
  if (!hasBranches(run)) return complete(run, { outcome });
  const answer = await run.write({ lease: run.lease, direction: "forward", transition: { name: "confirm", outcome } });
  if (run.isDead) return;
  if (answer.kind === "refused") return run.endRefused();
  run.phase = "confirming";
  await confirmBranches(run, result);
}

function hasBranches(run: Run): boolean {
  for (const call of run.calls.values()) if (call.role === "try") return true;
  return false;
}
