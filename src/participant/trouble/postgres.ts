import { chainOf, propertyOf } from "../../core/error-chain.ts";
import type { TroubleCodes } from "../dialect.ts";

// Error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
const abortedTransaction = "25P02";
const idleInTransaction = "25P03";
const undefinedColumn = "42703";
const undefinedFunction = "42883";
const missingCodes = new Set(["42P01", "3F000", undefinedColumn, undefinedFunction]);
// 08 connection, 53 resources, 57 shutdown and cancel (a statement or lock timeout), 58 the server's own system; serialization
// and deadlock; a lock not to be had; a standby just after a fail-over.
const transientClasses = new Set(["08", "53", "57", "58"]);
const transientCodes = new Set(["40001", "40P01", "40003", "55P03", "25006"]);
/**
 * Classes whose errors, as the answer to COMMIT, are sent before the commit record is written: constraints and triggers
 * that were deferred to COMMIT, serialization failures, a transaction aborted before. Once that record is written PostgreSQL
 * raises no ERROR any more (it would PANIC). The others may come from a pooler in between, or with a dying connection.
 */
const rolledBackClasses = new Set(["22", "23", "25", "27", "40", "42", "44", "P0"]);
const completionUnknown = "40003";
/** Two sessions created the same schema, table or type at once. */
const raceCodes = new Set(["23505", "42P06", "42P07", "42710", "40001", "40P01"]);

export const troublePostgres: TroubleCodes = {
  troubleOf(error) {
    const code = sqlStateOf(error);
    // Without a code of the server's it is the client that speaks: of a lost connection, or in a TypeError of our mistake.
    if (code === undefined) return error instanceof TypeError || error instanceof RangeError ? "permanent" : "lost";
    if (code === abortedTransaction) return "aborted";
    if (code === idleInTransaction) return "idle";
    if (missingCodes.has(code)) return "missing";
    return transientCodes.has(code) || transientClasses.has(code.slice(0, 2)) ? "transient" : "permanent";
  },
  isRollback(error) {
    const code = sqlStateOf(error);
    return code !== undefined && code !== completionUnknown && rolledBackClasses.has(code.slice(0, 2));
  },
  isMigrationRace(error) {
    return raceCodes.has(sqlStateOf(error) ?? "");
  },
};

/** Five characters of which the first is never an E, as it is in Node's EPIPE. Class P0 is PL/pgSQL; P1 and P2 are Prisma's own. */
const sqlState = /^([0-9FHX][0-9A-Z]{4}|P0[0-9A-Z]{3})$/;

function sqlStateOf(error: unknown): string | undefined {
  for (const at of chainOf(error)) {
    const code = propertyOf(at, "code");
    if (typeof code === "string" && sqlState.test(code)) return code;
  }
  return undefined;
}
