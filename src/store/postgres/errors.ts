// What an error from pg says about the work that was under way. The question is always the same: can it have been committed?
//
// As long as neither COMMIT nor a statement that commits by itself was sent, nothing happened, whatever went wrong. After
// that only an answer of the server's that it rolled back proves anything (D1). The class of the SQLSTATE tells: an ERROR of
// a class listed below ends the transaction; the FATAL ones (57P0x: shutdown, crash, terminated) may come after the commit
// record was written, while its acknowledgment waited.
import {
  CatalogError,
  type CodedError,
  InvariantError,
  isCodedError,
  StoreConflictError,
  StoreOutcomeUnknownError,
  StorePoisonError,
  StoreUnavailableError,
} from "../../core/errors.ts";

/** Whether a commit was under way when the error came. */
export type Stage = "before-commit" | "committing";

/** The answer did not come within the application's own deadline. */
export class DeadlineError extends Error {
  constructor(deadlineMs: number) {
    super(`no answer within ${deadlineMs} ms`);
  }
}

type Meaning = "conflict" | "lost" | "refused-for-now" | "poison" | "schema" | "unsuitable";

/** By the whole SQLSTATE, else by its class. "lost": the server or the connection went away. */
const meanings: Readonly<Record<string, Meaning>> = {
  "40001": "conflict",
  "40P01": "conflict",
  // Lock and statement time-outs: the statement was canceled before its commit began.
  "55P03": "conflict",
  "57014": "conflict",
  // "cached plan must not change result type", after a migration: the next statement is planned anew.
  "0A000": "conflict",
  "08": "lost",
  "57": "lost",
  "25P03": "lost",
  "58": "lost",
  XX: "lost",
  F0: "lost",
  // Out of memory, disk or connections; wrong password for now; a standby after a failover.
  "53": "refused-for-now",
  "28": "refused-for-now",
  "3D000": "refused-for-now",
  "25006": "refused-for-now",
  "22": "poison",
  "23": "poison",
  "54": "poison",
  "42": "schema",
  "3F": "schema",
  "42501": "unsuitable",
  // A pooler that hands each transaction another session loses prepared statements.
  "26000": "unsuitable",
  "42P05": "unsuitable",
};

export const uniqueViolation = "23505";

/** The SQLSTATE if the server itself answered, else undefined. Not by the code's form: EPIPE has five letters too. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { readonly code?: unknown; readonly severity?: unknown };
  return typeof severity === "string" && typeof code === "string" ? code : undefined;
}

/** Whether the session can go on after this error: the server answered, and did not end it. */
export function leavesSessionSound(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && meaningOf(state) !== "lost" && state !== "0A000";
}

/** Details carry the SQLSTATE, never the server's detail line: that one shows values. */
export function storeError(error: unknown, stage: Stage): CodedError {
  if (isCodedError(error)) return error;
  const state = sqlStateOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const details = state === undefined ? {} : { sqlState: state };
  const options = { cause: error };
  if (state === undefined && (error instanceof TypeError || error instanceof RangeError))
    return new InvariantError(`The PostgreSQL store failed within this process: ${message}`, details, options);
  switch (state === undefined ? "lost" : meaningOf(state)) {
    case "conflict":
      return new StoreConflictError(`PostgreSQL rolled back for another transaction: ${message}`, details, options);
    case "poison":
      return new StorePoisonError(`PostgreSQL refused a value: ${message}`, details, options);
    case "refused-for-now":
      return new StoreUnavailableError(`PostgreSQL cannot serve: ${message}`, details, options);
    case "lost":
      return stage === "committing"
        ? new StoreOutcomeUnknownError(`The answer to a commit did not come: ${message}`, details, options)
        : new StoreUnavailableError(`PostgreSQL could not be reached: ${message}`, details, options);
    case "schema":
      return new CatalogError(
        "STORE_SCHEMA",
        `The tables do not fit this code: ${message}. Run \`makegood migrate\``,
        details,
        options,
      );
    case "unsuitable":
      return new CatalogError(
        "STORE_UNSUITABLE",
        `This connection cannot be used: ${message}. The store needs rights on schema makegood, and sessions of its own (no transaction pooling)`,
        details,
        options,
      );
    case undefined:
      return new InvariantError(`PostgreSQL refused a statement of this store: ${message}`, details, options);
  }
}

function meaningOf(state: string): Meaning | undefined {
  return meanings[state] ?? meanings[state.slice(0, 2)];
}
