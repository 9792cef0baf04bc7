// Structured clone keeps neither the class nor the code of an error. Both sides have the same catalog.
import {
  CatalogError,
  type ErrorCode,
  InvariantError,
  isCodedError,
  isErrorCode,
  StoreConflictError,
  StoreOutcomeUnknownError,
  StorePoisonError,
  StoreUnavailableError,
} from "../../../core/errors.ts";

export interface SentError {
  /** Of the catalog; null for an error of another kind. */
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly stack: string | undefined;
  readonly cause: SentError | null;
}

const maxCauses = 3;

export function toSent(error: unknown, causesLeft: number = maxCauses): SentError {
  const { stack, cause } = error instanceof Error ? error : { stack: undefined, cause: undefined };
  const isOurs = isCodedError(error) && isErrorCode(error.code);
  return {
    code: isOurs ? (error.code as ErrorCode) : null,
    message: error instanceof Error ? error.message : String(error),
    details: isOurs ? (error.details as SentError["details"]) : {},
    stack,
    cause: cause === undefined || causesLeft === 0 ? null : toSent(cause, causesLeft - 1),
  };
}

const classes = {
  STORE_CONFLICT: StoreConflictError,
  STORE_OUTCOME_UNKNOWN: StoreOutcomeUnknownError,
  STORE_POISON: StorePoisonError,
  STORE_UNAVAILABLE: StoreUnavailableError,
  INVARIANT: InvariantError,
} as const;

export function fromSent({ code, message, details, stack, cause }: SentError): Error {
  const options = cause === null ? {} : { cause: fromSent(cause) };
  const error = make(code, message, details, options);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function make(code: ErrorCode | null, message: string, details: SentError["details"], options: ErrorOptions): Error {
  if (code === null) return new Error(message, options);
  const known = (classes as Partial<Record<ErrorCode, (typeof classes)[keyof typeof classes]>>)[code];
  return known === undefined
    ? new CatalogError<ErrorCode>(code, message, details as never, options)
    : new known(message, details, options);
}
