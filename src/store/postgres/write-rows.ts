// What writes leave in which table: the rows as columns, and the statements that take many of them at once.
import type { AttemptRow, JournalRow } from "../../core/journal.ts";
import type { Incident, Write } from "../../core/store.ts";
import { ruleOf, terminalSql } from "../server/fence.ts";
import { type Column, unnested } from "./columns.ts";

type Transition = NonNullable<Write["transition"]>;
interface Of<T> {
  readonly id: string;
  readonly token: number;
  readonly row: T;
}

function rowsOf<T>(writes: readonly Write[], find: (write: Write) => readonly T[] | undefined): readonly Of<T>[] {
  return writes.flatMap((write) =>
    (find(write) ?? []).map((row) => ({ id: write.lease.executionId, token: write.lease.token, row })),
  );
}

const oneOrNone = <T>(row: T | null | undefined): readonly T[] => (row === null || row === undefined ? [] : [row]);

// ── Journal ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type RecordRow = Of<JournalRow>;
export const recordsOf = (writes: readonly Write[]): readonly RecordRow[] => rowsOf(writes, (write) => write.records);

export const recordColumns: readonly Column<RecordRow>[] = [
  ["execution_id", "uuid", (record) => record.id],
  ["step", "text", ({ row }) => row.step],
  ["role", "text", ({ row }) => row.role, "mostly-alike"],
  ["kind", "text", ({ row }) => row.kind, "mostly-alike"],
  ["seq", "integer", ({ row }) => row.seq],
  ["started", "integer", ({ row }) => row.started],
  ["attempt", "integer", ({ row }) => row.attempt, "mostly-alike"],
  ["state", "text", ({ row }) => row.state, "mostly-alike"],
  ["body", "bytea", ({ row }) => row.body],
  ["at", "bigint", ({ row }) => row.at],
  ["token", "integer", (record) => record.token, "mostly-alike"],
  ["actor", "text", ({ row }) => row.actor, "mostly-alike"],
];

/** Primary key of journal. Repeats meet their own rows, and pass. */
export const insertRecordsSql = `
  WITH wrote AS (
    INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
    SELECT ${unnested(recordColumns)}
    ON CONFLICT (execution_id, step, role) DO NOTHING
    RETURNING 1)
  SELECT count(*) AS count FROM wrote`;

export const findForeignRecordSql = `
  SELECT j.execution_id::text AS execution_id, j.step
    FROM (SELECT ${unnested(recordColumns)}) i
    JOIN makegood.journal j ON j.execution_id = i.execution_id AND j.step = i.step AND j.role = i.role
   WHERE j.token <> i.token
   LIMIT 1`;

// ── Attempts, signals taken, progress, incidents ───────────────────────────────────────────────────────────────────

export const attemptsOf = (writes: readonly Write[]): readonly Of<AttemptRow>[] =>
  rowsOf(writes, (write) => write.attempts);

export const attemptColumns: readonly Column<Of<AttemptRow>>[] = [
  ["execution_id", "uuid", (attempt) => attempt.id],
  ["step", "text", ({ row }) => row.step],
  ["role", "text", ({ row }) => row.role],
  ["attempt", "integer", ({ row }) => row.attempt],
  ["token", "integer", (attempt) => attempt.token],
  ["at", "bigint", ({ row }) => row.at],
  ["next_at", "bigint", ({ row }) => row.nextAt],
  ["is_unknown", "integer", ({ row }) => Number(row.isUnknown)],
  ["error", "bytea", ({ row }) => row.error],
];

export const insertAttemptsSql = `
  INSERT INTO makegood.attempt (execution_id, step, role, attempt, token, at, next_at, is_unknown, error)
  SELECT i.execution_id, i.step, i.role, i.attempt, i.token, i.at, i.next_at, i.is_unknown = 1, i.error
    FROM (SELECT ${unnested(attemptColumns)}) i
  ON CONFLICT (execution_id, step, role, attempt, token) DO NOTHING`;

type Take = NonNullable<Write["takes"]>[number];
export const takesOf = (writes: readonly Write[]): readonly Of<Take>[] => rowsOf(writes, (write) => write.takes);

export const takeColumns: readonly Column<Of<Take>>[] = [
  ["execution_id", "uuid", (take) => take.id],
  ["signal_id", "text", ({ row }) => row.signalId],
  ["step", "text", ({ row }) => row.step],
];

