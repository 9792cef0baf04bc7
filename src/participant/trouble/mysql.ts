import { chainOf, propertyOf } from "../../core/error-chain.ts";
import type { TroubleCodes } from "../dialect.ts";
import { guardSavepoint } from "../guard.ts";

// Error numbers: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-code-reference/
const deadlock = 1213;
const noSuchSavepoint = 1305;
/** No such table, column, database. */
const missingNumbers = new Set([1146, 1054, 1049]);
const transientNumbers = new Set([
  deadlock,
  // A lock not to be had in time, which undoes only its statement, or at once (NOWAIT).
  ...[1205, 3572],
  // The row has changed since the snapshot (MariaDB's innodb_snapshot_isolation).
  1020,
  // The statement was canceled: by hand, by max_execution_time, by MariaDB's max_statement_time.
  ...[1317, 3024, 1969],
  // Full: connections, of this user too; memory, disk, locks.
  ...[1040, 1203, 1226, 1037, 1038, 1041, 1021, 1114, 1206],
  // Shut down, killed, switched to read-only for a fail-over; a cluster that is not ready.
  ...[1053, 1927, 1290, 1836, 1047],
  // The table's definition changed under the statement.
  ...[1412, 1684],
]);
/** The connection broke while the server read from it or wrote to it, or idled for too long. */
const lostNumbers = new Set([1152, 1158, 1159, 1160, 1161, 1184, 4031]);
/** A cluster that refuses a COMMIT answers with a deadlock, a server made read-only in between with 1290. Both roll back. */
const rolledBackNumbers = new Set([deadlock, 1290]);
const conflict = "STORE_CONFLICT";

export const troubleMysql: TroubleCodes = {
  troubleOf(error) {
    const found = find(error);
    // Without a number of the server's it is the client that speaks: of a lost connection, or in a TypeError of our mistake.
    if (found === undefined) return error instanceof TypeError || error instanceof RangeError ? "permanent" : "lost";
    const { number, message } = found;
    if (number === noSuchSavepoint && message.includes(guardSavepoint)) return "ended";
    if (missingNumbers.has(number)) return "missing";
    if (lostNumbers.has(number)) return "lost";
    return transientNumbers.has(number) ? "transient" : "permanent";
  },
  isRollback(error) {
    return rolledBackNumbers.has(find(error)?.number ?? 0);
  },
  isMigrationRace(error) {
    const number = find(error)?.number;
    return number === deadlock || number === 1205 || chainOf(error).some((at) => propertyOf(at, "code") === conflict);
  },
};

/** The server's numbers: those from 2000 to 2999 are of client libraries, the connector of MariaDB has its own from 45000, sockets have negative ones. */
const isOfServer = (number: unknown): number is number =>
  typeof number === "number" && number >= 1_000 && number < 10_000 && !(number >= 2_000 && number < 3_000);

function find(error: unknown): { readonly number: number; readonly message: string } | undefined {
  for (const at of chainOf(error)) {
    const number = propertyOf(at, "errno");
    if (isOfServer(number)) return { number, message: String(propertyOf(at, "message") ?? "") };
  }
  return undefined;
}
