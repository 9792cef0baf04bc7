// Plain reads, for callers and people. Never a base for a write.
import { type Status, statuses } from "../../core/execution.ts";
import { isUuid } from "../../core/ids.ts";
import { actorOf } from "../../core/ports.ts";
import type { Statement } from "../../core/script.ts";
import type { ReadStore } from "../../core/store.ts";
import type { Connections } from "./connection.ts";
import { loadExecutions } from "./load.ts";
import { readers } from "./rows.ts";
import { bytesOf, bytesOrNull, idBytes, idList, idOf, idTable, int, text, textOrNull } from "./values.ts";

const executionSql = `
SELECT e.id, e.namespace, e.job, e.version, e.\`key\`, e.round, e.status, e.phase, e.reason, e.cancel, e.token, e.worker,
       e.priority, e.\`group\`, e.concurrency_key, e.wake_at, e.created_at, e.ended_at, e.deadline_at, e.parent,
       COALESCE(e.root, e.id) AS root, e.trace_context, e.schedule, e.scheduled_at,
       COALESCE(e.undone_count, 0) AS undone_count, g.fraction, g.note
  FROM makegood_execution e
  LEFT JOIN makegood_progress g ON g.execution_id = e.id`;

// Primary keys; the newest incident still open by index incident_execution.
const outcomesSql = `
SELECT e.id, e.status, e.phase, e.reason, COALESCE(e.undone_count, 0) AS undone_count, e.result, e.error,
       (SELECT i.id FROM makegood_incident i FORCE INDEX (incident_execution)
         WHERE i.execution_id = e.id AND i.closed_at IS NULL ORDER BY i.opened_at DESC LIMIT 1) AS incident_id
  FROM ${idTable}
 STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`;

const incidentSql = `
SELECT i.id, i.execution_id, i.code, i.step, i.error, i.opened_at, i.closed_at FROM makegood_incident i`;

type List = Parameters<ReadStore["list"]>[0];

/** Walks the primary key down from `after`, or index search_attribute_value, execution_child or execution_schedule where that is asked for. */
function listStatement({
  namespace,
  job,
  key,
  statuses: wanted,
  parent,
  schedule,
  attribute,
  after,
  limit,
}: List): Statement {
  const when = (value: string | undefined, sql: string, of: (given: string) => Buffer = bytesOf) =>
    value === undefined ? [] : [{ sql, parameters: [of(value)] }];
  const conditions = [
    ...when(namespace, "e.namespace = ?"),
    ...when(job, "e.job = ?"),
    ...when(key, "e.`key` = ?"),
    ...when(parent, "e.parent = ?", idBytes),
    ...when(schedule, "e.schedule = ?", idBytes),
    ...when(after, "e.id < ?", idBytes),
    ...(wanted === undefined
      ? []
      : [{ sql: `e.status IN (${["NULL", ...wanted.map(() => "?")].join(", ")})`, parameters: wanted }]),
    ...(attribute === undefined ? [] : [{ sql: taggedSql, parameters: [namespace, ...attribute].map(bytesOf) }]),
  ];
  return {
    sql: `${executionSql} WHERE ${conditions.map(({ sql }) => sql).join(" AND ")} ORDER BY e.id DESC LIMIT ?`,
    parameters: [...conditions.flatMap(({ parameters }) => [...parameters]), limit],
  };
}

const taggedSql = `e.id IN (
  SELECT a.execution_id FROM makegood_search_attribute a WHERE a.namespace = ? AND a.name = ? AND a.value = ?)`;

export function readStore(connections: Connections): ReadStore {
  const read = (sql: string, ...parameters: readonly unknown[]) => connections.read({ sql, parameters });
  return {
    async find(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`${executionSql} WHERE e.id = ?`, idBytes(id));
      return row === undefined ? null : readers.execution(row);
    },

    async findByKey({ namespace, job, key }) {
      const [row] = await read(
        `SELECT k.execution_id AS id, k.round, COALESCE(e.status, k.status) AS status, k.fingerprint
           FROM makegood_execution_key k LEFT JOIN makegood_execution e ON e.id = k.execution_id
          WHERE k.namespace = ? AND k.job = ? AND k.\`key\` = ?`,
        ...[namespace, job, key].map(bytesOf),
      );
      if (row === undefined) return null;
      return {
        id: idOf(row.id),
        round: int(row.round),
        status: text<Status>(row.status),
        fingerprint: textOrNull(row.fingerprint),
      };
    },

    async outcomes(ids) {
      const asked = ids.filter(isUuid);
      const rows = asked.length === 0 ? [] : await read(outcomesSql, idList(asked));
      return new Map(rows.map((row) => [idOf(row.id), readers.outcome(row)]));
    },

    async input(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`SELECT e.input FROM makegood_execution e WHERE e.id = ?`, idBytes(id));
      return bytesOrNull(row?.input);
    },

    async startedBy(id) {
      if (!isUuid(id)) return null;
      const [row] = await read(`SELECT e.actor FROM makegood_execution e WHERE e.id = ?`, idBytes(id));
      return row === undefined ? null : actorOf(text(row.actor));
    },

    async history(id) {
      if (!isUuid(id)) return { journal: [], attempts: [], signals: [], audit: [], incidents: [] };
      const [loaded, audit, incidents] = await Promise.all([
        loadExecutions(connections, [id], true),
        read(
          `SELECT a.execution_id, a.verb, a.actor_kind, a.actor_id, a.note, a.at
             FROM makegood_audit a WHERE a.execution_id = ? ORDER BY a.at, a.id`,
          idBytes(id),
        ),
        read(`${incidentSql} WHERE i.execution_id = ? ORDER BY i.opened_at, i.id`, idBytes(id)),
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

    async list(request) {
      if ([request.parent, request.schedule, request.after].some((id) => id !== undefined && !isUuid(id))) return [];
      return (await connections.read(listStatement(request))).map(readers.execution);
    },

    async openIncidents({ namespace, limit }) {
      // Index incident_open.
      const rows = await read(
        `${incidentSql} WHERE i.namespace = ? AND i.closed_at IS NULL ORDER BY i.opened_at, i.id LIMIT ?`,
        bytesOf(namespace),
        limit,
      );
      return rows.map(readers.incident);
    },

    async countByStatus(namespace) {
      const rows = await read(
        `SELECT e.status, COUNT(*) AS count FROM makegood_execution e WHERE e.namespace = ? GROUP BY e.status`,
        bytesOf(namespace),
      );
      const counts = new Map(rows.map((row) => [text(row.status), int(row.count)]));
      return Object.fromEntries(statuses.map((status) => [status, counts.get(status) ?? 0])) as Record<Status, number>;
    },
  };
}
