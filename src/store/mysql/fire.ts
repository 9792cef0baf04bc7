// How schedules fire. What is due is read without a lock; the fires are one transaction, which takes the rows that still are as
// they were seen and that nobody else has locked, moves them, and inserts their executions. Schedule rows are locked before
// slots, guard rows and key records; nobody locks a schedule after one of these.
import type {
  DueSchedules,
  EndedSchedule,
  MoveOutcome,
  ScheduleMove,
  ScheduleStore,
} from "../../core/schedule-store.ts";
import type { Script } from "../../core/script.ts";
import { inLockOrder } from "../server/land-writes.ts";
import { isPlainStart } from "../server/plain.ts";
import { nowSql } from "./clock.ts";
import type { Connections } from "./connection.ts";
import { flushScript } from "./flush.ts";
import { type Column, tables } from "./lists.ts";
import { scheduleColumns, scheduleOf } from "./schedule-rows.ts";
import { startScript } from "./starts.ts";
import { bytesOf, idBytes, idBytesOrNull, idOf, int } from "./values.ts";

type Request = Parameters<ScheduleStore["due"]>[0];

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** With as many names as are asked for. A read locks nothing, so a bare list is no harm. */
const firesHere = (names: readonly string[]): string =>
  `(s.needs_code = 0 OR s.name IN (${["NULL", ...names.map(() => "?")].join(", ")}))`;

export async function dueSchedules(
  connections: Connections,
  { namespace, names, limit }: Request,
): Promise<DueSchedules> {
  const given = [bytesOf(namespace), ...names.map(bytesOf)];
  // Index schedule_due, whose order this is: what is due, and one more.
  const rows = await connections.read({
    sql: `
      SELECT ${scheduleColumns}, ${nowSql} AS now
        FROM makegood_schedule s FORCE INDEX (schedule_due)
       WHERE s.due_in = ? AND s.next_at <= ${nowSql} AND ${firesHere(names)}
       ORDER BY s.next_at LIMIT ?`,
    parameters: [...given, limit],
  });
  const schedules = rows.map(scheduleOf);
  if (schedules.length >= limit) return { now: int(rows[0]?.now), schedules, nextInMs: 0 };
  const [next] = await connections.read({
    sql: `
      SELECT s.next_at, ${nowSql} AS now
        FROM makegood_schedule s FORCE INDEX (schedule_due)
       WHERE s.due_in = ? AND s.next_at > ? AND ${firesHere(names)}
       ORDER BY s.next_at LIMIT 1`,
    parameters: [given[0], rows[0] === undefined ? 0 : int(rows[0].now), ...given.slice(1)],
  });
  const now = int(rows[0]?.now ?? next?.now ?? 0);
  return { now, schedules, nextInMs: next === undefined ? null : Math.max(0, int(next.next_at) - int(next.now)) };
}

export async function endedSchedules(
  connections: Connections,
  { namespace, names, limit }: Request,
): Promise<readonly EndedSchedule[]> {
  // Index schedule_awaits, then the primary key of execution.
  const rows = await connections.read({
    sql: `
      SELECT ${scheduleColumns}, COALESCE(e.ended_at, ${nowSql}) AS ended_at
        FROM makegood_schedule s FORCE INDEX (schedule_awaits)
        LEFT JOIN makegood_execution e ON e.id = s.awaits
       WHERE s.awaits_in = ? AND ${firesHere(names)} AND (e.id IS NULL OR e.ended_at IS NOT NULL)
       LIMIT ?`,
    parameters: [bytesOf(namespace), ...names.map(bytesOf), limit],
  });
  return rows.map((row) => ({ schedule: scheduleOf(row), endedAt: int(row.ended_at) }));
}

// ── Firing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const moveColumns: readonly Column<ScheduleMove>[] = [
  ["id", (move) => idBytes(move.id)],
  ["version", (move) => move.version],
  ["seen_at", (move) => move.seenAt],
  ["seen_awaits", (move) => idBytesOrNull(move.seenAwaits)],
  ["next_at", (move) => move.nextAt],
  ["awaits", (move) => idBytesOrNull(move.awaits)],
  ["last_ended_at", (move) => move.lastEndedAt],
  ["fired_at", (move) => move.firedAt],
];

export async function fire(connections: Connections, moves: readonly ScheduleMove[]): Promise<readonly MoveOutcome[]> {
  const isPlain = (move: ScheduleMove): boolean => move.starts.every(isPlainStart);
  const plain = moves.filter(isPlain);
  const won = new Set(plain.length === 0 ? [] : await connections.flush(() => fireScript(plain)));
  for (const group of inGroups(moves.filter((move) => !isPlain(move))))
    for (const id of await connections.transaction(() => fireScript(group))) won.add(id);
  return moves.map(({ id }) => ({ kind: won.has(id) ? "fired" : "lost" }));
}

/** A frozen process keeps what its transaction has locked until the server ends that: few rows each. */
const groupSize = 50;

/** One that replaces a running execution waits for that one's guard row, so it goes alone. */
function inGroups(moves: readonly ScheduleMove[]): readonly (readonly ScheduleMove[])[] {
  const replaces = (move: ScheduleMove): boolean => move.starts.some(({ blocking }) => blocking === "replace-running");
  const together = moves.filter((move) => !replaces(move));
  const groups = moves.filter(replaces).map((move): readonly ScheduleMove[] => [move]);
  for (let from = 0; from < together.length; from += groupSize) groups.push(together.slice(from, from + groupSize));
  return groups;
}

function* fireScript(moves: readonly ScheduleMove[]): Script<readonly string[]> {
  const won = yield* lockSeen(moves);
  const winners = moves.filter(({ id }) => won.has(id));
  for (const table of tables(moveColumns, winners))
    yield {
      sql: `
        UPDATE (${table}) m
         STRAIGHT_JOIN makegood_schedule s ON s.id = m.id
           SET s.next_at = m.next_at, s.awaits = m.awaits, s.last_ended_at = m.last_ended_at,
               s.last_fired_at = IF(m.fired_at > COALESCE(s.last_fired_at, 0), m.fired_at, s.last_fired_at)`,
      parameters: [],
    };
  const starts = winners.flatMap((move) => move.starts.map((start) => ({ ...start, claimFor: null })));
  const slow = starts.filter((start) => !isPlainStart(start));
  yield* flushScript(starts.filter(isPlainStart), []);
  for (const start of slow.sort(inLockOrder)) yield* startScript(start, false);
  return [...won];
}

/** Primary key of schedule. In order of id; a row whose lock another holds is his. */
function* lockSeen(moves: readonly ScheduleMove[]): Script<ReadonlySet<string>> {
  const won = new Set<string>();
  const sorted = [...moves].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const table of tables(moveColumns, sorted)) {
    const rows = yield {
      sql: `
        SELECT HEX(s.id) AS id
          FROM (${table}) m
         STRAIGHT_JOIN makegood_schedule s ON s.id = m.id
         WHERE s.version = m.version AND s.next_at <=> m.seen_at AND s.awaits <=> m.seen_awaits AND s.paused IS NULL
           FOR UPDATE SKIP LOCKED`,
      parameters: [],
    };
    for (const row of rows) won.add(idOf(row.id));
  }
  return won;
}
