// Runs an operation in one of the user's transactions and says what can be said of it afterwards.
//
// The adapter begins, commits and rolls back; what happened is told by how far the operation had come when the adapter's
// promise settled, never by the kind of error alone:
//
//   rejected before the body was entered          unavailable   BEGIN failed
//   BEGIN went with the body's first statement    unavailable   where BEGIN failed (`hasBegun`)
//   the body threw                                threw         rolled back
//   a statement of ours failed                    unavailable if repeating helps, else threw; rolled back
//   COMMIT went with the last, and no answer came unknown
//   the connection was lost after the body began  threw         the body may be the reason: by idling for too long it loses
//                                                               its connection in the same way, and would do so for ever
//   all was done, then the adapter rejected       unknown       COMMIT was sent, unless its error says "rolled back"
//   the adapter resolved                          the operation's answer
//
// An operation may also leave on purpose without committing: the body did its work, and the engine's record was refused.
import { CatalogError, InvariantError } from "../core/errors.ts";
import type { Awaitable, Began, TxAdapter } from "../core/participant.ts";
import { answerOf, type Row, type Statement } from "../core/script.ts";
import { CommitUnknownError } from "./adapters/commit-unknown.ts";
import { isSync } from "./alone.ts";
import type { Trouble, TroubleCodes } from "./dialect.ts";
import { type Ending, isBody, type Move, type Work } from "./work.ts";

type Failure = Began<never>;

/** Where the operation stands. `leaving` will roll back, `committing` has nothing left to do but COMMIT. */
type Progress<T> =
  /** The user's body has not been entered. */
  | { readonly at: "beginning" }
  | { readonly at: "body" }
  | { readonly at: "leaving"; readonly answer: T | Failure }
  | { readonly at: "broken"; readonly error: unknown }
  | { readonly at: "committing"; readonly answer: T };

export interface Transacting<Tx> {
  readonly adapter: TxAdapter<Tx>;
  readonly codes: TroubleCodes;
  /** What a missing table means where the statements are the participant's own. */
  readonly missing?: (error: unknown) => CatalogError;
}

/** Rejects only with INVARIANT: the adapter broke its promise, or the body ended the transaction by itself. */
export async function transact<Tx, T>(
  { adapter, codes, missing }: Transacting<Tx>,
  operation: (tx: Tx) => Work<Ending<T>>,
): Promise<T | Failure> {
  let progress: Progress<T> = { at: "beginning" };
  let hasBegun = (): boolean => true;
  const begin = (tx: Tx): void => {
    progress = { at: "beginning" };
    hasBegun = () => adapter.hasBegun?.(tx) ?? true;
  };
  const enter = (): void => {
    progress = { at: "body" };
  };
  const leave = (next: Progress<T>): void => {
    progress = next;
    if (next.at !== "committing") throw new LeavingError();
  };
  const failed: Failed = (move, error) => {
    if (isBody(move)) return { kind: "threw", error };
    if (error instanceof InvariantError) return error;
    if (error instanceof CommitUnknownError) return { kind: "unknown", error: error.cause };
    const trouble = codes.troubleOf(error);
    return trouble === "ended" ? endedError(error) : failureOf(trouble, error, progress.at === "body", missing);
  };
  try {
    if (isSync(adapter)) {
      adapter.transaction((tx) => {
        begin(tx);
        const query = ({ sql, parameters }: Statement): readonly Row[] => adapter.query(tx, sql, parameters);
        leave(performSync(operation(tx), { query, enter, failed }));
      });
    } else {
      await adapter.transaction(async (tx) => {
        begin(tx);
        const query = ({ sql, parameters, isLast }: Statement): Awaitable<readonly Row[]> =>
          adapter.query(tx, sql, parameters, isLast);
        const answer = (statement: Statement) => answerOf(statement, query);
        leave(await perform(operation(tx), { query: answer, enter, failed }));
      });
    }
  } catch (error) {
    const answer: T | Failure = afterRejection(progress, error, codes);
    return hasBegun() ? answer : unbegun(answer);
  }
  return afterResolution(progress);
}

/** Thrown through the adapter so that it rolls back. Shows up in query loggers, not in makegood's own errors. */
class LeavingError extends Error {
  constructor() {
    super("makegood rolls this transaction back; the reason is reported apart from it");
  }
}

function afterResolution<T>(progress: Progress<T>): T {
  if (progress.at === "committing") return progress.answer;
  throw new InvariantError(
    "Expected the adapter to run the body it was given and to reject when the body throws, found that it resolved",
    { progress: progress.at },
  );
}

function afterRejection<T>(progress: Progress<T>, error: unknown, codes: TroubleCodes): T | Failure {
  switch (progress.at) {
    case "beginning":
      return { kind: "unavailable", error };
    // The client did not wait for the body's end. COMMIT was not sent, and the adapter sees to it that it never is.
    case "body":
      return { kind: "threw", error: new ConnectionLostError(error) };
    case "leaving":
      return progress.answer;
    case "broken":
      throw progress.error;
    case "committing":
      if (!codes.isRollback(error)) return { kind: "unknown", error };
      return rolledBack(codes, error);
  }
}

/** The body was told that BEGIN had failed. */
function unbegun<T>(answer: T | Failure): T | Failure {
  const { kind, error } = answer as Failure;
  return kind === "threw" ? { kind: "unavailable", error } : answer;
}

