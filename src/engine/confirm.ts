// Forward with TCC: the decision is recorded (phase confirming), then every branch is confirmed in the order of its start,
// each repeated until acknowledged. A branch that refuses for good parks the execution: it is never canceled after the decision.

import { CatalogError } from "../core/errors.ts";
import type { JournalRow } from "../core/journal.ts";
import { resolveRetry } from "../core/retry.ts";
import { AttemptSignal, attempting, calling, mapMaybe, type Tried, type Try, timeoutOf } from "./attempts.ts";
import type { Call } from "./calls.ts";
import { complete } from "./endings.ts";
import { findOwn, own } from "./own-transaction.ts";
import type { Run } from "./run.ts";
import { markOf, stepInfo } from "./step-info.ts";

const patientAttempts = 50;

/** @param result what the function returned; undefined when the decision was found recorded. */
export function confirmBranches(run: Run, result?: Uint8Array | null): Promise<void> {
  return run.whileActive(async () => {
    const branches = [...run.calls.values()]
      .filter((call) => call.role === "try" && !run.ledger.has(call.step, "confirm"))
      .sort((a, b) => a.started - b.started);
    // The row of a confirm goes out before the next one begins; that of the last one goes with the end.
    let unwritten: JournalRow | undefined;
    for (const call of branches) {
      if (unwritten !== undefined && !(await recordConfirm(run, unwritten))) return;
      unwritten = undefined;
      const confirmed = await confirmOne(run, call);
      if (confirmed.kind === "void" || run.isDead) return;
      if (confirmed.kind === "failed")
        return run.park({
          code: confirmed.error.retryable ? "ATTEMPTS_EXHAUSTED" : confirmed.error.code,
          step: call.step,
          error: run.encodeError(confirmed.error),
        });
      if (confirmed.value !== "recorded") unwritten = run.newRow(call, "confirm", "done", null, confirmed.attempt);
    }
    if (!run.isDead) await complete(run, { confirmed: result, row: unwritten });
  });
}

/** False when the run is over. */
async function recordConfirm(run: Run, row: JournalRow): Promise<boolean> {
  const answer = await run.write({ lease: run.lease, direction: "forward", records: [row] });
  if (answer.kind !== "done") return false;
  run.ledger.keep(row);
  return true;
}

async function confirmOne(run: Run, call: Call): Promise<Tried<"ran" | "recorded">> {
  const { ask } = call;
  if (ask.kind !== "tcc" && ask.kind !== "tcc-tx")
    throw new CatalogError("INVARIANT", "confirm of a call that is no branch", {});
  const tried = run.ledger.row(call.step, "try");
  const result = run.env.formats.result.decode(tried?.body ?? null);
  const policy = resolveRetry(
    ask.branch.retry,
    resolveRetry({ maxAttempts: patientAttempts }, run.retry),
    `retry of branch ${call.step}`,
  );
  const plan = { role: "confirm", policy, windowMs: null, mayGoOn: () => !run.isDead } as const;
  if (ask.kind === "tcc")
    return attempting(run, call, plan, async (attempt): Promise<Try<"ran" | "recorded">> => {
      const { branch } = ask;
      const called = await calling(run, call, "confirm", attempt, timeoutOf(run, branch.timeout, call), (info) =>
        branch.confirm(Object.assign(info, { result }) as never),
      );
      return called.kind === "ok" ? { kind: "ok", value: "ran" } : called;
    });
  return attempting(run, call, plan, async (attempt): Promise<Try<"ran" | "recorded">> => {
    const found = await findOwn(run, ask.on, plan);
    if (found.kind !== "ok") return found;
    const body = (tx: unknown, value: unknown): unknown =>
      ask.branch.confirm(tx, value, stepInfo(run, call, "confirm", attempt, new AttemptSignal()));
    if (found.value) {
      const outcome = await own(
        run,
        call,
        ask.on,
        "forward",
        () => run.newRow(call, "confirm", "done", null, attempt),
        (tx) => mapMaybe(body(tx, result), () => ({ bytes: null, value: undefined })),
      );
      if (outcome.kind !== "landed") return outcome;
      run.results.voided(outcome.place);
      run.ledger.keep(outcome.row);
      return { kind: "ok", value: "recorded" };
    }
    const began = await ask.on.confirm(
      markOf(run, call),
      (tx, bytes) => body(tx, run.env.formats.result.decode(bytes)) as undefined,
    );
    switch (began.kind) {
      case "confirmed":
      case "already":
        return { kind: "ok", value: "ran" };
      case "missing":
        return {
          kind: "failed",
          error: new CatalogError(
            "INVARIANT",
            `branch ${call.step} was decided, but its participant knows of no reservation`,
            { step: call.step },
          ),
          isUnknown: false,
        };
      case "threw":
        return { kind: "failed", error: began.error, isUnknown: false };
      case "unavailable":
      case "unknown":
        return { kind: "free", error: began.error, isUnknown: false };
    }
  });
}
