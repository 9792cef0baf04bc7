// Executors that a center addresses, and their runs. Leases and ages are judged by the database's clock alone.
import { InvariantError } from "../../core/errors.ts";
import type { ExecutorStore, LogLines, NewRun, RoutingKey, RunRow } from "../../core/executors.ts";
import { emptyMemory, type RoutingMemory } from "../../core/routing/route.ts";
import type { Script, Statement } from "../../core/script.ts";
import { nowSql } from "./clock.ts";
import type { Connections } from "./connection.ts";
import { readers } from "./rows.ts";
import { bytesOf, bytesOfNullable, idBytes, int, list, listTable, text } from "./values.ts";

// Primary key. A person's entry stays a person's. An UPDATE assigns from left to right, so source comes last.
const registerSql = `
INSERT INTO makegood_executor (namespace, \`group\`, address, source, generation, seen_at, live_until)
VALUES (?, ?, ?, ?, ?, ${nowSql}, ${nowSql} + ?)
ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at), generation = COALESCE(VALUES(generation), generation),
  live_until = IF(source = 'manual', live_until, VALUES(live_until)), source = IF(source = 'manual', source, VALUES(source))`;

const unregisterSql = `
DELETE FROM makegood_executor WHERE namespace = ? AND \`group\` = ? AND address = ? AND source = 'registered'`;

const listSql = `
SELECT x.\`group\`, x.address, x.source, x.generation, x.seen_at,
       IF(x.live_until IS NULL OR x.live_until > ${nowSql}, 1, 0) AS is_live
  FROM makegood_executor x
 WHERE x.namespace = ? AND x.\`group\` = COALESCE(?, x.\`group\`)
 ORDER BY x.\`group\`, x.address`;

const memorySql = `
SELECT r.memory, r.version FROM makegood_routing r WHERE r.namespace = ? AND r.\`group\` = ? AND r.handler = ?`;
const lockMemorySql = `${memorySql} FOR UPDATE`;
// Insert first: of two newcomers one waits for the other, where a locking read would let them deadlock.
const rememberFirstSql = `
INSERT IGNORE INTO makegood_routing (namespace, \`group\`, handler, memory, version) VALUES (?, ?, ?, '', 0)`;
const rememberSql = `
UPDATE makegood_routing SET memory = ?, version = version + 1 WHERE namespace = ? AND \`group\` = ? AND handler = ?`;

// Index run_open.
const loadsSql = `
SELECT r.address, COUNT(*) AS count FROM makegood_run r
 WHERE r.namespace = ? AND r.ended_at IS NULL AND r.\`group\` = ? GROUP BY r.address`;

const columns = `
r.log_id, r.namespace, r.execution_id, r.attempt, r.shard_index, r.shard_total, r.\`group\`, r.handler, r.job_id, r.address, r.state,
r.opened_at, r.accepted_at, r.ended_at, r.checked_at, r.code, r.message, r.log_lines`;
// Unique (execution_id, attempt, shard_index): who finds it there changes nothing.
const openSql = `
INSERT INTO makegood_run (namespace, execution_id, attempt, shard_index, shard_total, \`group\`, handler, job_id, address, state, opened_at, checked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'sending', ${nowSql}, ${nowSql})
ON DUPLICATE KEY UPDATE log_id = log_id`;
const findOpenedSql = `
SELECT ${columns} FROM makegood_run r WHERE r.execution_id = ? AND r.attempt = ? AND r.shard_index = ?`;
const acceptSql = `
UPDATE makegood_run SET state = 'running', accepted_at = ${nowSql} WHERE log_id = ? AND state = 'sending'`;
const lockRunSql = `SELECT r.ended_at, r.log_lines FROM makegood_run r WHERE r.log_id = ? FOR UPDATE`;
const endSql = `UPDATE makegood_run SET state = ?, code = ?, message = ?, ended_at = ${nowSql} WHERE log_id = ?`;
const findSql = `SELECT ${columns} FROM makegood_run r WHERE r.log_id = ?`;
const runsOfSql = `SELECT ${columns} FROM makegood_run r WHERE r.execution_id = ? ORDER BY r.log_id`;
// Index run_open. Two who ask at once are given different runs.
const lockOpenSql = `
SELECT ${columns} FROM makegood_run r FORCE INDEX (run_open)
 WHERE r.namespace = ? AND r.ended_at IS NULL AND r.checked_at <= ${nowSql} - ?
 ORDER BY r.checked_at LIMIT ? FOR UPDATE SKIP LOCKED`;
const checkSql = `
UPDATE makegood_run r JOIN ${listTable(["log_id", "number"])} ON r.log_id = j.log_id SET r.checked_at = ${nowSql}`;

const extendSql = `UPDATE makegood_run SET log_lines = ? WHERE log_id = ?`;
const insertLinesSql = `INSERT INTO makegood_run_log (log_id, first_line, line_count, text) VALUES (?, ?, ?, ?)`;
// Primary key.
const readLinesSql = `
SELECT l.first_line, l.text FROM makegood_run_log l
 WHERE l.log_id = ? AND l.first_line + l.line_count > ? AND l.first_line < ? ORDER BY l.first_line`;

// Index run_open.
const lockOldSql = `
SELECT r.log_id FROM makegood_run r FORCE INDEX (run_open)
 WHERE r.namespace = ? AND r.ended_at <= ${nowSql} - ? ORDER BY r.ended_at LIMIT ? FOR UPDATE SKIP LOCKED`;
const deleteSql = (table: string): string =>
  `DELETE t FROM ${table} t JOIN ${listTable(["log_id", "number"])} ON t.log_id = j.log_id`;
const deleteGoneSql = `DELETE FROM makegood_executor WHERE namespace = ? AND live_until <= ${nowSql} - ?`;