export const takeSignalsSql = `
  UPDATE makegood.signal s SET taken_by = t.step
    FROM (SELECT ${unnested(takeColumns)}) t
   WHERE s.execution_id = t.execution_id AND s.signal_id = t.signal_id AND s.taken_by IS NULL`;

type Progress = NonNullable<Write["progress"]>;
export const progressOf = (writes: readonly Write[]): readonly Of<Progress>[] =>
  rowsOf(writes, (write) => oneOrNone(write.progress));

export const progressColumns: readonly Column<Of<Progress>>[] = [
  ["execution_id", "uuid", (progress) => progress.id],
  ["fraction", "text", ({ row }) => String(row.fraction)],
  ["note", "text", ({ row }) => row.note],
];

export const setProgressSql = `
  INSERT INTO makegood.progress (execution_id, fraction, note)
  SELECT i.execution_id, i.fraction::double precision, i.note FROM (SELECT ${unnested(progressColumns)}) i
  ON CONFLICT (execution_id) DO UPDATE SET fraction = excluded.fraction, note = excluded.note`;

export const incidentsOf = (writes: readonly Write[]): readonly Of<Incident>[] =>
  rowsOf(writes, ({ transition }) => (transition?.name === "park" ? oneOrNone(transition.incident) : []));

export const incidentColumns: readonly Column<Of<Incident>>[] = [
  ["execution_id", "uuid", (incident) => incident.id],
  ["code", "text", ({ row }) => row.code],
  ["step", "text", ({ row }) => row.step],
  ["error", "bytea", ({ row }) => row.error],
];

export const openIncidentsSql = `
  INSERT INTO makegood.incident (id, namespace, execution_id, code, step, error, opened_at)
  SELECT makegood.new_id(), e.namespace, e.id, i.code, i.step, i.error, makegood.now_ms()
    FROM (SELECT ${unnested(incidentColumns)}) i JOIN makegood.execution e ON e.id = i.execution_id`;

// ── Guard row ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a transition does to the guard row. */
export const moveColumns: readonly Column<Write>[] = [
  ["id", "uuid", (write) => write.lease.executionId],
  ["status", "text", (write) => ruleOf(write)?.status ?? null, "mostly-alike"],
  ["phase", "text", (write) => ruleOf(write)?.phase ?? null, "mostly-alike"],
  // Only a turn has a reason; it is kept to the end.
  [
    "reason",
    "text",
    ({ transition }) => (transition?.name === "turn-back" ? (transition.reason ?? null) : null),
    "mostly-alike",
  ],
  ["wake_ms", "bigint", ({ transition }) => wakeInMs(transition), "mostly-alike"],
  ["result", "bytea", ({ transition }) => transition?.outcome?.result ?? null],
  ["error", "bytea", ({ transition }) => transition?.outcome?.error ?? null],
  ["undone_count", "integer", ({ transition }) => transition?.outcome?.undoneCount || null, "mostly-alike"],
];

function wakeInMs(transition: Transition | undefined): number | null {
  if (transition?.name === "hand-back") return 0;
  return transition?.name === "suspend" ? (transition.wakeInMs ?? null) : null;
}

/**
 * `m`: the move, `c.now`: the time. A change of phase keeps the owner; every other move leaves none. The outcome is written
 * once, with the decision to confirm or with the end.
 */
export const moveSql = `
         status = COALESCE(m.status, e.status), phase = COALESCE(m.phase, e.phase), reason = COALESCE(m.reason, e.reason),
         worker = CASE WHEN m.status IS NULL THEN e.worker END,
         wake_at = c.now + m.wake_ms,
         slot = CASE WHEN m.status IN (${terminalSql}) THEN NULL ELSE e.slot END,
         ended_at = CASE WHEN m.status IN (${terminalSql}) THEN c.now END,
         prune_at = CASE WHEN m.status IN (${terminalSql}) THEN c.now + e.retain_ms END,
         result = COALESCE(e.result, m.result), error = COALESCE(e.error, m.error),
         undone_count = COALESCE(e.undone_count, m.undone_count)`;

/** Primary key of execution. The rows are locked, and were compared with the fence. */
export const moveAllSql = `
  UPDATE makegood.execution e
     SET ${moveSql.trim()}
    FROM (SELECT ${unnested(moveColumns)}) m, (SELECT makegood.now_ms() AS now OFFSET 0) c
   WHERE e.id = m.id`;
