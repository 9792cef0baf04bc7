// What becomes of a message, decided by plain values.
import { CatalogError, isCodedError, type StoredError } from "../core/errors.ts";
import type { Standing, StartedExecution, Verdict, WatchedMessage } from "../core/outbox.ts";
import { toStoredError } from "../core/stored-error.ts";

/** Claims without a report. */
export const maxStarts = 5;
const maxFails = 10;
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

/** A message that no process came to report of, again and again. */
export function poison(starts: number): StoredError {
  const message = `${starts - 1} processes that had claimed this message did not come to report what became of it`;
  return toStoredError(new CatalogError("MESSAGE_POISON", message, { starts }));
}

/** After `failsBefore` failed deliveries, one failed with `error`. */
export function afterFailure(failsBefore: number, error: unknown): Verdict {
  if (isNobodysFault(error)) return { kind: "released" };
  const stored = toStoredError(error);
  const fails = failsBefore + 1;
  // What user code throws without a code may be passing; so may what says so of itself.
  if (!stored.retryable || fails >= maxFails) return { kind: "dead", error: stored };
  return { kind: "retry", error: stored, fails, delayMs: Math.min(maxRetryMs, firstRetryMs * 2 ** failsBefore) };
}

/** This process stops, or the store is away. */
function isNobodysFault(error: unknown): boolean {
  if (!isCodedError(error)) return false;
  return error.code === "APP_CLOSED" || (error.code.startsWith("STORE_") && error.retryable);
}

/** What the executions of an ordered message say of it; null: nothing new. */
export function afterLook(
  { executions, isBlocked }: Pick<WatchedMessage, "executions" | "isBlocked">,
  standings: readonly Standing[],
): Verdict | null {
  if (standings.every(({ kind }) => kind === "completed")) return { kind: "done" };
  const failed = standings.find((standing) => standing.kind === "failed");
  if (failed === undefined) return isBlocked ? { kind: "started", executions: newest(executions, standings) } : null;
  return isBlocked ? null : { kind: "blocked", executions, error: failed.error };
}

function newest(executions: readonly StartedExecution[], standings: readonly Standing[]): readonly StartedExecution[] {
  return executions.map((execution, at) => {
    const standing = standings[at];
    return standing?.kind === "open" ? { ...execution, id: standing.id } : execution;
  });
}