const keyOf = ({ namespace, group, handler }: RoutingKey) => [bytesOf(namespace), bytesOf(group), bytesOf(handler)];

export function executorStore(connections: Connections): ExecutorStore {
  const runs = async (statement: Statement): Promise<readonly RunRow[]> =>
    (await connections.read(statement)).map(readers.run);
  return {
    async register({ namespace, group, address, source, generation, leaseMs }) {
      const names = [bytesOf(namespace), bytesOf(group), bytesOf(address)];
      await connections.write({ sql: registerSql, parameters: [...names, source, generation, leaseMs] });
    },
    async unregister({ namespace, group, address }) {
      const parameters = [bytesOf(namespace), bytesOf(group), bytesOf(address)];
      await connections.write({ sql: unregisterSql, parameters });
    },
    async list({ namespace, group = null }) {
      const parameters = [bytesOf(namespace), bytesOfNullable(group)];
      return (await connections.read({ sql: listSql, parameters })).map(readers.executor);
    },
    async memory(of) {
      const [row] = await connections.read({ sql: memorySql, parameters: keyOf(of) });
      if (row === undefined) return { memory: emptyMemory, version: 0 };
      return { memory: JSON.parse(text(row.memory)) as RoutingMemory, version: int(row.version) };
    },
    remember: (of, memory, version) => connections.transaction(() => remember(of, memory, version)),
    async loads({ namespace, group }) {
      const rows = await connections.read({ sql: loadsSql, parameters: [bytesOf(namespace), bytesOf(group)] });
      return Object.fromEntries(rows.map((row) => [text(row.address), int(row.count)]));
    },
    open: (run) => connections.transaction(() => open(run)),
    async accept(logId) {
      await connections.write({ sql: acceptSql, parameters: [logId] });
    },
    end: (run) => connections.transaction(() => end(run)),
    find: async (logId) => (await runs({ sql: findSql, parameters: [logId] }))[0] ?? null,
    runsOf: (id) => runs({ sql: runsOfSql, parameters: [idBytes(id)] }),
    takeOpen: (request) => connections.transaction(() => takeOpen(request)),
    appendLog: (log) => connections.transaction(() => appendLog(log)),
    async readLog({ logId, fromLine, limit }) {
      const rows = await connections.read({ sql: readLinesSql, parameters: [logId, fromLine, fromLine + limit] });
      const lines = rows.flatMap((row) => text(row.text).split("\n"));
      const before = rows[0] === undefined ? 0 : Math.max(0, fromLine - int(rows[0].first_line));
      return { logId, fromLine, lines: lines.slice(before, before + limit) };
    },
    prune: (request) => connections.transaction(() => prune(request)),
  };
}

function* remember(of: RoutingKey, memory: RoutingMemory, version: number): Script<boolean> {
  if (version === 0) yield { sql: rememberFirstSql, parameters: keyOf(of) };
  const [row] = yield { sql: lockMemorySql, parameters: keyOf(of) };
  if (row === undefined || int(row.version) !== version) return false;
  yield { sql: rememberSql, parameters: [JSON.stringify(memory), ...keyOf(of)] };
  return true;
}

function* open(run: NewRun): Script<RunRow> {
  const { namespace, executionId, attempt, shardIndex, shardTotal, group, handler, jobId, address } = run;
  const id = idBytes(executionId);
  const names = [bytesOf(group), bytesOf(handler), jobId, bytesOf(address)];
  yield { sql: openSql, parameters: [bytesOf(namespace), id, attempt, shardIndex, shardTotal, ...names] };
  const [row] = yield { sql: findOpenedSql, parameters: [id, attempt, shardIndex] };
  if (row === undefined) throw new InvariantError("Expected the run that was opened, found none", { executionId });
  return readers.run(row);
}

type Ending = Parameters<ExecutorStore["end"]>[0];

function* end({ logId, state, code, message }: Ending): Script<"ended" | "already" | "unknown"> {
  const [row] = yield { sql: lockRunSql, parameters: [logId] };
  if (row === undefined) return "unknown";
  if (row.ended_at !== null) return "already";
  yield { sql: endSql, parameters: [state, code, message, logId] };
  return "ended";
}

type Taking = Parameters<ExecutorStore["takeOpen"]>[0];

function* takeOpen({ namespace, olderThanMs, limit }: Taking): Script<readonly RunRow[]> {
  const rows = yield { sql: lockOpenSql, parameters: [bytesOf(namespace), olderThanMs, limit] };
  if (rows.length > 0) yield { sql: checkSql, parameters: [list(rows.map((row) => [int(row.log_id)]))] };
  return rows.map(readers.run);
}

function* appendLog({ logId, fromLine, lines }: LogLines): Script<number> {
  const [row] = yield { sql: lockRunSql, parameters: [logId] };
  if (row === undefined) return 0;
  const known = int(row.log_lines);
  if (lines.length === 0 || known !== fromLine - 1) return known;
  yield { sql: extendSql, parameters: [known + lines.length, logId] };
  yield { sql: insertLinesSql, parameters: [logId, fromLine, lines.length, lines.join("\n")] };
  return known + lines.length;
}

type Pruning = Parameters<ExecutorStore["prune"]>[0];

function* prune({ namespace, olderThanMs, limit }: Pruning): Script<number> {
  const space = bytesOf(namespace);
  const rows = yield { sql: lockOldSql, parameters: [space, olderThanMs, limit] };
  if (rows.length > 0) {
    const gone = [list(rows.map((row) => [int(row.log_id)]))];
    yield { sql: deleteSql("makegood_run_log"), parameters: gone };
    yield { sql: deleteSql("makegood_run"), parameters: gone };
  }
  yield { sql: deleteGoneSql, parameters: [space, olderThanMs] };
  return rows.length;
}
