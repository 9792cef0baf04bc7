// The key record: the one place where a business key is unique, and where its newest round stands.
import type { Status } from "../../core/execution.ts";
import type { Row, Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome } from "../../core/store.ts";
import { mayBeReplaced } from "./conditions.ts";
import type { Sql, Values } from "./connection.ts";
import { idFromBytes } from "./id-bytes.ts";

// Served by both primary keys. The status stands in the key record once retention has taken the execution.
export const readKey = `
SELECT k.execution_id, k.round, k.fingerprint, coalesce(e.status, k.status) AS status
  FROM makegood_execution_key AS k LEFT JOIN makegood_execution AS e ON e.id = k.execution_id
 WHERE k.namespace = ? AND k.job = ? AND k.key = ?`;
const insertKey = `
INSERT INTO makegood_execution_key (namespace, job, key, round, execution_id, fingerprint, retain_ms) VALUES (?, ?, ?, 0, ?, ?, ?)`;
const insertIfNew = `${insertKey}
    ON CONFLICT (namespace, job, key) DO NOTHING`;
const moveKey = `
UPDATE makegood_execution_key
   SET round = ?, execution_id = ?, fingerprint = ?, retain_ms = ?, status = NULL, prune_at = NULL
 WHERE namespace = ? AND job = ? AND key = ?`;

/** The round under which the key is this execution's, or the outcome that names the one that has it. */
export function* takeKey(execution: NewExecution, key: string, id: Uint8Array): Script<number | StartOutcome> {
  const name = [execution.namespace, execution.job, key];
  const [row] = yield { sql: readKey, parameters: name };
  if (row === undefined) {
    yield { sql: insertKey, parameters: keyRow(execution, key, id) };
    return 0;
  }
  const newest = existing(row);
  if (newest.round !== execution.replacesRound || !mayBeReplaced(newest.status)) return newest;
  const round = newest.round + 1;
  yield { sql: moveKey, parameters: [round, id, execution.fingerprint, execution.keyRetainMs, ...name] };
  return round;
}

/** False: the key is there, whosever it is. */
export function takeNewKey(sql: Sql, execution: NewExecution, key: string, id: Uint8Array): boolean {
  return sql.run(insertIfNew, keyRow(execution, key, id)) === 1;
}

/** Of the first round. */
const keyRow = (execution: NewExecution, key: string, id: Uint8Array): Values => [
  execution.namespace,
  execution.job,
  key,
  id,
  execution.fingerprint,
  execution.keyRetainMs,
];

/** Of a row of `readKey`. */
export function existing(row: Row): Extract<StartOutcome, { kind: "exists" }> {
  return {
    kind: "exists",
    id: idFromBytes(row["execution_id"]),
    round: Number(row["round"]),
    status: row["status"] as Status,
    fingerprint: row["fingerprint"] as string | null,
  };
}
