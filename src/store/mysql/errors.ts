// What an error from mysql2 says about the work that was under way. The question is always the same: can it have been committed?
//
// As long as neither COMMIT nor a statement that commits by itself was sent, nothing happened, whatever went wrong. After that
// only an answer of the server's that it rolled back proves anything (D1).
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

/** What was under way: nothing that commits; a statement that commits by itself; COMMIT. */
export type Stage = "before-commit" | "committing-statement" | "commit";

/** The answer did not come within the application's own deadline. */
export class DeadlineError extends Error {
  constructor(deadlineMs: number) {
    super(`no answer within ${deadlineMs} ms`);
  }
}

type Details = Readonly<Record<string, unknown>>;
type Meaning = "conflict" | "duplicate" | "lost" | "refused-for-now" | "poison" | "schema" | "unsuitable";

/** By the server's error number; MariaDB and MySQL share those below 1900. "lost": the server or the connection went away. */
const meanings: Readonly<Record<Meaning, readonly number[]>> = {
  // Deadlock, lock wait, row changed since (MariaDB), table changed since, interrupted, out of time (MariaDB, MySQL), too many
  // transactions at once.
  conflict: [1213, 1205, 1020, 1412, 1317, 1969, 3024, 1637],
  duplicate: [1062, 1586],
  lost: [1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3168, 3169, 4031],
  // Connections, memory or disk used up; wrong password or database for now; a replica after a failover.
  "refused-for-now": [
    ...[1040, 1203, 1226, 1021, 1037, 1038, 1041, 1114, 1135],
    ...[1044, 1045, 1049, 1129, 1130, 1698],
    ...[1290, 1792, 1836],
  ],
  poison: [1048, 1118, 1153, 1264, 1265, 1292, 1301, 1364, 1366, 1406, 1416, 3140, 3141, 3144, 3819, 4025],
  schema: [1146, 1054, 1136, 1051],
  unsuitable: [1142, 1143, 1227, 1370, 1665, 4175],
};

const meaningOfNumber = new Map(
  Object.entries(meanings).flatMap(([meaning, numbers]) => numbers.map((number) => [number, meaning as Meaning])),
);

/** The number of the server's error if the server itself answered, else undefined. */
export function serverErrorOf(error: unknown): number | undefined {
  const { errno, sqlState } = (error ?? {}) as { readonly errno?: unknown; readonly sqlState?: unknown };
  return typeof errno === "number" && typeof sqlState === "string" ? errno : undefined;
}

/** Whether the session can go on after this error: the server answered, and did not end it. */
export function leavesSessionSound(error: unknown): boolean {
  const number = serverErrorOf(error);
  return number !== undefined && meaningOfNumber.get(number) !== "lost" && number !== packetTooLarge;
}
const packetTooLarge = 1153;

/** A row is there already: of a repeat, or of somebody else's a moment before. */
export const isDuplicate = (error: unknown): boolean =>
  isCodedError(error) &&
  error.code === "STORE_CONFLICT" &&
  meanings.duplicate.includes(Number((error.details as { readonly errorNumber?: unknown }).errorNumber));

/** Details carry the server's number; values are kept out: mysql2 hangs the whole statement on its errors. */
export function storeError(error: unknown, stage: Stage): CodedError {
  if (isCodedError(error)) return error;
  if (error instanceof TypeError || error instanceof RangeError)
    return new InvariantError(`The MySQL store failed within this process: ${error.message}`, {}, { cause: error });
  const number = serverErrorOf(error);
  const meaning = number === undefined ? "lost" : meaningOfNumber.get(number);
  const details = number === undefined ? {} : { errorNumber: number };
  if (stage === "commit" && meaning !== "conflict") return unknownOutcome(error, details);
  return coded(meaning, error, stage, details);
}

const unknownOutcome = (error: unknown, details: Details): CodedError =>
  new StoreOutcomeUnknownError(`The answer to a commit did not come: ${messageOf(error)}`, details, causeOf(error));

function coded(meaning: Meaning | undefined, error: unknown, stage: Stage, details: Details): CodedError {
  const options = causeOf(error);
  switch (meaning) {
    case "conflict":
      return new StoreConflictError(`MySQL rolled back for another transaction: ${messageOf(error)}`, details, options);
    case "duplicate":
      return new StoreConflictError("MySQL found a row in the place of a new one", details);
    case "poison":
      return new StorePoisonError(`MySQL refused a value: ${codeOf(error)}`, details);
    case "refused-for-now":
      return new StoreUnavailableError(`MySQL cannot serve: ${messageOf(error)}`, details, options);
    case "lost":
      return stage === "before-commit"
        ? new StoreUnavailableError(`MySQL could not be reached: ${messageOf(error)}`, details, options)
        : unknownOutcome(error, details);
    case "schema":
      return new CatalogError(
        "STORE_SCHEMA",
        `The tables do not fit this code: ${messageOf(error)}. Run \`makegood migrate\``,
        details,
        options,
      );
    case "unsuitable":
      return new CatalogError(
        "STORE_UNSUITABLE",
        `This connection cannot be used: ${messageOf(error)}. The store needs SELECT, INSERT, UPDATE and DELETE on its tables, and a binary log that is off or in rows`,
        details,
        options,
      );
    case undefined:
      return new InvariantError(`MySQL refused a statement of this store: ${messageOf(error)}`, details, options);
  }
}

function causeOf(error: unknown): { readonly cause: unknown } {
  if (typeof error === "object" && error !== null) {
    delete (error as { sql?: unknown }).sql;
    delete (error as { parameters?: unknown }).parameters;
  }
  return { cause: error };
}

/** A server that is not there is an AggregateError with an empty message. */
const messageOf = (error: unknown): string => (error instanceof Error && error.message ? error.message : codeOf(error));

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown } | null)?.code ?? error);
