// Schedules: commands and reads. How they fire is in fire.ts.
import { isUuid } from "../../core/ids.ts";
import type { Actor } from "../../core/ports.ts";
import type { NewSchedule, ScheduleContent, ScheduleOutcome, ScheduleStore } from "../../core/schedule-store.ts";
import type { Script, Statement } from "../../core/script.ts";
import { newRowId, nowSql } from "./clock.ts";
import type { Connections } from "./connection.ts";
import { dueSchedules, endedSchedules, fire } from "./fire.ts";
import { readers } from "./rows.ts";
import { scheduleColumns, scheduleOf } from "./schedule-rows.ts";
import { bytesOf, bytesOfNullable, idBytes, idBytesOrNull, idOf, int, intOrNull, text } from "./values.ts";

type Command<K extends keyof ScheduleStore> = Parameters<ScheduleStore[K]>[0];

const scheduleSql = `SELECT ${scheduleColumns} FROM makegood_schedule s`;

export function scheduleStore(connections: Connections): ScheduleStore {
  const read = (sql: string, ...parameters: readonly unknown[]) => connections.read({ sql, parameters });
  return {
    async now() {
      const [row] = await read(`SELECT ${nowSql} AS now`);
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
      const [row] = await read(`${scheduleSql} WHERE s.id = ?`, idBytes(id));
      return row === undefined ? null : scheduleOf(row);
    },

    async findByName({ namespace, name }) {
      // Index schedule_name.
      const [row] = await read(
        `${scheduleSql} WHERE s.namespace = ? AND s.name = ?`,
        bytesOf(namespace),
        bytesOf(name),
      );
      return row === undefined ? null : scheduleOf(row);
    },

    async list(request) {
      if (request.after !== undefined && !isUuid(request.after)) return [];
      return (await connections.read(listStatement(request))).map(scheduleOf);
    },

    async audit(id) {
      if (!isUuid(id)) return [];
      const rows = await read(
        `SELECT a.execution_id, a.verb, a.actor_kind, a.actor_id, a.note, a.at
           FROM makegood_audit a WHERE a.execution_id = ? ORDER BY a.at, a.id`,
        idBytes(id),
      );
      return rows.map(readers.audit);
    },

    async unserved(namespace) {
      const space = bytesOf(namespace);
      const rows = await read(
        "SELECT DISTINCT s.job FROM makegood_schedule s WHERE s.namespace = ? AND s.source = 'code'",
        space,
      );
      const live = await read(
        `SELECT w.jobs FROM makegood_worker w WHERE w.namespace = ? AND w.lease_until > ${nowSql}`,
        space,
      );
      const served = new Set(
        live.flatMap((row) => (JSON.parse(text(row.jobs)) as [string, number][]).map(([job]) => job)),
      );
      return rows.map((row) => text(row.job)).filter((job) => !served.has(job));
    },

    async followers(namespace) {
      // Index schedule_follows.
      const sql = `${scheduleSql} WHERE s.follows = 1 AND s.namespace = ? ORDER BY s.id`;
      return (await read(sql, bytesOf(namespace))).map(scheduleOf);
    },

    due: (request) => dueSchedules(connections, request),
    ended: (request) => endedSchedules(connections, request),
    fire: (moves) => fire(connections, moves),
  };
}

/** Walks the primary key down from `after`. */
function listStatement({ namespace, source, job, group, after, limit }: Command<"list">): Statement {
  const when = (value: string | undefined, sql: string, of: (given: string) => Buffer = bytesOf) =>
    value === undefined ? [] : [{ sql, parameter: of(value) }];
  const conditions = [
    ...when(namespace, "s.namespace = ?"),
    ...(source === undefined ? [] : [{ sql: "s.source = ?", parameter: source }]),
    ...when(job, "s.job = ?"),
    ...when(group, "s.`group` = ?"),
    ...when(after, "s.id < ?", idBytes),
  ];
  return {
    sql: `${scheduleSql} WHERE ${conditions.map(({ sql }) => sql).join(" AND ")} ORDER BY s.id DESC LIMIT ?`,
    parameters: [...conditions.map(({ parameter }) => parameter), limit],
  };
}

