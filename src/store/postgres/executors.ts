// Executors that a center addresses, and their runs. Leases and ages are judged by the database's clock alone.

import { InvariantError } from "../../core/errors.ts";
import type { ExecutorStore, LogLines, RoutingKey, RunRow } from "../../core/executors.ts";
import { emptyMemory, type RoutingMemory } from "../../core/routing/route.ts";
import type { Script } from "../../core/script.ts";
import type { Connections } from "./connection.ts";
import { readers } from "./rows.ts";
import { int, text } from "./values.ts";

// Primary key. A person's entry stays a person's.
const registerSql = `
INSERT INTO makegood.executor AS x (namespace, "group", address, source, generation, seen_at, live_until)
SELECT $1::text, $2::text, $3::text, $4::text, $5::smallint, makegood.now_ms(), makegood.now_ms() + $6::bigint
ON CONFLICT (namespace, "group", address) DO UPDATE
   SET seen_at = excluded.seen_at, generation = COALESCE(excluded.generation, x.generation),
       source = CASE WHEN x.source = 'manual' THEN x.source ELSE excluded.source END,
       live_until = CASE WHEN x.source = 'manual' THEN x.live_until ELSE excluded.live_until END`;

const unregisterSql = `
DELETE FROM makegood.executor
 WHERE namespace = $1::text AND "group" = $2::text AND address = $3::text AND source = 'registered'`;

const listSql = `
SELECT x."group", x.address, x.source, x.generation, x.seen_at,
       (x.live_until IS NULL OR x.live_until > makegood.now_ms())::integer AS is_live
  FROM makegood.executor x
 WHERE x.namespace = $1::text AND ($2::text IS NULL OR x."group" = $2::text)
 ORDER BY x."group", x.address`;

const memorySql = `
SELECT memory, version FROM makegood.routing WHERE namespace = $1::text AND "group" = $2::text AND handler = $3::text`;

// Of two who remember first, one inserts; of two who go on from a version, one updates.
const rememberFirstSql = `
INSERT INTO makegood.routing (namespace, "group", handler, memory, version)
VALUES ($1::text, $2::text, $3::text, $4::text, 1)
ON CONFLICT (namespace, "group", handler) DO NOTHING
RETURNING 1 AS found`;
const rememberSql = `
UPDATE makegood.routing SET memory = $4::text, version = version + 1
 WHERE namespace = $1::text AND "group" = $2::text AND handler = $3::text AND version = $5::integer
RETURNING 1 AS found`;

// Index run_open.
const loadsSql = `
SELECT address, count(*) AS count FROM makegood.run
 WHERE namespace = $1::text AND ended_at IS NULL AND "group" = $2::text GROUP BY address`;

const columns = `
log_id, namespace, execution_id::text AS execution_id, attempt, shard_index, shard_total, "group", handler, job_id, address, state,
opened_at, accepted_at, ended_at, checked_at, code, message, log_lines`;

// Unique (execution_id, attempt, shard_index): of two who open it, both get the one that landed.
const openSql = `
INSERT INTO makegood.run (namespace, execution_id, attempt, shard_index, shard_total, "group", handler, job_id, address, state, opened_at, checked_at)
SELECT $1::text, $2::uuid, $3::integer, $4::integer, $5::integer, $6::text, $7::text, $8::integer, $9::text, 'sending', c.now, c.now
  FROM (SELECT makegood.now_ms() AS now) c
ON CONFLICT (execution_id, attempt, shard_index) DO NOTHING
RETURNING ${columns}`;
const findOpenedSql = `
SELECT ${columns} FROM makegood.run
 WHERE execution_id = $1::uuid AND attempt = $2::integer AND shard_index = $3::integer`;

const acceptSql = `
UPDATE makegood.run SET state = 'running', accepted_at = makegood.now_ms() WHERE log_id = $1::bigint AND state = 'sending'`;

const endSql = `
UPDATE makegood.run SET state = $2::text, code = $3::integer, message = $4::text, ended_at = makegood.now_ms()
 WHERE log_id = $1::bigint AND ended_at IS NULL
RETURNING 1 AS found`;

const findSql = `SELECT ${columns} FROM makegood.run WHERE log_id = $1::bigint`;
const runsOfSql = `SELECT ${columns} FROM makegood.run WHERE execution_id = $1::uuid ORDER BY log_id`;

// Index run_open. Two who ask at once are given different runs.
const takeOpenSql = `
UPDATE makegood.run SET checked_at = makegood.now_ms()
 WHERE log_id IN (
       SELECT r.log_id FROM makegood.run r
        WHERE r.namespace = $1::text AND r.ended_at IS NULL AND r.checked_at <= (SELECT makegood.now_ms()) - $2::bigint
        ORDER BY r.checked_at LIMIT $3::integer
          FOR NO KEY UPDATE SKIP LOCKED)
RETURNING ${columns}`;

// The number of lines is the compare-and-set: what does not continue the log changes nothing.
const extendSql = `
UPDATE makegood.run SET log_lines = log_lines + $3::integer
 WHERE log_id = $1::bigint AND log_lines = $2::integer - 1
RETURNING log_lines`;
const insertLinesSql = `
INSERT INTO makegood.run_log (log_id, first_line, line_count, text) VALUES ($1::bigint, $2::integer, $3::integer, $4::text)`;
const countLinesSql = `SELECT log_lines FROM makegood.run WHERE log_id = $1::bigint`;

