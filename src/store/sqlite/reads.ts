// Plain reads, for callers and people. Never a base for a write.
import { type Phase, type Reason, type Status, statuses } from "../../core/execution.ts";
import { actorOf } from "../../core/ports.ts";
import type { Row } from "../../core/script.ts";
import type { ExecutionRow, IncidentRow, ReadStore } from "../../core/store.ts";
import type { Connection, Sql, Values } from "./connection.ts";
import { readHistory, toIncident } from "./history.ts";
import { bytesOrNull, idFromBytes, idOrNull, idToBytes } from "./id-bytes.ts";
import { existing, readKey } from "./key-record.ts";

type ListRequest = Parameters<ReadStore["list"]>[0];

export function readStore(connection: Connection): ReadStore {
  return {
    find: (id) => connection.read((sql) => sql.rows(selectOne, [idToBytes(id)]).map(toExecution)[0] ?? null),
    findByKey: ({ namespace, job, key }) =>
      connection.read((sql) => {
        const [row] = sql.rows(readKey, [namespace, job, key]);
        if (row === undefined) return null;
        const { id, round, status, fingerprint } = existing(row);
        return { id, round, status, fingerprint };
      }),
    outcomes: (ids) =>
      connection.read((sql) => {
        const found = ids.flatMap((id) =>
          sql.rows(selectOutcome, [idToBytes(id)]).map((row) => [id, toOutcome(row)] as const),
        );
        return new Map(found);
      }),
    input: (id) =>
      connection.read((sql) => (sql.tuple(selectInput, [idToBytes(id)])?.[0] ?? null) as Uint8Array | null),
    startedBy: (id) =>
      connection.read((sql) => {
        const [actor] = sql.tuple(selectActor, [idToBytes(id)]) ?? [];
        return actor === undefined ? null : actorOf(actor as string);
      }),
    history: (id) => connection.read((sql) => readHistory(sql, idToBytes(id))),
    list: (request) => connection.read((sql) => list(sql, request).map(toExecution)),
    openIncidents: ({ namespace, limit }) =>
      connection.read((sql) =>
        sql.rows(selectOpenIncidents, [namespace, limit]).map((row): IncidentRow => toIncident(row)),
      ),
    countByStatus: (namespace) =>
      connection.read((sql) => {
        const counts = new Map(sql.rows(countStatuses, [namespace]).map((row) => [row["status"], row["count"]]));
        return Object.fromEntries(statuses.map((status) => [status, counts.get(status) ?? 0])) as Record<
          Status,
          number
        >;
      }),
  };
}

const selectExecution = `
SELECT e.id, e.namespace, e.job, e.version, e.key, e.round, e.status, e.phase, e.reason, e.cancel, e.token, e.worker, e.priority, e."group", e.concurrency_key,
       e.wake_at, e.created_at, e.ended_at, e.deadline_at, e.parent, p.root, p.trace_context, e.schedule, e.scheduled_at, coalesce(o.undone_count, 0) AS undone_count, g.fraction, g.note
  FROM makegood_execution AS e
  JOIN makegood_payload AS p ON p.execution_id = e.id
  LEFT JOIN makegood_outcome AS o ON o.execution_id = e.id
  LEFT JOIN makegood_progress AS g ON g.execution_id = e.id`;

// Served by the primary keys.
const selectOne = `${selectExecution}
 WHERE e.id = ?`;

/** What a list may be narrowed by. Its values stand in this order. */
const narrowed = `
   AND e.namespace = ? AND (? IS NULL OR e.job = ?) AND (? IS NULL OR e.key = ?)
   AND (? IS NULL OR e.status IN (SELECT value FROM json_each(?)))`;
const newestFirst = `
 ORDER BY e.id DESC
 LIMIT ?`;

// Served by the primary key, backwards: ids are in the order of time.
const listAll = `${selectExecution}
 WHERE e.id < ?${narrowed}${newestFirst}`;
// Served by execution_child.
const listChildren = `${selectExecution}
 WHERE e.parent = ? AND e.id < ?${narrowed}${newestFirst}`;
// Served by execution_schedule, backwards.
const listOfSchedule = `${selectExecution}
 WHERE e.schedule = ? AND e.id < ? AND (? IS NULL OR e.parent = ?)${narrowed}${newestFirst}`;
