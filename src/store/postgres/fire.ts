// How schedules fire. What is due is read without a lock; the fires are one prepared statement, which is one commit: it takes
// the rows that still are as they were seen, moves them, and inserts their executions. No lock of it outlives the statement,
// so that a center that is frozen between the two holds nobody up.
//
// A start that wants a slot cannot go that way. Such moves are one transaction, with the rows locked first: schedule rows,
// then slots, then guard rows, then key records; nobody locks a schedule after one of the others.

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
import { arraysOf, type Column, unnested } from "./columns.ts";
import type { Connections } from "./connection.ts";
import { scheduleColumns, scheduleOf } from "./schedule-rows.ts";
import {
  attributeColumns,
  attributesOf,
  keyedSql,
  type StartShape,
  shapeOfStarts,
  startColumnsOf,
  startedSql,
  taggedSql,
} from "./start-rows.ts";
import { startScript } from "./starts.ts";
import { int, intOrNull, plainList, textArray } from "./values.ts";

type Request = Parameters<ScheduleStore["due"]>[0];

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

const firesHere = `(NOT s.needs_code OR s.name = ANY($2::text[]))`;

// Index schedule_due, twice: what is due, and the first that is not.
export const dueSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now)
(SELECT ${scheduleColumns}, c.now
   FROM clock c, makegood.schedule s
  WHERE s.namespace = $1::text AND s.paused IS NULL AND s.next_at <= (SELECT c.now FROM clock c) AND ${firesHere}
  ORDER BY s.next_at LIMIT $3::integer)
 UNION ALL
(SELECT ${scheduleColumns}, c.now
   FROM clock c, makegood.schedule s
  WHERE s.namespace = $1::text AND s.paused IS NULL AND s.next_at > (SELECT c.now FROM clock c) AND ${firesHere}
  ORDER BY s.next_at LIMIT 1)`;

export async function dueSchedules(
  connections: Connections,
  { namespace, names, limit }: Request,
): Promise<DueSchedules> {
  const rows = await connections.prepared({
    name: "makegood-due-schedules",
    sql: dueSql,
    parameters: [namespace, textArray(names), limit],
  });
  const now = intOrNull(rows[0]?.now) ?? 0;
  const found = rows.map(scheduleOf);
  const schedules = found.filter(({ nextAt }) => nextAt !== null && nextAt <= now);
  const next = found.find(({ nextAt }) => nextAt !== null && nextAt > now)?.nextAt;
  return { now, schedules, nextInMs: schedules.length >= limit ? 0 : next == null ? null : next - now };
}

// Index schedule_awaits, then the primary key of execution.
const endedSql = `
SELECT ${scheduleColumns}, COALESCE(e.ended_at, makegood.now_ms()) AS ended_at
  FROM makegood.schedule s
  LEFT JOIN makegood.execution e ON e.id = s.awaits
 WHERE s.namespace = $1::text AND s.awaits IS NOT NULL AND s.paused IS NULL AND ${firesHere}
   AND (e.id IS NULL OR e.ended_at IS NOT NULL)
 LIMIT $3::integer`;

export async function endedSchedules(
  connections: Connections,
  { namespace, names, limit }: Request,
): Promise<readonly EndedSchedule[]> {
  const rows = await connections.read({ sql: endedSql, parameters: [namespace, textArray(names), limit] });
  return rows.map((row) => ({ schedule: scheduleOf(row), endedAt: int(row.ended_at) }));
}

// ── Firing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const moveColumns: readonly Column<ScheduleMove>[] = [
  ["id", "uuid", (move) => move.id],
  ["version", "integer", (move) => move.version],
  ["seen_at", "bigint", (move) => move.seenAt],
  ["seen_awaits", "uuid", (move) => move.seenAwaits],
  ["next_at", "bigint", (move) => move.nextAt],
  ["awaits", "uuid", (move) => move.awaits],
  ["last_ended_at", "bigint", (move) => move.lastEndedAt],
  ["fired_at", "bigint", (move) => move.firedAt],
];

/** `m` is a move. A row whose lock another holds is his. */
const guardSql = `s.id = m.id AND s.version = m.version AND s.next_at IS NOT DISTINCT FROM m.seen_at
            AND s.awaits IS NOT DISTINCT FROM m.seen_awaits AND s.paused IS NULL
            FOR NO KEY UPDATE SKIP LOCKED`;
const setSql = `next_at = m.next_at, awaits = m.awaits, last_ended_at = m.last_ended_at, last_fired_at = GREATEST(s.last_fired_at, m.fired_at)`;

const wonSql = (moves: string): string => `won AS MATERIALIZED (
  SELECT m.*
    FROM (SELECT ${moves}) m
   CROSS JOIN LATERAL (
         SELECT FROM makegood.schedule s
          WHERE ${guardSql}) s),
