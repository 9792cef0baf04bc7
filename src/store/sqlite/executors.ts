// Executors that a center addresses, and their runs.
import { InvariantError } from "../../core/errors.ts";
import type {
  ExecutorRow,
  ExecutorStore,
  ProtocolGeneration,
  RoutingKey,
  RunRow,
  RunState,
} from "../../core/executors.ts";
import { emptyMemory, type RoutingMemory } from "../../core/routing/route.ts";
import type { Row } from "../../core/script.ts";
import type { Connection, Values } from "./connection.ts";
import { idFromBytes, idToBytes } from "./id-bytes.ts";

// Primary key. A person's entry stays a person's.
const upsertExecutor = `
INSERT INTO makegood_executor AS x (namespace, "group", address, source, generation, seen_at, live_until)
VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, "group", address) DO UPDATE
   SET seen_at = excluded.seen_at, generation = coalesce(excluded.generation, x.generation),
       source = CASE WHEN x.source = 'manual' THEN x.source ELSE excluded.source END,
       live_until = CASE WHEN x.source = 'manual' THEN x.live_until ELSE excluded.live_until END`;
const deleteExecutor = `
DELETE FROM makegood_executor WHERE namespace = ? AND "group" = ? AND address = ? AND source = 'registered'`;
const selectExecutors = `
SELECT "group", address, source, generation, seen_at, live_until IS NULL OR live_until > ? AS is_live
  FROM makegood_executor
 WHERE namespace = ? AND "group" = coalesce(?, "group")
 ORDER BY "group", address`;

const selectMemory = `
SELECT memory, version FROM makegood_routing WHERE namespace = ? AND "group" = ? AND handler = ?`;
const insertMemory = `
INSERT INTO makegood_routing (namespace, "group", handler, memory, version) VALUES (?, ?, ?, ?, 1)
    ON CONFLICT (namespace, "group", handler) DO NOTHING`;
const updateMemory = `
UPDATE makegood_routing SET memory = ?, version = version + 1
 WHERE namespace = ? AND "group" = ? AND handler = ? AND version = ?`;

// Served by run_open.
const countLoads = `
SELECT address, count(*) AS count FROM makegood_run
 WHERE namespace = ? AND ended_at IS NULL AND "group" = ? GROUP BY address`;

const columns = `
log_id, namespace, execution_id, attempt, shard_index, shard_total, "group", handler, job_id, address, state, opened_at, accepted_at,
ended_at, checked_at, code, message, log_lines`;
// Unique (execution_id, attempt, shard_index).
const insertRun = `
INSERT INTO makegood_run (namespace, execution_id, attempt, shard_index, shard_total, "group", handler, job_id, address, state, opened_at, checked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'sending', ?, ?)
    ON CONFLICT (execution_id, attempt, shard_index) DO NOTHING`;
const selectOpened = `
SELECT ${columns} FROM makegood_run WHERE execution_id = ? AND attempt = ? AND shard_index = ?`;
const acceptRun = `
UPDATE makegood_run SET state = 'running', accepted_at = ? WHERE log_id = ? AND state = 'sending'`;
const endRun = `
UPDATE makegood_run SET state = ?, code = ?, message = ?, ended_at = ? WHERE log_id = ? AND ended_at IS NULL`;
const selectRun = `SELECT ${columns} FROM makegood_run WHERE log_id = ?`;
const selectRunsOf = `SELECT ${columns} FROM makegood_run WHERE execution_id = ? ORDER BY log_id`;
// Served by run_open.
const selectOpen = `
SELECT ${columns} FROM makegood_run
 WHERE namespace = ? AND ended_at IS NULL AND checked_at <= ? ORDER BY checked_at LIMIT ?`;
const checkRun = `UPDATE makegood_run SET checked_at = ? WHERE log_id = ?`;

// The number of lines is the compare-and-set: what does not continue the log changes nothing.
const extendLog = `UPDATE makegood_run SET log_lines = log_lines + ? WHERE log_id = ? AND log_lines = ? - 1`;
const insertLines = `INSERT INTO makegood_run_log (log_id, first_line, line_count, text) VALUES (?, ?, ?, ?)`;
const selectLineCount = `SELECT log_lines FROM makegood_run WHERE log_id = ?`;
// Served by the primary key.
const selectLines = `
SELECT first_line, text FROM makegood_run_log
 WHERE log_id = ? AND first_line + line_count > ? AND first_line < ? ORDER BY first_line`;

// Served by run_prune, and by the primary keys.
const selectOld = `
SELECT log_id FROM makegood_run WHERE namespace = ? AND ended_at <= ? ORDER BY ended_at LIMIT ?`;
const deleteRun = `DELETE FROM makegood_run WHERE log_id = ?`;
const deleteLines = `DELETE FROM makegood_run_log WHERE log_id = ?`;
const deleteGone = `DELETE FROM makegood_executor WHERE namespace = ? AND live_until <= ?`;

const keyOf = ({ namespace, group, handler }: RoutingKey): Values => [namespace, group, handler];