// Primary key.
const readLinesSql = `
SELECT first_line, text FROM makegood.run_log
 WHERE log_id = $1::bigint AND first_line + line_count > $2::integer AND first_line < $2::integer + $3::integer
 ORDER BY first_line`;

// Indexes run_prune and the primary key of executor.
const pruneSql = `
WITH gone AS MATERIALIZED (
  SELECT log_id FROM makegood.run
   WHERE namespace = $1::text AND ended_at <= (SELECT makegood.now_ms()) - $2::bigint
   ORDER BY ended_at LIMIT $3::integer
     FOR UPDATE SKIP LOCKED),
lines_gone AS (DELETE FROM makegood.run_log l USING gone g WHERE l.log_id = g.log_id),
executor_gone AS (
  DELETE FROM makegood.executor WHERE namespace = $1::text AND live_until <= (SELECT makegood.now_ms()) - $2::bigint),
run_gone AS (DELETE FROM makegood.run r USING gone g WHERE r.log_id = g.log_id)
SELECT count(*) AS count FROM gone`;

const keyOf = ({ namespace, group, handler }: RoutingKey): readonly string[] => [namespace, group, handler];

export function executorStore(connections: Connections): ExecutorStore {
  const runs = async (sql: string, parameters: readonly unknown[]): Promise<readonly RunRow[]> =>
    (await connections.read({ sql, parameters })).map(readers.run);
  return {
    async register({ namespace, group, address, source, generation, leaseMs }) {
      await connections.write({
        sql: registerSql,
        parameters: [namespace, group, address, source, generation, leaseMs],
      });
    },
    async unregister({ namespace, group, address }) {
      await connections.write({ sql: unregisterSql, parameters: [namespace, group, address] });
    },
    async list({ namespace, group = null }) {
      return (await connections.read({ sql: listSql, parameters: [namespace, group] })).map(readers.executor);
    },
    async memory(of) {
      const [row] = await connections.read({ sql: memorySql, parameters: keyOf(of) });
      if (row === undefined) return { memory: emptyMemory, version: 0 };
      return { memory: JSON.parse(text(row.memory)) as RoutingMemory, version: int(row.version) };
    },
    async remember(of, memory, version) {
      const parameters = [...keyOf(of), JSON.stringify(memory)];
      const rows = await connections.write(
        version === 0
          ? { sql: rememberFirstSql, parameters }
          : { sql: rememberSql, parameters: [...parameters, version] },
      );
      return rows.length === 1;
    },
    async loads({ namespace, group }) {
      const rows = await connections.read({ sql: loadsSql, parameters: [namespace, group] });
      return Object.fromEntries(rows.map((row) => [text(row.address), int(row.count)]));
    },
    async open(run) {
      const { namespace, executionId, attempt, shardIndex, shardTotal, group, handler, jobId, address } = run;
      const parameters = [namespace, executionId, attempt, shardIndex, shardTotal, group, handler, jobId, address];
      const [opened] = await connections.write({ sql: openSql, parameters });
      if (opened !== undefined) return readers.run(opened);
      const [found] = await runs(findOpenedSql, [executionId, attempt, shardIndex]);
      if (found !== undefined) return found;
      throw new InvariantError("Expected the run that stood in the way to be readable, found none", { executionId });
    },
    async accept(logId) {
      await connections.write({ sql: acceptSql, parameters: [logId] });
    },
    async end({ logId, state, code, message }) {
      const ended = await connections.write({ sql: endSql, parameters: [logId, state, code, message] });
      if (ended.length === 1) return "ended";
      return (await connections.read({ sql: findSql, parameters: [logId] })).length === 1 ? "already" : "unknown";
    },
    find: async (logId) => (await runs(findSql, [logId]))[0] ?? null,
    runsOf: (id) => runs(runsOfSql, [id]),
    async takeOpen({ namespace, olderThanMs, limit }) {
      return (await connections.write({ sql: takeOpenSql, parameters: [namespace, olderThanMs, limit] })).map(
        readers.run,
      );
    },
    appendLog: (log) => connections.transaction(() => appendLog(log)),
    async readLog({ logId, fromLine, limit }) {
      const rows = await connections.read({ sql: readLinesSql, parameters: [logId, fromLine, limit] });
      const lines = rows.flatMap((row) => text(row.text).split("\n"));
      const before = rows[0] === undefined ? 0 : Math.max(0, fromLine - int(rows[0].first_line));
      return { logId, fromLine, lines: lines.slice(before, before + limit) };
    },
    async prune({ namespace, olderThanMs, limit }) {
      const [row] = await connections.write({ sql: pruneSql, parameters: [namespace, olderThanMs, limit] });
      return int(row?.count);
    },
  };
}

function* appendLog({ logId, fromLine, lines }: LogLines): Script<number> {
  if (lines.length > 0) {
    const [extended] = yield { sql: extendSql, parameters: [logId, fromLine, lines.length] };
    if (extended !== undefined) {
      yield { sql: insertLinesSql, parameters: [logId, fromLine, lines.length, lines.join("\n")] };
      return int(extended.log_lines);
    }
  }
  const [row] = yield { sql: countLinesSql, parameters: [logId] };
  return row === undefined ? 0 : int(row.log_lines);
}
