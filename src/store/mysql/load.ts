import type { Loaded } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { readers } from "./rows.ts";
import { idList, idTable } from "./values.ts";

// Primary keys of execution, journal, attempt, signal. One statement is one snapshot, so the inbox is no newer than the
// signals. Columns: table, execution, then what it has of texts, numbers and bytes.
const rowsOf = (alias: string, table: string, key: string): string => `
  FROM ${idTable}
 STRAIGHT_JOIN ${table} ${alias} FORCE INDEX (PRIMARY) ON ${alias}.${key} = UNHEX(j.id)`;

const loadSql = `
SELECT 'guard' AS kind, HEX(e.id) AS id, e.cancel AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS actor,
       e.inbox AS i, NULL AS k, NULL AS l, NULL AS at, NULL AS token, NULL AS body
  ${rowsOf("e", "makegood_execution", "id")}
 UNION ALL
SELECT 'journal', HEX(r.execution_id), r.step, r.role, r.kind, r.state, r.actor, r.seq, r.started, r.attempt, r.at, r.token, r.body
  ${rowsOf("r", "makegood_journal", "execution_id")}
 UNION ALL
SELECT 'attempt', HEX(a.execution_id), a.step, a.role, NULL, NULL, NULL, a.attempt, a.next_at, a.is_unknown, a.at, a.token, a.error
  ${rowsOf("a", "makegood_attempt", "execution_id")} AND (a.is_counted = 1 OR ? = 1)
 UNION ALL
SELECT 'signal', HEX(s.execution_id), s.signal_id, s.name, s.taken_by, NULL, NULL, s.seq, NULL, NULL, s.at, NULL, s.payload
  ${rowsOf("s", "makegood_signal", "execution_id")}`;

export async function loadExecutions(
  connections: Connections,
  ids: readonly string[],
  withUncounted = false,
): Promise<ReadonlyMap<string, Loaded>> {
  if (ids.length === 0) return new Map();
  const asked = idList(ids);
  const rows = await connections.read({
    sql: loadSql,
    parameters: [asked, asked, asked, Number(withUncounted), asked],
  });
  return readers.loaded(rows);
}
