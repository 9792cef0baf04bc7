import type { Loaded } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { readers } from "./rows.ts";
import { textArray } from "./values.ts";

// Primary keys of execution, journal, attempt, signal. One statement is one snapshot, so the inbox is no newer than the
// signals. Columns: table, execution, then what it has of texts, numbers and bytes.
const loadSql = `
SELECT 'guard' AS kind, e.id::text AS id, e.cancel AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS actor,
       e.inbox::bigint AS i, NULL::bigint AS k, NULL::bigint AS l, NULL::bigint AS at, NULL::bigint AS token, NULL::bytea AS body
  FROM makegood.execution e WHERE e.id = ANY($1::uuid[])
 UNION ALL
SELECT 'journal', j.execution_id::text, j.step, j.role, j.kind, j.state, j.actor, j.seq, j.started, j.attempt, j.at, j.token, j.body
  FROM makegood.journal j WHERE j.execution_id = ANY($1::uuid[])
 UNION ALL
SELECT 'attempt', a.execution_id::text, a.step, a.role, NULL, NULL, NULL, a.attempt, a.next_at, a.is_unknown::integer, a.at, a.token, a.error
  FROM makegood.attempt a WHERE a.execution_id = ANY($1::uuid[]) AND (a.is_counted OR $2::integer = 1)
 UNION ALL
SELECT 'signal', s.execution_id::text, s.signal_id, s.name, s.taken_by, NULL, NULL, s.seq, NULL, NULL, s.at, NULL, s.payload
  FROM makegood.signal s WHERE s.execution_id = ANY($1::uuid[])`;

export async function loadExecutions(
  connections: Connections,
  ids: readonly string[],
  withUncounted = false,
): Promise<ReadonlyMap<string, Loaded>> {
  if (ids.length === 0) return new Map();
  const rows = await connections.read({ sql: loadSql, parameters: [textArray(ids), Number(withUncounted)] });
  return readers.loaded(rows);
}
