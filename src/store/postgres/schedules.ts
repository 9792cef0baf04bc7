// Schedules: commands and reads. How they fire is in fire.ts.
import { isUuid } from "../../core/ids.ts";
import type { Actor } from "../../core/ports.ts";
import type { NewSchedule, ScheduleContent, ScheduleOutcome, ScheduleStore } from "../../core/schedule-store.ts";
import type { Script } from "../../core/script.ts";
import type { Connections } from "./connection.ts";
import { dueSchedules, endedSchedules, fire } from "./fire.ts";
import { readers } from "./rows.ts";
import { scheduleColumns, scheduleOf } from "./schedule-rows.ts";
import { int, text } from "./values.ts";

type Command<K extends keyof ScheduleStore> = Parameters<ScheduleStore[K]>[0];

const scheduleSql = `SELECT ${scheduleColumns} FROM makegood.schedule s`;

// Walks the primary key down from `after`; of those from code alone their index.
export const listSql = `${scheduleSql}
 WHERE s.namespace = $1::text
   AND ($2::text IS NULL OR s.source = $2::text)
   AND ($3::text IS NULL OR s.job = $3::text)
   AND ($4::text IS NULL OR s."group" = $4::text)
   AND ($5::uuid IS NULL OR s.id < $5::uuid)
 ORDER BY s.id DESC
 LIMIT $6::integer`;

// Index schedule_follows.
export const followersSql = `${scheduleSql}
 WHERE s.namespace = $1::text AND s.follows
 ORDER BY s.id`;

export const unservedSql = `
SELECT DISTINCT s.job FROM makegood.schedule s
 WHERE s.namespace = $1::text AND s.source = 'code'
   AND NOT EXISTS (
       SELECT FROM makegood.worker w, jsonb_array_elements(w.jobs) j
        WHERE w.namespace = $1::text AND w.lease_until > makegood.now_ms() AND j ->> 0 = s.job)`;

export function scheduleStore(connections: Connections): ScheduleStore {
  const read = (sql: string, ...parameters: readonly unknown[]) => connections.read({ sql, parameters });
  return {
    async now() {
      const [row] = await read("SELECT makegood.now_ms() AS now");
      return int(row?.now);
    },

    async put(schedule, actor, note = null) {
      const id = await connections.transaction(() => put(schedule, actor, note));
      return id === null ? { kind: "created" } : { kind: "exists", id };
    },

    edit: (command) =>
      isUuid(command.id) ? connections.transaction(() => edit(command)) : Promise.resolve({ kind: "unknown-schedule" }),

    remove: (command) =>
      isUuid(command.id)
        ? connections.transaction(() => remove(command))
        : Promise.resolve({ kind: "unknown-schedule" }),

    async find(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`${scheduleSql} WHERE s.id = $1::uuid`, id);
      return row === undefined ? null : scheduleOf(row);
    },

    async findByName({ namespace, name }) {
      // Index schedule_name.
      const [row] = await read(`${scheduleSql} WHERE s.namespace = $1::text AND s.name = $2::text`, namespace, name);
      return row === undefined ? null : scheduleOf(row);
    },

    async list({ namespace, source, job, group, after, limit }) {
      if (after !== undefined && !isUuid(after)) return [];
      const rows = await read(listSql, namespace, source ?? null, job ?? null, group ?? null, after ?? null, limit);
      return rows.map(scheduleOf);
    },

    async audit(id) {
      if (!isUuid(id)) return [];
      const rows = await read(
        `SELECT a.execution_id::text AS execution_id, a.verb, a.actor_kind, a.actor_id, a.note, a.at
           FROM makegood.audit a WHERE a.execution_id = $1::uuid ORDER BY a.at, a.id`,
        id,
      );
      return rows.map(readers.audit);
    },

    async unserved(namespace) {
      return (await read(unservedSql, namespace)).map((row) => text(row.job));
    },

    async followers(namespace) {
      return (await read(followersSql, namespace)).map(scheduleOf);
    },

    due: (request) => dueSchedules(connections, request),
    ended: (request) => endedSchedules(connections, request),
    fire: (moves) => fire(connections, moves),
  };
}

