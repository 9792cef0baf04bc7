// What writes leave in which table: the rows as columns, and the statements that take many of them at once.
import type { AttemptRow, JournalRow } from "../../core/journal.ts";
import type { Statement } from "../../core/script.ts";
import type { Incident, Write } from "../../core/store.ts";
import { ruleOf, terminalSql } from "../server/fence.ts";
import { newRowId, nowSql } from "./clock.ts";
import { type Column, inserts, tables } from "./lists.ts";
import { bytesOf, bytesOfNullable, idBytes, literal } from "./values.ts";

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

export const recordKey: readonly Column<RecordRow>[] = [
  ["execution_id", (record) => idBytes(record.id)],
  ["step", ({ row }) => row.step],
  ["role", ({ row }) => row.role],
  ["token", (record) => record.token],
];
const recordColumns: readonly Column<RecordRow>[] = [
  ...recordKey,
  ["kind", ({ row }) => row.kind],
  ["seq", ({ row }) => row.seq],
  ["started", ({ row }) => row.started],
  ["attempt", ({ row }) => row.attempt],
  ["state", ({ row }) => row.state],
  ["body", ({ row }) => row.body],
  ["at", ({ row }) => row.at],
  ["actor", ({ row }) => row.actor],
];

/** Primary key of journal. Not INSERT IGNORE, which would cut a value to size: a row that is there stays as it is. */
const keepThere = " ON DUPLICATE KEY UPDATE execution_id = execution_id";

/** `mayBeThere`: repeats meet their own rows, and pass; else a row that is there fails the statement. */
export const insertRecords = (records: readonly RecordRow[], mayBeThere: boolean): readonly Statement[] =>
  inserts("makegood_journal", recordColumns, records, mayBeThere ? keepThere : "");

/** Rows in the place of these that bear another token. */
export const findForeignRecords = (records: readonly RecordRow[]): readonly Statement[] =>
  tables(recordKey, records).map((table) => ({
    sql: `
      SELECT HEX(j.execution_id) AS execution_id, j.step
        FROM (${table}) i
       STRAIGHT_JOIN makegood_journal j FORCE INDEX (PRIMARY) ON j.execution_id = i.execution_id AND j.step = i.step AND j.role = i.role
       WHERE j.token <> i.token
       LIMIT 1`,
    parameters: [],
  }));

// ── Attempts, signals taken, progress, incidents ───────────────────────────────────────────────────────────────────

export const attemptsOf = (writes: readonly Write[]): readonly Of<AttemptRow>[] =>
  rowsOf(writes, (write) => write.attempts);

export const attemptKey: readonly Column<Of<AttemptRow>>[] = [
  ["execution_id", (attempt) => idBytes(attempt.id)],
  ["step", ({ row }) => row.step],
  ["role", ({ row }) => row.role],
  ["attempt", ({ row }) => row.attempt],
  ["token", (attempt) => attempt.token],
];
const attemptColumns: readonly Column<Of<AttemptRow>>[] = [
  ...attemptKey,
  ["at", ({ row }) => row.at],
  ["next_at", ({ row }) => row.nextAt],
  ["is_unknown", ({ row }) => Number(row.isUnknown)],
  ["error", ({ row }) => row.error],
];

export const insertAttempts = (writes: readonly Write[]): readonly Statement[] =>
  inserts("makegood_attempt", attemptColumns, attemptsOf(writes), keepThere);

type Take = NonNullable<Write["takes"]>[number];
const takeColumns: readonly Column<Of<Take>>[] = [
  ["execution_id", (take) => idBytes(take.id)],
  ["signal_id", ({ row }) => bytesOf(row.signalId)],
  ["step", ({ row }) => bytesOf(row.step)],
];

/** Primary key of signal. */
export const takeSignals = (writes: readonly Write[]): readonly Statement[] =>
  tables(
    takeColumns,
    rowsOf(writes, (write) => write.takes),
  ).map((table) => ({
    sql: `
      UPDATE (${table}) t
       STRAIGHT_JOIN makegood_signal s FORCE INDEX (PRIMARY) ON s.execution_id = t.execution_id AND s.signal_id = t.signal_id
         SET s.taken_by = t.step
       WHERE s.taken_by IS NULL`,
    parameters: [],
  }));

type Progress = NonNullable<Write["progress"]>;
const progressColumns: readonly Column<Of<Progress>>[] = [
  ["execution_id", (progress) => idBytes(progress.id)],
  ["fraction", ({ row }) => row.fraction],
  ["note", ({ row }) => row.note],
];

/** One by one: at most one a second of each execution. The two databases name the new row differently. */
export const setProgress = (writes: readonly Write[]): readonly Statement[] =>
  rowsOf(writes, (write) => oneOrNone(write.progress)).flatMap((progress) =>
    inserts("makegood_progress", progressColumns, [progress], " ON DUPLICATE KEY UPDATE fraction = ?, note = ?").map(
      ({ sql }) => ({ sql, parameters: [progress.row.fraction, progress.row.note] }),
    ),
  );

const incidentColumns: readonly Column<Of<Incident>>[] = [
  ["id", newRowId],
  ["execution_id", (incident) => idBytes(incident.id)],
  ["code", ({ row }) => bytesOf(row.code)],
  ["step", ({ row }) => bytesOfNullable(row.step)],
  ["error", ({ row }) => row.error],
];

export const openIncidents = (writes: readonly Write[]): readonly Statement[] =>
  tables(
    incidentColumns,
    rowsOf(writes, ({ transition }) => (transition?.name === "park" ? oneOrNone(transition.incident) : [])),
  ).map((table) => ({
    sql: `
      INSERT INTO makegood_incident (id, namespace, execution_id, code, step, error, opened_at)
      SELECT i.id, e.namespace, e.id, i.code, i.step, i.error, ${nowSql}
        FROM (${table}) i
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = i.execution_id`,
    parameters: [],
  }));

