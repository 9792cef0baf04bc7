// Ended executions past their retention go with all their rows; what remains of a key is its record, for a time of its own.
import type { ExecutionId } from "../../core/ids.ts";
import type { Row, Script } from "../../core/script.ts";
import type { ExecutionStore, PruneRequest } from "../../core/store.ts";
import { nowSql } from "./clock.ts";
import { type Connections, RollBack } from "./connection.ts";
import { bytesOf, hexOf, hexOfText, idList, idOf, idTable, list, listTable, text, textOrNull } from "./values.ts";

// Index execution_prune. Only a terminal row has prune_at.
export const prunableSql = `
SELECT HEX(e.id) AS id, e.namespace, e.job, e.\`key\`, e.status
  FROM makegood_execution e FORCE INDEX (execution_prune)
 WHERE e.namespace = ? AND e.prune_at <= ${nowSql} AND e.ended_at <= ${nowSql} - ?
 ORDER BY e.prune_at LIMIT ?`;

export async function prunable(
  connections: Connections,
  { namespace, limit, endedForMs = 0 }: PruneRequest,
): Promise<readonly ExecutionId[]> {
  const rows = await connections.read({ sql: prunableSql, parameters: [bytesOf(namespace), endedForMs, limit] });
  return rows.map((row) => idOf(row.id));
}

/** Worker rows are small, and wanted for a while by people who ask what happened. */
const workerRetainMs = 86_400_000;
const pruneWorkersSql = `DELETE FROM makegood_worker WHERE namespace = ? AND lease_until < ${nowSql} - ?`;

export async function prune(connections: Connections, request: PruneRequest): ReturnType<ExecutionStore["prune"]> {
  const executionCount = await connections.transaction(() => pruneExecutions(request));
  const keyCount = await connections.transaction(() => pruneKeys(request));
  await connections.write({ sql: pruneWorkersSql, parameters: [bytesOf(request.namespace), workerRetainMs] });
  return { executionCount, keyCount };
}

/** And the index that begins with the execution. */
const tablesOfExecution = {
  journal: "PRIMARY",
  attempt: "PRIMARY",
  signal: "PRIMARY",
  progress: "PRIMARY",
  search_attribute: "PRIMARY",
  incident: "incident_execution",
  audit: "audit_execution",
} as const;

/** Whoever commands the execution meanwhile holds its row, and is passed over. A newer round's record is not its to close. */
function* pruneExecutions({ namespace, limit, endedForMs = 0 }: PruneRequest): Script<number> {
  const rows = yield {
    sql: `${prunableSql} FOR UPDATE SKIP LOCKED`,
    parameters: [bytesOf(namespace), endedForMs, limit],
  };
  if (rows.length === 0) throw new RollBack(0);
  const keyed = rows.filter((row) => textOrNull(row.key) !== null);
  if (keyed.length > 0) yield { sql: closeKeysSql, parameters: [list(keyed.map(keyOfEnded))] };
  const gone = idList(rows.map((row) => idOf(row.id)));
  for (const [table, index] of Object.entries(tablesOfExecution))
    yield {
      sql: `DELETE x FROM ${idTable} STRAIGHT_JOIN makegood_${table} x FORCE INDEX (${index}) ON x.execution_id = UNHEX(j.id)`,
      parameters: [gone],
    };
  yield {
    sql: `DELETE e FROM ${idTable} STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`,
    parameters: [gone],
  };
  return rows.length;
}

const keyColumns = [
  ["namespace", "bytes"],
  ["job", "bytes"],
  ["business_key", "bytes"],
] as const;
const inKeyTable = "k.namespace = UNHEX(j.namespace) AND k.job = UNHEX(j.job) AND k.`key` = UNHEX(j.business_key)";

// Primary key of execution_key.
const closeKeysSql = `
UPDATE ${listTable(...keyColumns, ["id", "id"], ["status", "word"])}
 STRAIGHT_JOIN makegood_execution_key k FORCE INDEX (PRIMARY) ON ${inKeyTable}
   SET k.status = j.status, k.prune_at = ${nowSql} + k.retain_ms
 WHERE k.execution_id = UNHEX(j.id)`;

const keyOfEnded = (row: Row): readonly string[] => [...keyOf(row), hexOf(idOf(row.id)), text(row.status)];
const keyOf = (row: Row): readonly string[] => [text(row.namespace), text(row.job), text(row.key)].map(hexOfText);

// Index execution_key_prune. Null while an execution has the key. A start of this key waits, then inserts it anew.
export const prunableKeysSql = `
SELECT k.namespace, k.job, k.\`key\`
  FROM makegood_execution_key k FORCE INDEX (execution_key_prune)
 WHERE k.namespace = ? AND k.prune_at <= ${nowSql}
 ORDER BY k.prune_at LIMIT ?
   FOR UPDATE SKIP LOCKED`;

function* pruneKeys({ namespace, limit }: PruneRequest): Script<number> {
  const rows = yield { sql: prunableKeysSql, parameters: [bytesOf(namespace), limit] };
  if (rows.length === 0) throw new RollBack(0);
  yield {
    sql: `DELETE k FROM ${listTable(...keyColumns)} STRAIGHT_JOIN makegood_execution_key k FORCE INDEX (PRIMARY) ON ${inKeyTable}`,
    parameters: [list(rows.map(keyOf))],
  };
  return rows.length;
}
