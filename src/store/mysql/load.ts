// What a new owner reads besides the guard row, and history for people: journal, attempts, signals.
import type { Reason } from "../../core/execution.ts";
import type { AttemptRow, JournalRow, Role, StepKind } from "../../core/journal.ts";
import type { Row } from "../../core/script.ts";
import type { Loaded, StoredSignal } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { bytesOrNull, idList, idOf, idTable, int, text, textOrNull } from "./values.ts";

export type TokenedRow = JournalRow & { readonly token: number };

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

interface Loading {
  readonly journal: TokenedRow[];
  readonly attempts: AttemptRow[];
  readonly signals: { readonly seq: number; readonly signal: StoredSignal }[];
  guard: { readonly inbox: number; readonly cancel: Reason | null } | undefined;
}

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
  const loading = new Map<string, Loading>();
  for (const row of rows) {
    const id = idOf(row.id);
    const found = loading.get(id) ?? { journal: [], attempts: [], signals: [], guard: undefined };
    loading.set(id, found);
    take(found, row);
  }
  const loaded = new Map<string, Loaded>();
  for (const [id, { guard, journal, attempts, signals }] of loading) {
    if (guard === undefined) continue;
    journal.sort((a, b) => a.seq - b.seq);
    attempts.sort((a, b) => a.at - b.at || a.attempt - b.attempt);
    signals.sort((a, b) => a.seq - b.seq);
    loaded.set(id, { ...guard, journal, attempts, signals: signals.map(({ signal }) => signal) });
  }
  return loaded;
}

function take(loading: Loading, row: Row): void {
  const kind = text(row.kind);
  if (kind === "guard") loading.guard = { inbox: int(row.i), cancel: textOrNull<Reason>(row.a) };
  else if (kind === "journal") loading.journal.push(journalOf(row));
  else if (kind === "attempt") loading.attempts.push(attemptOf(row));
  else loading.signals.push({ seq: int(row.i), signal: signalOf(row) });
}

const journalOf = (row: Row): TokenedRow => ({
  step: text(row.a),
  role: text<Role>(row.b),
  kind: text<StepKind>(row.c),
  seq: int(row.i),
  started: int(row.k),
  attempt: int(row.l),
  state: text<JournalRow["state"]>(row.d),
  body: bytesOrNull(row.body),
  at: int(row.at),
  actor: textOrNull(row.actor),
  token: int(row.token),
});

const attemptOf = (row: Row): AttemptRow => ({
  step: text(row.a),
  role: text<Role>(row.b),
  attempt: int(row.i),
  at: int(row.at),
  nextAt: int(row.k),
  isUnknown: int(row.l) === 1,
  error: bytesOrNull(row.body),
});

const signalOf = (row: Row): StoredSignal => ({
  signalId: text(row.a),
  name: text(row.b),
  payload: bytesOrNull(row.body),
  at: int(row.at),
  takenBy: textOrNull(row.c),
});
