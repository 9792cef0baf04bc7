// How schedules fire. What is due is read; the fires are one write transaction, in which each row that still is as it was seen
// moves on and its executions are inserted.
import type {
  DueSchedules,
  EndedSchedule,
  MoveOutcome,
  ScheduleMove,
  ScheduleStore,
} from "../../core/schedule-store.ts";
import type { Sql } from "./connection.ts";
import { bytesOrNull, idToBytes } from "./id-bytes.ts";
import type { Moment } from "./moment.ts";
import { scheduleColumns, toSchedule } from "./schedule-rows.ts";
import { start } from "./starts.ts";

type Request = Parameters<ScheduleStore["due"]>[0];

const firesHere = `(s.needs_code = 0 OR s.name IN (SELECT value FROM json_each(?)))`;

// Served by schedule_due.
const selectDue = `
SELECT ${scheduleColumns} FROM makegood_schedule AS s
 WHERE s.namespace = ? AND s.paused IS NULL AND s.next_at <= ? AND ${firesHere}
 ORDER BY s.next_at LIMIT ?`;
const selectNext = `
SELECT s.next_at FROM makegood_schedule AS s
 WHERE s.namespace = ? AND s.paused IS NULL AND s.next_at > ? AND ${firesHere}
 ORDER BY s.next_at LIMIT 1`;

export function dueSchedules(sql: Sql, { namespace, names, limit }: Request, now: number): DueSchedules {
  const among = JSON.stringify(names);
  const schedules = sql.rows(selectDue, [namespace, now, among, limit]).map(toSchedule);
  if (schedules.length >= limit) return { now, schedules, nextInMs: 0 };
  const next = sql.tuple(selectNext, [namespace, now, among]);
  return { now, schedules, nextInMs: next === undefined ? null : (next[0] as number) - now };
}

// Served by schedule_awaits, then the primary key of execution.
const selectEnded = `
SELECT ${scheduleColumns}, coalesce(e.ended_at, ?) AS ended_at
  FROM makegood_schedule AS s LEFT JOIN makegood_execution AS e ON e.id = s.awaits
 WHERE s.namespace = ? AND s.awaits IS NOT NULL AND s.paused IS NULL AND ${firesHere}
   AND (e.id IS NULL OR e.ended_at IS NOT NULL)
 LIMIT ?`;

export function endedSchedules(sql: Sql, { namespace, names, limit }: Request, now: number): readonly EndedSchedule[] {
  return sql
    .rows(selectEnded, [now, namespace, JSON.stringify(names), limit])
    .map((row) => ({ schedule: toSchedule(row), endedAt: row["ended_at"] as number }));
}

const moveOn = `
UPDATE makegood_schedule
   SET next_at = ?, awaits = ?, last_ended_at = ?, last_fired_at = CASE WHEN ? > coalesce(last_fired_at, 0) THEN ? ELSE last_fired_at END
 WHERE id = ? AND version = ? AND next_at IS ? AND awaits IS ? AND paused IS NULL`;

export function fire(sql: Sql, moves: readonly ScheduleMove[], moment: Moment): readonly MoveOutcome[] {
  return moves.map((move) => {
    const { id, version, seenAt, seenAwaits, nextAt, awaits, lastEndedAt, firedAt, starts } = move;
    const seen = [idToBytes(id), version, seenAt, bytesOrNull(seenAwaits)];
    if (sql.run(moveOn, [nextAt, bytesOrNull(awaits), lastEndedAt, firedAt, firedAt, ...seen]) === 0)
      return { kind: "lost" };
    for (const execution of starts) start(sql, execution, null, moment);
    return { kind: "fired" };
  });
}
