import { describeValue, OptionError } from "../../core/errors.ts";
import type { BarrierMark } from "../../core/participant.ts";
import { affectedOf } from "../affected.ts";
import type { BarrierOp, BarrierSql } from "../dialect.ts";
import { barrierId, parseBarrierRow, transTypeOf } from "./row.ts";

// Served by the primary key. A conflicting row of an open transaction is waited for; the loser then holds a shared lock on
// it. One row a statement, since affectedRows is all that tells which are new: MySQL has no RETURNING. Not ON DUPLICATE KEY
// UPDATE: with mysql2's default flags a new row and an old one both count as 1.
const insertRow = `
INSERT IGNORE INTO makegood_barrier (trans_type, gid, branch_id, op, barrier_id, reason, round)
VALUES (?, ?, ?, ?, '${barrierId}', ?, ?)`;

// A locking read sees what is committed now. A plain one in a caller's transaction at REPEATABLE READ sees its snapshot, in
// which the row that stood in the way may not be (D7). Shared, as the lock that the insert has left: two who both hold that
// would deadlock over an exclusive one. `FOR SHARE` is MySQL's alone.
const readBranch = `
SELECT op, reason, result FROM makegood_barrier
 WHERE gid = ? AND branch_id = ? AND barrier_id = '${barrierId}' LOCK IN SHARE MODE`;

const isMine = `gid = ? AND branch_id = ? AND op = ? AND barrier_id = '${barrierId}'`;
// From NULL to a value: a change, so that it counts whatever the client's flags are.
const keepResult = `UPDATE makegood_barrier SET result = ? WHERE ${isMine}`;
const lookUp = `SELECT op FROM makegood_barrier WHERE ${isMine}`;

const pruneRows = (count: number): string =>
  `DELETE FROM makegood_barrier WHERE gid IN (${Array(count).fill("?").join(", ")})`;

const removeRow = `DELETE FROM makegood_barrier WHERE ${isMine}`;

// An execution's id is a UUIDv7, so ids stand in the order in which the executions began. Served by the primary key.
const pruneOldRows = "DELETE FROM makegood_barrier WHERE gid < ? ORDER BY gid LIMIT ?";

export const barrierMysql: BarrierSql = {
  *insert(mark, ops, byOp) {
    const [gid, branch] = keyOf(mark);
    checkRound(mark);
    const inserted: BarrierOp[] = [];
    for (const op of ops) {
      const parameters = [transTypeOf(byOp), gid, branch, op, byOp, mark.round];
      if (affectedOf(yield { sql: insertRow, parameters }).affectedRows === 1) inserted.push(op);
    }
    return inserted;
  },
  *read(mark) {
    return (yield { sql: readBranch, parameters: keyOf(mark) }).map(parseBarrierRow);
  },
  // That the transaction is still the same one has been found out before, by its savepoint.
  *keep(mark, op, result) {
    const key = [...keyOf(mark), op];
    if (result === null) return (yield { sql: lookUp, parameters: key }).length === 1;
    return affectedOf(yield { sql: keepResult, parameters: [result, ...key] }).affectedRows === 1;
  },
  *remove(mark, op) {
    yield { sql: removeRow, parameters: [...keyOf(mark), op] };
  },
  *prune(executionIds) {
    if (executionIds.length === 0) return 0;
    const parameters = executionIds.map((id) => bytesOf(id));
    return affectedOf(yield { sql: pruneRows(executionIds.length), parameters }).affectedRows;
  },
  *pruneBefore(firstId, limit) {
    return affectedOf(yield { sql: pruneOldRows, parameters: [bytesOf(firstId), limit] }).affectedRows;
  },
};

const maxGidBytes = 128;
const maxBranchBytes = 1_024;

/** As bytes, which no character set of a connection can change. */
function keyOf({ gid, branch }: BarrierMark): readonly [Uint8Array, Uint8Array] {
  return [checked("gid", gid, maxGidBytes), checked("branch", branch, maxBranchBytes)];
}

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);

// INSERT IGNORE would cut off what is too long, and turn a number out of its range into the nearest.
function checked(option: "gid" | "branch", text: string, maxBytes: number): Uint8Array {
  const bytes = bytesOf(text);
  if (bytes.length <= maxBytes) return bytes;
  throw new OptionError(
    `mark.${option}`,
    `mark.${option}: expected at most ${maxBytes} bytes of UTF-8, found ${bytes.length}`,
  );
}

const maxRound = 2 ** 31 - 1;

function checkRound({ round }: BarrierMark): void {
  if (Number.isInteger(round) && Math.abs(round) <= maxRound) return;
  throw new OptionError("mark.round", `mark.round: expected a whole number, found ${describeValue(round)}`);
}