/** Null if it was inserted; else the id that is there. Inserted before it is looked for: see starts.ts. */
function* put(schedule: NewSchedule, actor: Actor, note: string | null): Script<string | null> {
  const { namespace, name, source } = schedule;
  const id = idBytes(schedule.id);
  const [there] = yield {
    sql: "SELECT 1 AS found FROM makegood_schedule s WHERE s.id = ?",
    parameters: [id],
  };
  if (there !== undefined) return schedule.id;
  yield {
    sql: `
      INSERT INTO makegood_schedule (job, \`group\`, definition, input, needs_code, follows, paused, enabled_at, next_at, awaits,
        last_ended_at, id, namespace, name, source, version, created_at, updated_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ${nowSql}, ${nowSql})
      ON DUPLICATE KEY UPDATE version = version`,
    parameters: [...valuesOf(schedule), id, bytesOf(namespace), bytesOfNullable(name), source],
  };
  const [row] = yield {
    sql: "SELECT s.id FROM makegood_schedule s WHERE s.id = ? OR (s.namespace = ? AND s.name = ?)",
    parameters: [id, bytesOf(namespace), bytesOfNullable(name)],
  };
  const found = idOf(row?.id);
  if (found !== schedule.id) return found;
  yield* audit(id, bytesOf(namespace), "create", actor, note);
  return null;
}

/** A fire that is under way is waited for, and then seen: it has raised `last_fired_at`. */
function* edit({ id, seen, content, verb, actor, note }: Command<"edit">): Script<ScheduleOutcome> {
  const [row] = yield* lock(id);
  if (row === undefined) return { kind: "unknown-schedule" };
  if (int(row.version) !== seen.version || intOrNull(row.last_fired_at) !== seen.lastFiredAt) return { kind: "stale" };
  yield {
    sql: `
      UPDATE makegood_schedule
         SET job = ?, \`group\` = ?, definition = ?, input = ?, needs_code = ?, follows = ?, paused = ?,
             enabled_at = ?, next_at = ?, awaits = ?, last_ended_at = ?,
             version = version + 1, updated_at = ${nowSql}
       WHERE id = ?`,
    parameters: [...valuesOf(content), idBytes(id)],
  };
  yield* audit(idBytes(id), bytesOf(text(row.namespace)), verb, actor, note);
  return { kind: "done" };
}

function* remove({ id, actor, note }: Command<"remove">): Script<ScheduleOutcome> {
  const [row] = yield* lock(id);
  if (row === undefined) return { kind: "unknown-schedule" };
  yield { sql: "DELETE FROM makegood_schedule WHERE id = ?", parameters: [idBytes(id)] };
  yield* audit(idBytes(id), bytesOf(text(row.namespace)), "remove", actor, note);
  return { kind: "done" };
}

function* lock(id: string): Script<readonly Readonly<Record<string, unknown>>[]> {
  return yield {
    sql: "SELECT s.namespace, s.version, s.last_fired_at FROM makegood_schedule s WHERE s.id = ? FOR UPDATE",
    parameters: [idBytes(id)],
  };
}

function* audit(id: Buffer, namespace: Buffer, verb: string, actor: Actor, note: string | null): Script<void> {
  yield {
    sql: `
      INSERT INTO makegood_audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ${nowSql})`,
    parameters: [
      ...[newRowId(), namespace, id, bytesOf(verb), bytesOf(actor.kind), bytesOf(actor.id)],
      note === null ? null : bytesOf(note),
    ],
  };
}

const valuesOf = (content: ScheduleContent): readonly unknown[] => [
  ...[bytesOf(content.job), bytesOfNullable(content.group), bytesOf(content.definition), content.input],
  ...[content.needsCode ? 1 : 0, content.follows ? 1 : 0, content.paused, content.enabledAt, content.nextAt],
  ...[idBytesOrNull(content.awaits), content.lastEndedAt],
];