export function executorStore(connection: Connection): ExecutorStore {
  return {
    register: ({ namespace, group, address, source, generation, leaseMs }) =>
      connection.write((sql, { now }) => {
        const liveUntil = leaseMs === null ? null : now + leaseMs;
        sql.run(upsertExecutor, [namespace, group, address, source, generation, now, liveUntil]);
      }),
    unregister: ({ namespace, group, address }) =>
      connection.write((sql) => void sql.run(deleteExecutor, [namespace, group, address])),
    list: ({ namespace, group = null }) =>
      connection.read((sql, { now }) => sql.rows(selectExecutors, [now, namespace, group]).map(readExecutor)),
    memory: (of) =>
      connection.read((sql) => {
        const [row] = sql.rows(selectMemory, keyOf(of));
        if (row === undefined) return { memory: emptyMemory, version: 0 };
        return { memory: JSON.parse(row["memory"] as string) as RoutingMemory, version: row["version"] as number };
      }),
    remember: (of, memory, version) =>
      connection.write((sql) => {
        const text = JSON.stringify(memory);
        if (version === 0) return sql.run(insertMemory, [...keyOf(of), text]) === 1;
        return sql.run(updateMemory, [text, ...keyOf(of), version]) === 1;
      }),
    loads: ({ namespace, group }) =>
      connection.read((sql) => {
        const rows = sql.rows(countLoads, [namespace, group]);
        return Object.fromEntries(rows.map((row) => [row["address"] as string, row["count"] as number]));
      }),
    open: (run) =>
      connection.write((sql, { now }) => {
        const { namespace, executionId, attempt, shardIndex, shardTotal, group, handler, jobId, address } = run;
        const id = idToBytes(executionId);
        const values = [namespace, id, attempt, shardIndex, shardTotal, group, handler, jobId, address, now, now];
        sql.run(insertRun, values);
        const [row] = sql.rows(selectOpened, [id, attempt, shardIndex]);
        if (row === undefined)
          throw new InvariantError("Expected the run that was opened, found none", { executionId });
        return readRun(row);
      }),
    accept: (logId) => connection.write((sql, { now }) => void sql.run(acceptRun, [now, logId])),
    end: ({ logId, state, code, message }) =>
      connection.write((sql, { now }) => {
        if (sql.run(endRun, [state, code, message, now, logId]) === 1) return "ended";
        return sql.tuple(selectRun, [logId]) === undefined ? "unknown" : "already";
      }),
    find: (logId) => connection.read((sql) => sql.rows(selectRun, [logId]).map(readRun)[0] ?? null),
    runsOf: (id) => connection.read((sql) => sql.rows(selectRunsOf, [idToBytes(id)]).map(readRun)),
    async takeOpen({ namespace, olderThanMs, limit }) {
      const find = (now: number): Values => [namespace, now - olderThanMs, limit];
      // Without the write lock: most of the time nobody needs looking after.
      if (!(await connection.read((sql, { now }) => sql.tuple(selectOpen, find(now)) !== undefined))) return [];
      return connection.write((sql, { now }) => {
        const found = sql.rows(selectOpen, find(now)).map(readRun);
        for (const { logId } of found) sql.run(checkRun, [now, logId]);
        return found;
      });
    },
    appendLog: ({ logId, fromLine, lines }) =>
      connection.write((sql) => {
        const isNext = lines.length > 0 && sql.run(extendLog, [lines.length, logId, fromLine]) === 1;
        if (isNext) sql.run(insertLines, [logId, fromLine, lines.length, lines.join("\n")]);
        return (sql.tuple(selectLineCount, [logId])?.[0] ?? 0) as number;
      }),
    readLog: ({ logId, fromLine, limit }) =>
      connection.read((sql) => {
        const rows = sql.rows(selectLines, [logId, fromLine, fromLine + limit]);
        const lines = rows.flatMap((row) => (row["text"] as string).split("\n"));
        const before = Math.max(0, fromLine - ((rows[0]?.["first_line"] ?? fromLine) as number));
        return { logId, fromLine, lines: lines.slice(before, before + limit) };
      }),
    prune: ({ namespace, olderThanMs, limit }) =>
      connection.write((sql, { now }) => {
        const old = sql.rows(selectOld, [namespace, now - olderThanMs, limit]).map((row) => row["log_id"] as number);
        for (const logId of old) {
          sql.run(deleteRun, [logId]);
          sql.run(deleteLines, [logId]);
        }
        sql.run(deleteGone, [namespace, now - olderThanMs]);
        return old.length;
      }),
  };
}

function readExecutor(row: Row): ExecutorRow {
  return {
    group: row["group"] as string,
    address: row["address"] as string,
    source: row["source"] as ExecutorRow["source"],
    generation: row["generation"] as ProtocolGeneration | null,
    seenAt: row["seen_at"] as number,
    isLive: row["is_live"] === 1,
  };
}

function readRun(row: Row): RunRow {
  return {
    logId: row["log_id"] as number,
    namespace: row["namespace"] as string,
    executionId: idFromBytes(row["execution_id"]),
    attempt: row["attempt"] as number,
    shardIndex: row["shard_index"] as number,
    shardTotal: row["shard_total"] as number,
    group: row["group"] as string,
    handler: row["handler"] as string,
    jobId: row["job_id"] as number,
    address: row["address"] as string,
    state: row["state"] as RunState,
    openedAt: row["opened_at"] as number,
    acceptedAt: row["accepted_at"] as number | null,
    endedAt: row["ended_at"] as number | null,
    checkedAt: row["checked_at"] as number,
    code: row["code"] as number | null,
    message: row["message"] as string | null,
    logLines: row["log_lines"] as number,
  };
}