// ── Guard row ─────────────────────────────────────────────────────────────────────────────────────────────────────

// Those that come to the same are one UPDATE: some 21 µs a row. The others are one INSERT that finds each row there, since all
// are locked, and updates it: 28 µs a row without results, both beside claims. An UPDATE that joins a list writes the list to a
// temporary table first, on disk where it holds payloads: 93 to 99 µs a row with results, against 59 to 89 for the INSERT
// (MariaDB 10.11, 2 vCPU, November 2026).

/** Never stored: what a new row could not do without. */
const unusedColumns: readonly Column<Write>[] = [
  ["version", () => 0],
  ["created_at", () => 0],
  ["retain_ms", () => 0],
  ["priority", () => 0],
  ["namespace", () => ""],
  ["job", () => ""],
  ["actor", () => ""],
];
const outcomeColumns: readonly Column<Write>[] = [
  ["result", ({ transition }) => transition?.outcome?.result ?? null],
  ["error", ({ transition }) => transition?.outcome?.error ?? null],
  ["undone_count", ({ transition }) => transition?.outcome?.undoneCount || null],
];
/** What a move says of a column, as SQL. */
type Said = (name: string) => string;
const saidByRow: Said = (name) => `VALUES(${name})`;

/** Written once, with the decision to confirm or with the end. */
const setOutcome = (said: Said): string =>
  outcomeColumns.map(([name]) => `${name} = COALESCE(${name}, ${said(name)})`).join(", ");

const turnColumns: readonly Column<Write>[] = [
  ["id", (write) => idBytes(write.lease.executionId)],
  ["status", () => "running"],
  ["phase", (write) => ruleOf(write)?.phase ?? null],
  // Only a turn has a reason; it is kept to the end.
  ["reason", ({ transition }) => (transition?.name === "turn-back" ? (transition.reason ?? null) : null)],
  ...outcomeColumns,
  ...unusedColumns,
];
/** All that a rest says. */
const saidColumns: readonly Column<Write>[] = [
  ["status", (write) => ruleOf(write)?.status ?? null],
  // From now on; null: none.
  ["wake_at", ({ transition }) => wakeInMs(transition)],
  ...outcomeColumns,
];
const restColumns: readonly Column<Write>[] = [
  ["id", (write) => idBytes(write.lease.executionId)],
  ...saidColumns,
  ...unusedColumns,
];

function wakeInMs(transition: Transition | undefined): number | null {
  if (transition?.name === "hand-back") return 0;
  return transition?.name === "suspend" ? (transition.wakeInMs ?? null) : null;
}

const turnSql = `
  ON DUPLICATE KEY UPDATE phase = VALUES(phase), reason = COALESCE(VALUES(reason), reason), ${setOutcome(saidByRow)}`;

/** MySQL assigns from left to right, so the status comes last. */
function setRest(said: Said): string {
  const isEnd = `${said("status")} IN (${terminalSql})`;
  return `
     worker = NULL, wake_at = ${nowSql} + ${said("wake_at")}, slot = IF(${isEnd}, NULL, slot),
     ended_at = IF(${isEnd}, ${nowSql}, NULL), prune_at = IF(${isEnd}, ${nowSql} + retain_ms, NULL),
     ${setOutcome(said)}, status = ${said("status")}`;
}

/**
 * What transitions do to guard rows, which are locked and were compared with the fence. Primary key of execution. A change of
 * phase keeps the owner; every other move leaves none.
 */
export function moveAll(writes: readonly Write[]): readonly Statement[] {
  const moves = writes.filter((write) => write.transition !== undefined);
  const isTurn = (write: Write): boolean => ruleOf(write)?.status === null;
  const { alike, others } = groupAlike(moves.filter((write) => !isTurn(write)));
  return [
    ...inserts("makegood_execution", turnColumns, moves.filter(isTurn), turnSql),
    ...alike.map(restAlike),
    ...inserts("makegood_execution", restColumns, others, `\n  ON DUPLICATE KEY UPDATE${setRest(saidByRow)}`),
  ];
}

/** Results longer than this are not compared. */
const maxAlikeBytes = 64;

/** Moves that say the same, such as the ends of jobs without a result, two at least in each; and all the others. */
function groupAlike(moves: readonly Write[]): {
  readonly alike: readonly (readonly Write[])[];
  readonly others: readonly Write[];
} {
  const groups = Map.groupBy(moves, (write) => {
    const outcome = write.transition?.outcome;
    const isLong = [outcome?.result, outcome?.error].some((bytes) => (bytes?.length ?? 0) > maxAlikeBytes);
    return isLong ? null : saidColumns.map(([, of]) => literal(of(write))).join();
  });
  const isAlike = (group: readonly Write[], said: string | null): boolean => said !== null && group.length > 1;
  const all = [...groups];
  return {
    alike: all.filter(([said, group]) => isAlike(group, said)).map(([, group]) => group),
    others: all.filter(([said, group]) => !isAlike(group, said)).flatMap(([, group]) => group),
  };
}

function restAlike(writes: readonly Write[]): Statement {
  const [first] = writes as readonly [Write, ...Write[]];
  const said = new Map(saidColumns.map(([name, of]) => [name, literal(of(first))]));
  const ids = writes.map((write) => literal(idBytes(write.lease.executionId)));
  return {
    sql: `
      UPDATE makegood_execution FORCE INDEX (PRIMARY)
         SET ${setRest((name) => said.get(name) ?? "NULL")}
       WHERE id IN (${ids.join(", ")})`,
    parameters: [],
  };
}
