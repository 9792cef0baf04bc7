// Ended executions past their retention go with all their rows; what remains of a key is its record, for a time of its own.
import type { ExecutionId } from "../../core/ids.ts";
import type { Row } from "../../core/script.ts";
import type { ExecutionStore } from "../../core/store.ts";
import type { Connection, Sql } from "./connection.ts";
import { idFromBytes } from "./id-bytes.ts";

type Request = Parameters<ExecutionStore["prune"]>[0];

export async function prune(
  connection: Connection,
  { namespace, limit, endedForMs = 0 }: Request,
): ReturnType<ExecutionStore["prune"]> {
  // Without the write lock: most of the time nothing is to be deleted.
  const isDue = await connection.read(
    (sql, { now }) =>
      sql.tuple(selectExecutions, [namespace, now, now - endedForMs, 1]) !== undefined ||
      sql.tuple(selectKeys, [namespace, now, 1]) !== undefined,
  );
  if (!isDue) return { executionCount: 0, keyCount: 0 };
  return connection.write((sql, { now }) => {
    const executions = sql.rows(selectExecutions, [namespace, now, now - endedForMs, limit]);
    for (const row of executions) deleteExecution(sql, row, now);
    const keys = sql.rows(selectKeys, [namespace, now, limit]);
    for (const row of keys) sql.run(deleteKey, [namespace, row["job"] as string, row["key"] as string]);
    return { executionCount: executions.length, keyCount: keys.length };
  });
}

export function prunable(
  connection: Connection,
  { namespace, limit, endedForMs = 0 }: Request,
): Promise<readonly ExecutionId[]> {
  return connection.read((sql, { now }) =>
    sql.rows(selectExecutions, [namespace, now, now - endedForMs, limit]).map((row) => idFromBytes(row["id"])),
  );
}

// Served by execution_prune. Only a terminal row has prune_at.
const selectExecutions = `
SELECT id, namespace, job, key, status
  FROM makegood_execution
 WHERE namespace = ? AND prune_at <= ? AND ended_at <= ?
 ORDER BY prune_at
 LIMIT ?`;

// Served by execution_key_prune. prune_at is set when the execution goes, and cleared by a restart.
const selectKeys = `
SELECT job, key
  FROM makegood_execution_key
 WHERE namespace = ? AND prune_at <= ?
 ORDER BY prune_at
 LIMIT ?`;
const deleteKey = `
DELETE FROM makegood_execution_key WHERE namespace = ? AND job = ? AND key = ?`;

// Each is served by the primary key, or by its index on execution_id.
const deletes: readonly string[] = [
  "DELETE FROM makegood_execution WHERE id = ?",
  ...["payload", "outcome", "journal", "attempt", "signal", "progress", "search_attribute", "incident", "audit"].map(
    (table) => `DELETE FROM makegood_${table} WHERE execution_id = ?`,
  ),
];
// Served by the primary key. A newer round's record is not this execution's to close.
const closeKey = `
UPDATE makegood_execution_key SET status = ?, prune_at = ? + retain_ms
 WHERE namespace = ? AND job = ? AND key = ? AND execution_id = ?`;

function deleteExecution(sql: Sql, row: Row, now: number): void {
  const id = row["id"] as Uint8Array;
  for (const each of deletes) sql.run(each, [id]);
  if (row["key"] !== null)
    sql.run(closeKey, [
      row["status"] as string,
      now,
      row["namespace"] as string,
      row["job"] as string,
      row["key"] as string,
      id,
    ]);
}