/** Null if it was inserted; else the id that is there. Index schedule_name. */
function* put(schedule: NewSchedule, actor: Actor, note: string | null): Script<string | null> {
  const { id, namespace, name, source } = schedule;
  const inserted = yield {
    sql: `
      INSERT INTO makegood.schedule (id, namespace, name, source, version, created_at, updated_at,
        job, "group", definition, input, needs_code, follows, paused, enabled_at, next_at, awaits, last_ended_at)
      SELECT $1::uuid, $2::text, $3::text, $4::text, 1, c.now, c.now,
             $5::text, $6::text, $7::text, $8::bytea, $9::boolean, $10::boolean, $11::text, $12::bigint, $13::bigint, $14::uuid, $15::bigint
        FROM (SELECT makegood.now_ms() AS now OFFSET 0) c
      ON CONFLICT DO NOTHING
      RETURNING id`,
    parameters: [id, namespace, name, source, ...contentOf(schedule)],
  };
  if (inserted.length > 0) {
    yield* audit(id, namespace, "create", actor, note);
    return null;
  }
  const [row] = yield {
    sql: `SELECT s.id::text AS id FROM makegood.schedule s WHERE s.id = $1::uuid OR (s.namespace = $2::text AND s.name = $3::text) LIMIT 1`,
    parameters: [id, namespace, name],
  };
  // Removed between the two statements: as good as there.
  return row === undefined ? id : text(row.id);
}

/** A fire that is under way is waited for, and then seen: it has raised `last_fired_at`. */
function* edit({ id, seen, content, verb, actor, note }: Command<"edit">): Script<ScheduleOutcome> {
  const changed = yield {
    sql: `
      UPDATE makegood.schedule s
         SET job = $4::text, "group" = $5::text, definition = $6::text, input = $7::bytea, needs_code = $8::boolean,
             follows = $9::boolean, paused = $10::text, enabled_at = $11::bigint, next_at = $12::bigint, awaits = $13::uuid,
             last_ended_at = $14::bigint,
             version = s.version + 1, updated_at = makegood.now_ms()
       WHERE s.id = $1::uuid AND s.version = $2::integer AND s.last_fired_at IS NOT DISTINCT FROM $3::bigint
      RETURNING s.namespace`,
    parameters: [id, seen.version, seen.lastFiredAt, ...contentOf(content)],
  };
  const [row] = changed;
  if (row === undefined) {
    const found = yield { sql: "SELECT 1 AS found FROM makegood.schedule s WHERE s.id = $1::uuid", parameters: [id] };
    return { kind: found.length > 0 ? "stale" : "unknown-schedule" };
  }
  yield* audit(id, text(row.namespace), verb, actor, note);
  return { kind: "done" };
}

function* remove({ id, actor, note }: Command<"remove">): Script<ScheduleOutcome> {
  const [row] = yield {
    sql: "DELETE FROM makegood.schedule s WHERE s.id = $1::uuid RETURNING s.namespace",
    parameters: [id],
  };
  if (row === undefined) return { kind: "unknown-schedule" };
  yield* audit(id, text(row.namespace), "remove", actor, note);
  return { kind: "done" };
}

function* audit(
  id: string,
  namespace: string,
  verb: string,
  actor: Command<"remove">["actor"],
  note: string | null,
): Script<void> {
  yield {
    sql: `
      INSERT INTO makegood.audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at)
      VALUES (makegood.new_id(), $1::text, $2::uuid, $3::text, $4::text, $5::text, $6::text, makegood.now_ms())`,
    parameters: [namespace, id, verb, actor.kind, actor.id, note],
  };
}

const contentOf = (content: ScheduleContent): readonly unknown[] => [
  ...[content.job, content.group, content.definition, content.input, content.needsCode],
  content.follows,
  ...[content.paused, content.enabledAt, content.nextAt, content.awaits, content.lastEndedAt],
];
