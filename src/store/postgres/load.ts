// What a new owner reads besides the guard row, and history for people: journal, attempts, signals.
import type { Reason } from "../../core/execution.ts";
import type { AttemptRow, JournalRow, Role, StepKind } from "../../core/journal.ts";
import type { Row } from "../../core/script.ts";
import type { Loaded, StoredSignal } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { bytesOrNull, int, text, textArray, textOrNull } from "./values.ts";

export type TokenedRow = JournalRow & { readonly token: number };

// Primary keys of execution, journal, attempt, signal. One statement is one snapshot, so the inbox is no newer than the
// signals. Columns: table, execution, then what it has of texts, numbers and bytes.
const loadSql = `
SELECT 'guard' AS of, e.id::text AS id, e.cancel AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS actor,
       e.inbox::bigint AS i, NULL::bigint AS j, NULL::bigint AS k, NULL::bigint AS at, NULL::bigint AS token, NULL::bytea AS body
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
  const rows = await connections.read({ sql: loadSql, parameters: [textArray(ids), Number(withUncounted)] });
  const loading = new Map<string, Loading>();
  for (const row of rows) {
    const id = text(row.id);
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
  if (row.of === "guard") loading.guard = { inbox: int(row.i), cancel: textOrNull<Reason>(row.a) };
  else if (row.of === "journal") loading.journal.push(journalOf(row));
  else if (row.of === "attempt") loading.attempts.push(attemptOf(row));
  else loading.signals.push({ seq: int(row.i), signal: signalOf(row) });
}

const journalOf = (row: Row): TokenedRow => ({
  step: text(row.a),
  role: text<Role>(row.b),
  kind: text<StepKind>(row.c),
  seq: int(row.i),
  started: int(row.j),
  attempt: int(row.k),
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
  nextAt: int(row.j),
  isUnknown: int(row.k) === 1,
  error: bytesOrNull(row.body),
});

const signalOf = (row: Row): StoredSignal => ({
  signalId: text(row.a),
  name: text(row.b),
  payload: bytesOrNull(row.body),
  at: int(row.at),
  takenBy: textOrNull(row.c),
});