/** COMMIT was refused for certain. A constraint that was deferred to it is the body's failure, a deadlock is not. */
function rolledBack(codes: TroubleCodes, error: unknown): Failure {
  const trouble = codes.troubleOf(error);
  if (trouble === "transient") return { kind: "unavailable", error };
  return { kind: "threw", error: trouble === "aborted" ? new AbortedTransactionError(error) : error };
}

// ── Performing the moves ───────────────────────────────────────────────────────────────────────────────────────────

type Failed = (move: Move, error: unknown) => Failure | InvariantError;
interface Stage<Rows> {
  readonly query: (statement: Statement) => Rows;
  /** Called when the user's body is about to be. */
  readonly enter: () => void;
  readonly failed: Failed;
}

async function perform<T>(work: Work<Ending<T>>, stage: Stage<Awaitable<readonly Row[]>>): Promise<Progress<T>> {
  for (let input: unknown; ; ) {
    const turn = next(work, input);
    if ("at" in turn) return turn;
    try {
      if (isBody(turn)) stage.enter();
      input = await (isBody(turn) ? turn.run() : stage.query(turn));
    } catch (error) {
      return stopped(stage.failed(turn, error));
    }
  }
}

function performSync<T>(work: Work<Ending<T>>, stage: Stage<readonly Row[]>): Progress<T> {
  for (let input: unknown; ; ) {
    const turn = next(work, input);
    if ("at" in turn) return turn;
    try {
      if (isBody(turn)) stage.enter();
      input = isBody(turn) ? settled(turn.run()) : stage.query(turn);
    } catch (error) {
      return stopped(stage.failed(turn, error));
    }
  }
}

/** The next move, or where the operation ended. What its own code throws, such as the codec refusing a result, is the body's failure. */
function next<T>(work: Work<Ending<T>>, input: unknown): Move | Progress<T> {
  try {
    const turn = work.next(input);
    if (!turn.done) return turn.value;
    const { commit, value } = turn.value;
    return commit ? { at: "committing", answer: value } : { at: "leaving", answer: value };
  } catch (error) {
    return stopped(error instanceof InvariantError ? error : { kind: "threw", error });
  }
}

function stopped<T>(failure: Failure | InvariantError): Progress<T> {
  return failure instanceof InvariantError ? { at: "broken", error: failure } : { at: "leaving", answer: failure };
}

/**
 * A promise means that the body goes on after the transaction's end: what it still does is void, and so is its failure. A
 * thenable that is no promise is a query that has not run (Drizzle's builders); it must not be touched, since that would
 * run it, outside of the transaction.
 */
export function settled<R>(value: Awaitable<R>): R {
  if (!isThenable(value)) return value;
  if (value instanceof Promise) value.catch(() => undefined);
  throw new CatalogError(
    "STEP_ASYNC_BODY",
    "Expected the body of a transaction on a synchronous participant to return a value, found a promise; it was rolled back. Remove async and await from the body, and end each query of a query builder with the call that runs it",
    {},
  );
}

function isThenable<R>(value: Awaitable<R>): value is PromiseLike<R> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

// ── What a failed move says ────────────────────────────────────────────────────────────────────────────────────────

/** Nothing certain can be said: what the body did before its transaction ended is gone or there, what it did after is there. */
function endedError(cause: unknown): InvariantError {
  return new InvariantError(
    "Expected the transaction to be open when its body returned, found it ended; a body must not send COMMIT or ROLLBACK, or hide an error after which the database rolls back, such as a deadlock. Its effect may have happened",
    {},
    { cause },
  );
}

function failureOf(
  trouble: Exclude<Trouble, "ended">,
  error: unknown,
  isAfterBody: boolean,
  missing: Transacting<unknown>["missing"],
): Failure {
  switch (trouble) {
    case "transient":
      return { kind: "unavailable", error };
    case "lost":
      return isAfterBody ? { kind: "threw", error: new ConnectionLostError(error) } : { kind: "unavailable", error };
    case "aborted":
      return { kind: "threw", error: new AbortedTransactionError(error) };
    case "idle":
      return { kind: "threw", error: new IdleTransactionError(error) };
    case "missing":
      return { kind: "threw", error: missing?.(error) ?? error };
    case "permanent":
      return { kind: "threw", error };
  }
}

/** Counted as a failure of the body, not as the database's: repeated for ever it would fail for ever. */
class AbortedTransactionError extends Error {
  constructor(cause: unknown) {
    super(
      "Expected the body to throw when one of its statements fails, found that it went on in a transaction which that failure had aborted; nothing was committed. Let the error through, or use a savepoint",
      { cause },
    );
  }
}

class ConnectionLostError extends Error {
  constructor(cause: unknown) {
    super(
      "Expected the connection to last until COMMIT, found it lost while the body ran; nothing was committed. If it happens again and again, the body idles between two statements for longer than the server allows",
      { cause },
    );
  }
}

class IdleTransactionError extends Error {
  constructor(cause: unknown) {
    super(
      "Expected the body to keep its transaction short, found that the server ended it for idling between two statements (idle_in_transaction_session_timeout); nothing was committed. Wait for slow things before or after the transaction",
      { cause },
    );
  }
}