// Served by search_attribute_value, backwards, and the primary key.
const listByAttribute = `${selectExecution}
  JOIN makegood_search_attribute AS a ON a.execution_id = e.id
 WHERE a.namespace = ? AND a.name = ? AND a.value = ? AND a.execution_id < ? AND (? IS NULL OR e.parent = ?) AND (? IS NULL OR e.schedule = ?)${narrowed}
 ORDER BY a.execution_id DESC
 LIMIT ?`;

const afterAll = new Uint8Array(16).fill(0xff);

function list(
  sql: Sql,
  { namespace, job, key, statuses: wanted, parent, schedule, attribute, after, limit }: ListRequest,
): readonly Row[] {
  const [ofJob, ofKey] = [job ?? null, key ?? null];
  const among = wanted === undefined ? null : JSON.stringify(wanted);
  const last = after === undefined ? afterAll : idToBytes(after);
  const under = bytesOrNull(parent ?? null);
  const of = bytesOrNull(schedule ?? null);
  const narrowing: Values = [namespace, ofJob, ofJob, ofKey, ofKey, among, among, limit];
  if (attribute !== undefined)
    return sql.rows(listByAttribute, [namespace, ...attribute, last, under, under, of, of, ...narrowing]);
  if (of !== null) return sql.rows(listOfSchedule, [of, last, under, under, ...narrowing]);
  if (under !== null) return sql.rows(listChildren, [under, last, ...narrowing]);
  return sql.rows(listAll, [last, ...narrowing]);
}

function toExecution(row: Row): ExecutionRow {
  return {
    id: idFromBytes(row["id"]),
    namespace: row["namespace"] as string,
    job: row["job"] as string,
    version: row["version"] as number,
    key: row["key"] as string | null,
    round: row["round"] as number,
    status: row["status"] as Status,
    phase: row["phase"] as Phase,
    reason: row["reason"] as Reason | null,
    cancel: row["cancel"] as Reason | null,
    token: row["token"] as number,
    worker: idOrNull(row["worker"]),
    priority: row["priority"] as number,
    group: row["group"] as string | null,
    concurrencyKey: row["concurrency_key"] as string | null,
    wakeAt: row["wake_at"] as number | null,
    createdAt: row["created_at"] as number,
    endedAt: row["ended_at"] as number | null,
    deadlineAt: row["deadline_at"] as number | null,
    parent: idOrNull(row["parent"]),
    root: idFromBytes(row["root"]),
    traceContext: row["trace_context"] as string | null,
    schedule: idOrNull(row["schedule"]),
    scheduledAt: row["scheduled_at"] as number | null,
    undoneCount: row["undone_count"] as number,
    progress:
      row["fraction"] === null ? null : { fraction: row["fraction"] as number, note: row["note"] as string | null },
  };
}

// Served by the primary keys and incident_execution.
const selectOutcome = `
SELECT e.status, e.phase, e.reason, coalesce(o.undone_count, 0) AS undone_count, o.result, o.error,
       (SELECT i.id FROM makegood_incident AS i WHERE i.execution_id = e.id AND i.closed_at IS NULL ORDER BY i.id DESC LIMIT 1) AS incident_id
  FROM makegood_execution AS e LEFT JOIN makegood_outcome AS o ON o.execution_id = e.id
 WHERE e.id = ?`;

function toOutcome(row: Row) {
  return {
    status: row["status"] as Status,
    phase: row["phase"] as Phase,
    reason: row["reason"] as Reason | null,
    undoneCount: row["undone_count"] as number,
    result: row["result"] as Uint8Array | null,
    error: row["error"] as Uint8Array | null,
    incidentId: idOrNull(row["incident_id"]),
  };
}

// Served by the primary key.
const selectInput = `
SELECT input FROM makegood_payload WHERE execution_id = ?`;
const selectActor = `
SELECT actor FROM makegood_payload WHERE execution_id = ?`;
// Served by incident_open.
const selectOpenIncidents = `
SELECT id, execution_id, code, step, error, opened_at, closed_at
  FROM makegood_incident WHERE namespace = ? AND closed_at IS NULL ORDER BY opened_at, id LIMIT ?`;
// Reads all rows of the table: for demonstrations and tests.
const countStatuses = `
SELECT status, count(*) AS count FROM makegood_execution WHERE namespace = ? GROUP BY status`;
