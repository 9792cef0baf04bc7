// Plain reads, for callers and people. Never a base for a write.
import { type Status, statuses } from "../../core/execution.ts";
import { isUuid } from "../../core/ids.ts";
import { actorOf } from "../../core/ports.ts";
import type { ReadStore } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { loadExecutions } from "./load.ts";
import { readers } from "./rows.ts";
import { bytesOrNull, int, text, textArray, textOrNull } from "./values.ts";

const executionSql = `
SELECT e.id::text AS id, e.namespace, e.job, e.version, e.key, e.round, e.status, e.phase, e.reason, e.cancel, e.token, e.worker::text AS worker,
       e.priority, e."group", e.concurrency_key, e.wake_at, e.created_at, e.ended_at, e.deadline_at, e.parent::text AS parent,
       COALESCE(e.root, e.id)::text AS root, e.trace_context, e.schedule::text AS schedule, e.scheduled_at,
       COALESCE(e.undone_count, 0) AS undone_count, g.fraction, g.note
  FROM makegood.execution e
  LEFT JOIN makegood.progress g ON g.execution_id = e.id`;

// Primary keys; the newest incident still open by index incident_execution.
const outcomesSql = `
SELECT e.id::text AS id, e.status, e.phase, e.reason, COALESCE(e.undone_count, 0) AS undone_count, e.result, e.error, i.id::text AS incident_id
  FROM makegood.execution e
  LEFT JOIN LATERAL (
       SELECT i.id FROM makegood.incident i WHERE i.execution_id = e.id AND i.closed_at IS NULL ORDER BY i.opened_at DESC LIMIT 1) i ON true
 WHERE e.id = ANY($1::uuid[])`;

// Walks the primary key down from `after`, or index search_attribute_value, execution_child or execution_schedule where that
// is asked for.
const listSql = `${executionSql}
 WHERE e.namespace = $1::text
   AND ($2::text IS NULL OR e.job = $2::text)
   AND ($3::text IS NULL OR e.key = $3::text)
   AND ($4::text[] IS NULL OR e.status = ANY($4::text[]))
   AND ($5::uuid IS NULL OR e.parent = $5::uuid)
   AND ($6::text IS NULL OR e.id IN (
       SELECT a.execution_id FROM makegood.search_attribute a WHERE a.namespace = $1::text AND a.name = $6::text AND a.value = $7::text))
   AND ($8::uuid IS NULL OR e.id < $8::uuid)
   AND ($10::uuid IS NULL OR e.schedule = $10::uuid)
 ORDER BY e.id DESC
 LIMIT $9::integer`;

const incidentSql = `
SELECT i.id::text AS id, i.execution_id::text AS execution_id, i.code, i.step, i.error, i.opened_at, i.closed_at FROM makegood.incident i`;

export function readStore(connections: Connections): ReadStore {
  const read = (sql: string, ...parameters: readonly unknown[]) => connections.read({ sql, parameters });
  return {
    async find(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`${executionSql} WHERE e.id = $1::uuid`, id);
      return row === undefined ? null : readers.execution(row);
    },

    async findByKey({ namespace, job, key }) {
      const [row] = await read(
        `SELECT k.execution_id::text AS id, k.round, COALESCE(e.status, k.status) AS status, k.fingerprint
           FROM makegood.execution_key k LEFT JOIN makegood.execution e ON e.id = k.execution_id
          WHERE k.namespace = $1::text AND k.job = $2::text AND k.key = $3::text`,
        namespace,
        job,
        key,
      );
      if (row === undefined) return null;
      return {
        id: text(row.id),
        round: int(row.round),
        status: text<Status>(row.status),
        fingerprint: textOrNull(row.fingerprint),
      };
    },

    async outcomes(ids) {
      const asked = ids.filter(isUuid);
      const rows = asked.length === 0 ? [] : await read(outcomesSql, textArray(asked));
      return new Map(rows.map((row) => [text(row.id), readers.outcome(row)]));
    },

    async input(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`SELECT e.input FROM makegood.execution e WHERE e.id = $1::uuid`, id);
      return bytesOrNull(row?.input);
    },

    async startedBy(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`SELECT e.actor FROM makegood.execution e WHERE e.id = $1::uuid`, id);
      return row === undefined ? null : actorOf(text(row.actor));
    },

    async history(id) {
      if (!isUuid(id)) return { journal: [], attempts: [], signals: [], audit: [], incidents: [] };
      const [loaded, audit, incidents] = await Promise.all([
        loadExecutions(connections, [id], true),
        read(
          `SELECT a.execution_id::text AS execution_id, a.verb, a.actor_kind, a.actor_id, a.note, a.at
             FROM makegood.audit a WHERE a.execution_id = $1::uuid ORDER BY a.at, a.id`,
          id,
        ),
        read(`${incidentSql} WHERE i.execution_id = $1::uuid ORDER BY i.opened_at, i.id`, id),
      ]);
      const { journal = [], attempts = [], signals = [] } = loaded.get(id) ?? {};
      return {
        journal,
        attempts,
        signals,
        audit: audit.map(readers.audit),
        incidents: incidents.map(readers.incident),
      };
    },

    async list({ namespace, job, key, statuses: wanted, parent, schedule, attribute, after, limit }) {
      if ([parent, schedule, after].some((id) => id !== undefined && !isUuid(id))) return [];
      const [name = null, value = null] = attribute ?? [];
      const wantedList = wanted === undefined ? null : textArray(wanted);
      const rows = await read(
        listSql,
        namespace,
        job ?? null,
        key ?? null,
        wantedList,
        parent ?? null,
        name,
        value,
        after ?? null,
        limit,
        schedule ?? null,
      );
      return rows.map(readers.execution);
    },

    async openIncidents({ namespace, limit }) {
      // Index incident_open.
      const rows = await read(
        `${incidentSql} WHERE i.namespace = $1::text AND i.closed_at IS NULL ORDER BY i.opened_at, i.id LIMIT $2::integer`,
        namespace,
        limit,
      );
      return rows.map(readers.incident);
    },

    async countByStatus(namespace) {
      const rows = await read(
        `SELECT e.status, count(*) AS count FROM makegood.execution e WHERE e.namespace = $1::text GROUP BY e.status`,
        namespace,
      );
      const counts = new Map(rows.map((row) => [text(row.status), int(row.count)]));
      return Object.fromEntries(statuses.map((status) => [status, counts.get(status) ?? 0])) as Record<Status, number>;
    },
  };
}
