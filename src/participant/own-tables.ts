import { chainOf, propertyOf } from "../core/error-chain.ts";
import { isCodedError } from "../core/errors.ts";
import type { Work } from "./work.ts";

/** Tables of ours as databases name them in errors. */
const isOurs = /makegood[._"`]*(machine|versioned)|schema "makegood"/;

/**
 * For operations whose statements also name a table of the user's: a table or column that is missing there is not for
 * `migrate()` to make, so the database's own error comes through, which names it.
 */
export function* namingUserTables<T>(work: Work<T>): Work<T> {
  try {
    return yield* work;
  } catch (error) {
    const isMissing = isCodedError(error) && error.code === "PARTICIPANT_NOT_MIGRATED";
    if (isMissing && !isOurs.test(textOf(error.cause))) throw error.cause;
    throw error;
  }
}

/** What the database itself said: ORMs wrap it, some with the statement, which names our tables. */
const textOf = (error: unknown): string => String(propertyOf(chainOf(error).at(-1), "message"));
