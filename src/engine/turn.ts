// Turning back: the direction is recorded, with every certain refusal, before any undo.
import type { StoredError } from "../core/errors.ts";
import type { Reason } from "../core/execution.ts";
import { reservedSteps } from "../core/journal.ts";
import type { Run } from "./run.ts";
import { undoAll } from "./undo.ts";

const turnOf = { step: reservedSteps.turn, started: 0, ask: { kind: "turn" } } as const;

export async function recordTurn(run: Run, reason: Reason, error: StoredError): Promise<void> {
  const records = [run.newRow(turnOf, "action", "failed", run.encodeError(error), 1)];
  for (const call of run.calls.values())
    if (call.row === undefined && call.refusal !== undefined) {
      const row = run.newRow(call, call.role, "refused", run.encodeError(call.refusal), 1);
      records.push(row);
      call.row = row;
    }
  const { lease } = run;
  const answer = await run.write({ lease, direction: "forward", records, transition: { name: "turn-back", reason } });
  if (run.isDead) return;
  // The pivot was passed by a parallel branch: forward only, so a person must look.
  if (answer.kind === "refused") return run.park({ code: error.code, step: null, error: run.encodeError(error) });
  for (const row of records) run.ledger.keep(row);
  run.phase = "back";
  // During replay the function first has to show what it reached.
  if (!run.isReplaying) await undoAll(run);
}

/** Why it turns back when no step failed. */
export function turnError(reason: Reason): StoredError {
  const [code, message] =
    reason === "timed-out"
      ? ["TIMED_OUT", "the execution did not end within its timeout"]
      : [
          "CANCELED",
          reason === "replaced"
            ? "a newer execution of its concurrency key took its place"
            : "the execution was canceled",
        ];
  return { code, message, retryable: false, effect: "unknown" };
}
