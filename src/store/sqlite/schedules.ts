// Schedules: commands and reads. How they fire is in fire.ts.
import type { Actor } from "../../core/ports.ts";
import type {
  NewSchedule,
  ScheduleContent,
  ScheduleOutcome,
  ScheduleStore,
  SeenSchedule,
} from "../../core/schedule-store.ts";
import type { Connection, Sql, Values } from "./connection.ts";
import { dueSchedules, endedSchedules, fire } from "./fire.ts";
import { toAudit } from "./history.ts";
import { bytesOrNull, idFromBytes, idToBytes } from "./id-bytes.ts";
import type { Moment } from "./moment.ts";
import { scheduleColumns, toSchedule } from "./schedule-rows.ts";

type ListRequest = Parameters<ScheduleStore["list"]>[0];

export function scheduleStore(connection: Connection): ScheduleStore {
  return {
    now: () => connection.read((_, { now }) => now),
    put: (schedule, actor, note = null) => connection.write((sql, moment) => put(sql, schedule, actor, note, moment)),

    edit: ({ id, seen, content, verb, actor, note }) =>
      connection.write((sql, moment): ScheduleOutcome => {
        const place = idToBytes(id);
        const stands = readSeen(sql, place);
        if (stands === null) return { kind: "unknown-schedule" };
        if (stands.version !== seen.version || stands.lastFiredAt !== seen.lastFiredAt) return { kind: "stale" };
        sql.run(update, [...valuesOf(content), moment.now, place]);
        audit(sql, place, stands.namespace, verb, actor, note, moment);
        return { kind: "done" };
      }),

    remove: ({ id, actor, note }) =>
      connection.write((sql, moment): ScheduleOutcome => {
        const place = idToBytes(id);
        const stands = readSeen(sql, place);
        if (stands === null) return { kind: "unknown-schedule" };
        sql.run(removeOne, [place]);
        audit(sql, place, stands.namespace, "remove", actor, note, moment);
        return { kind: "done" };
      }),

    find: (id) => connection.read((sql) => sql.rows(selectOne, [idToBytes(id)]).map(toSchedule)[0] ?? null),
    findByName: ({ namespace, name }) =>
      connection.read((sql) => sql.rows(selectByName, [namespace, name]).map(toSchedule)[0] ?? null),
    list: (request) =>
      connection.read((sql) => sql.rows(selectPageOf(request.source), pageOf(request)).map(toSchedule)),
    audit: (id) => connection.read((sql) => sql.rows(selectAudit, [idToBytes(id)]).map(toAudit)),
    unserved: (namespace) =>
      connection.read((sql, { now }) =>
        sql.rows(selectUnserved, [namespace, namespace, now]).map((row) => row["job"] as string),
      ),
    followers: (namespace) => connection.read((sql) => sql.rows(selectFollowers, [namespace]).map(toSchedule)),
    due: (request) => connection.read((sql, { now }) => dueSchedules(sql, request, now)),
    ended: (request) => connection.read((sql, { now }) => endedSchedules(sql, request, now)),
    fire: (moves) => connection.write((sql, moment) => fire(sql, moves, moment)),
  };
}

const selectSchedule = `
SELECT ${scheduleColumns} FROM makegood_schedule AS s`;

// Served by the primary key.
const selectOne = `${selectSchedule}
 WHERE s.id = ?`;
// Served by schedule_follows.
const selectFollowers = `${selectSchedule}
 WHERE s.namespace = ? AND s.follows = 1
 ORDER BY s.id`;
// Served by schedule_name.
const selectByName = `${selectSchedule}
 WHERE s.namespace = ? AND s.name = ?`;
// Served by the primary key, backwards: ids are in the order of time. Those from code by schedule_code, which the text must name.
const selectPageOf = (source: ListRequest["source"]): string => `${selectSchedule}
 WHERE s.id < ? AND s.namespace = ? AND (? IS NULL OR s.job = ?) AND (? IS NULL OR s."group" = ?)
   ${source === undefined ? "" : `AND s.source = '${source}'`}
 ORDER BY s.id DESC
 LIMIT ?`;

const afterAll = new Uint8Array(16).fill(0xff);

const pageOf = ({ namespace, job, group, after, limit }: ListRequest): Values => {
  const twice = [job ?? null, group ?? null].flatMap((value) => [value, value]);
  return [after === undefined ? afterAll : idToBytes(after), namespace, ...twice, limit];
};

// Served by audit_execution.
const selectAudit = `
SELECT execution_id, verb, actor_kind, actor_id, note, at FROM makegood_audit WHERE execution_id = ? ORDER BY at, id`;

const selectUnserved = `
SELECT DISTINCT s.job FROM makegood_schedule AS s
 WHERE s.namespace = ? AND s.source = 'code'
   AND NOT EXISTS (
       SELECT 1 FROM makegood_worker AS w, json_each(w.jobs) AS j
        WHERE w.namespace = ? AND w.lease_until > ? AND j.value ->> 0 = s.job)`;

// ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────────────

const insert = `
INSERT INTO makegood_schedule (job, "group", definition, input, needs_code, follows, paused, enabled_at, next_at, awaits, last_ended_at,
  id, namespace, name, source, version, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)`;
const findTaken = `
SELECT id FROM makegood_schedule WHERE id = ?
 UNION ALL
SELECT id FROM makegood_schedule WHERE namespace = ? AND name = ?`;

function put(sql: Sql, schedule: NewSchedule, actor: Actor, note: string | null, moment: Moment) {
  const { namespace, name, source } = schedule;
  const id = idToBytes(schedule.id);
  const taken = sql.tuple(findTaken, [id, namespace, name]);
  if (taken !== undefined) return { kind: "exists", id: idFromBytes(taken[0]) } as const;
  sql.run(insert, [...valuesOf(schedule), id, namespace, name, source, moment.now, moment.now]);
  audit(sql, id, namespace, "create", actor, note, moment);
  return { kind: "created" } as const;
}

const update = `
UPDATE makegood_schedule
   SET job = ?, "group" = ?, definition = ?, input = ?, needs_code = ?, follows = ?, paused = ?,
       enabled_at = ?, next_at = ?, awaits = ?, last_ended_at = ?, version = version + 1, updated_at = ?
 WHERE id = ?`;
const removeOne = `
DELETE FROM makegood_schedule WHERE id = ?`;
const selectSeen = `
SELECT namespace, version, last_fired_at FROM makegood_schedule WHERE id = ?`;

function readSeen(sql: Sql, id: Uint8Array): (SeenSchedule & { readonly namespace: string }) | null {
  const found = sql.tuple(selectSeen, [id]) as readonly [string, number, number | null] | undefined;
  return found === undefined ? null : { namespace: found[0], version: found[1], lastFiredAt: found[2] };
}

const insertAudit = `
INSERT INTO makegood_audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;

/** Beside those of executions; `execution_id` is the schedule. */
function audit(
  sql: Sql,
  id: Uint8Array,
  namespace: string,
  verb: string,
  actor: Actor,
  note: string | null,
  moment: Moment,
): void {
  sql.run(insertAudit, [moment.newId(), namespace, id, verb, actor.kind, actor.id, note, moment.now]);
}

// ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const valuesOf = (content: ScheduleContent): Values => [
  ...[content.job, content.group, content.definition, content.input, content.needsCode ? 1 : 0],
  content.follows ? 1 : 0,
  ...[content.paused, content.enabledAt, content.nextAt, bytesOrNull(content.awaits), content.lastEndedAt],
];
