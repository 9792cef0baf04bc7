// What an error of SQLite means to the port. Result codes: https://sqlite.org/rescode.html
import {
  CatalogError,
  type CodedError,
  InvariantError,
  StoreConflictError,
  StoreOutcomeUnknownError,
  StorePoisonError,
  StoreUnavailableError,
} from "../../core/errors.ts";

const primary = {
  error: 1,
  perm: 3,
  busy: 5,
  locked: 6,
  nomem: 7,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  protocol: 15,
  toobig: 18,
  constraint: 19,
  mismatch: 20,
  notadb: 26,
} as const;
const duplicateKeys: readonly number[] = [1_555, 2_067, 2_579]; // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID

/** SQLite's extended result code, or undefined for an error of another kind. */
function resultCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code : undefined;
}

function primaryOf(error: unknown): number {
  return (resultCodeOf(error) ?? 0) & 0xff;
}

/** Another connection writes, or has the write-ahead log for itself. Nothing happened. */
function isBusy(error: unknown): boolean {
  const code = primaryOf(error);
  return code === primary.busy || code === primary.locked || code === primary.protocol;
}

/** After these the connection is not trusted any more: what it holds in memory may differ from the file (D2). */
export function spoilsConnection(error: unknown): boolean {
  const code = primaryOf(error);
  return (
    code === primary.ioerr ||
    code === primary.full ||
    code === primary.nomem ||
    code === primary.corrupt ||
    code === primary.notadb
  );
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Of an error before COMMIT: the transaction is rolled back, so nothing happened. Errors of our own pass through. */
export function failureBeforeCommit(error: unknown, path: string): unknown {
  const resultCode = resultCodeOf(error);
  if (resultCode === undefined)
    return isUnbindable(error)
      ? new StorePoisonError(`SQLite cannot hold a value: ${textOf(error)}`, {}, { cause: error })
      : error;
  const details = { path, resultCode };
  switch (resultCode & 0xff) {
    case primary.busy:
    case primary.locked:
    case primary.protocol:
      return new StoreConflictError(
        `Another connection is writing to ${path}; nothing happened: ${textOf(error)}`,
        details,
        { cause: error },
      );
    case primary.toobig:
    case primary.mismatch:
      return new StorePoisonError(`SQLite refuses a value: ${textOf(error)}`, details, { cause: error });
    case primary.constraint:
      if (duplicateKeys.includes(resultCode))
        return new InvariantError(`Expected a new row, found one of the same key: ${textOf(error)}`, details, {
          cause: error,
        });
      return new StorePoisonError(`SQLite refuses a value: ${textOf(error)}`, details, { cause: error });
    case primary.error:
      if (!/no such (table|column)/.test(textOf(error))) return error;
      return new CatalogError(
        "STORE_SCHEMA",
        `${path} lacks a table or column of makegood's: ${textOf(error)}. Open the store, which migrates it`,
        details,
        { cause: error },
      );
    case primary.corrupt:
    case primary.notadb:
      return unsuitable(
        `${path} is damaged or no SQLite database: ${textOf(error)}. Name another file, or restore this one from a backup`,
        details,
        error,
      );
    default:
      return new StoreUnavailableError(`${path} cannot be used: ${textOf(error)}`, details, { cause: error });
  }
}

/** Of an error from COMMIT. Only BUSY leaves the transaction as it was; after any other it may be in the file all the same (D2). */
export function failureOfCommit(error: unknown, path: string): CodedError {
  const details = { path, resultCode: resultCodeOf(error) };
  if (isBusy(error))
    return new StoreConflictError(
      `Another connection keeps ${path} from committing; nothing happened: ${textOf(error)}`,
      details,
      { cause: error },
    );
  return new StoreOutcomeUnknownError(
    `The commit to ${path} may have landed: ${textOf(error)}. Repeat the same call`,
    details,
    { cause: error },
  );
}

export function unsuitable(message: string, details: Readonly<Record<string, unknown>>, cause?: unknown): CodedError {
  return new CatalogError("STORE_UNSUITABLE", message, details, cause === undefined ? {} : { cause });
}

/** node:sqlite refuses undefined, objects, and bigints over 64 bits before SQLite sees them. */
function isUnbindable(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ERR_INVALID_ARG_TYPE" || code === "ERR_INVALID_ARG_VALUE" || code === "ERR_OUT_OF_RANGE";
}