moved AS (
  UPDATE makegood.schedule s SET ${setSql} FROM won m WHERE s.id = m.id)`;

const statements = new Map<string, { readonly name: string; readonly sql: string }>();

/** As in flush.ts, one prepared statement for each choice of parts that occurs. */
function statementOf(hasStarts: boolean, shape: StartShape): { readonly name: string; readonly sql: string } {
  const name = `makegood-fire${hasStarts ? "-starts" : ""}${shape.attributes ? "-attributes" : ""}`;
  const known = statements.get(name) ?? { name, sql: sqlOf(hasStarts, shape) };
  statements.set(name, known);
  return known;
}

function sqlOf(hasStarts: boolean, shape: StartShape): string {
  const columns = startColumnsOf(shape);
  const attributesAt = 1 + moveColumns.length + columns.length;
  const starts = [
    "clock AS MATERIALIZED (\n  SELECT makegood.now_ms() AS now)",
    `start AS (
  SELECT s.* FROM (SELECT ${unnested(columns, 1 + moveColumns.length)}) s WHERE s.schedule IN (SELECT w.id FROM won w))`,
    keyedSql,
    startedSql(shape),
    ...(shape.attributes ? [taggedSql(`SELECT ${unnested(attributeColumns, attributesAt)}`)] : []),
  ];
  const parts = [wonSql(unnested(moveColumns)), ...(hasStarts ? starts : [])];
  return `WITH ${parts.join(",\n")}\nSELECT array_agg(w.id)::text AS won FROM won w`;
}

export async function fire(connections: Connections, moves: readonly ScheduleMove[]): Promise<readonly MoveOutcome[]> {
  const isPlain = (move: ScheduleMove): boolean => move.starts.every(isPlainStart);
  const won = new Set(await fireAtOnce(connections, moves.filter(isPlain)));
  for (const group of inGroups(moves.filter((move) => !isPlain(move))))
    for (const id of await connections.transaction(() => fireSlowly(group))) won.add(id);
  return moves.map(({ id }) => ({ kind: won.has(id) ? "fired" : "lost" }));
}

async function fireAtOnce(connections: Connections, moves: readonly ScheduleMove[]): Promise<readonly string[]> {
  if (moves.length === 0) return [];
  const starts = moves.flatMap((move) => move.starts);
  const shape: StartShape = { ...shapeOfStarts(starts), keys: true, owners: false, schedules: true };
  const parameters = [
    ...arraysOf(moveColumns, moves),
    ...(starts.length > 0 ? arraysOf(startColumnsOf(shape), starts) : []),
    ...(shape.attributes ? arraysOf(attributeColumns, starts.flatMap(attributesOf)) : []),
  ];
  const [row] = await connections.prepared({ ...statementOf(starts.length > 0, shape), parameters });
  return plainList(row?.won);
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

function* fireSlowly(moves: readonly ScheduleMove[]): Script<readonly string[]> {
  const rows = yield {
    sql: `WITH ${wonSql(unnested(moveColumns))} SELECT array_agg(w.id)::text AS won FROM won w`,
    parameters: arraysOf(moveColumns, moves),
  };
  const won = new Set(plainList(rows[0]?.won));
  const starts = moves.filter(({ id }) => won.has(id)).flatMap((move) => move.starts);
  for (const start of [...starts].sort(inLockOrder)) yield* startScript({ ...start, claimFor: null }, false);
  return [...won];
}
