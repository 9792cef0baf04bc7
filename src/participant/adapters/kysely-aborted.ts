import { propertyOf } from "../../core/error-chain.ts";

/** Kysely ≥ 0.29: COMMIT was answered with ROLLBACK. */
const abortedMark = Symbol.for("kysely.AbortedTransactionError");

export const isAbortedCommit = (error: unknown): boolean => propertyOf(error, abortedMark) === true;
