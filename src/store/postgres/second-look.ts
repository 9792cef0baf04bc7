// What became of starts and writes that did not land, read after the commit that did not take them.
import type { Status } from "../../core/execution.ts";
import type { Row } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write } from "../../core/store.ts";
import type { Guard } from "../server/fence.ts";
import type { SecondLook } from "../server/second-look.ts";
import { arraysOf, unnested } from "./columns.ts";
import type { Connections } from "./connection.ts";
import { readers } from "./rows.ts";
import { int, text, textArray, textOrNull } from "./values.ts";
import { attemptColumns, attemptsOf, recordColumns, recordsOf } from "./write-rows.ts";

export const secondLook = (connections: Connections): SecondLook => ({
  readGuards: (writes) => readGuards(connections, writes),
  readMissing: (writes) => readMissing(connections, writes),
  findExisting: (starts) => findExisting(connections, starts),
});

async function readGuards(connections: Connections, writes: readonly Write[]): Promise<ReadonlyMap<string, Guard>> {
  const rows = await connections.read({
    sql: `
      SELECT e.id::text AS id, e.token, e.status, e.phase, e.cancel, e.inbox
        FROM makegood.execution e WHERE e.id = ANY($1::uuid[])`,
    parameters: [textArray(writes.map((write) => write.lease.executionId))],
  });
  return new Map(rows.map((row) => [text(row.id), readers.guard(row)]));
}

/** Executions of which some row of the write is not there under its token. Primary keys of journal and attempt. */
async function readMissing(connections: Connections, writes: readonly Write[]): Promise<ReadonlySet<string>> {
  const records = arraysOf(recordColumns.slice(0, 3).concat(recordColumns.slice(10, 11)), recordsOf(writes));
  const attempts = arraysOf(attemptColumns.slice(0, 5), attemptsOf(writes));
  const rows = await connections.read({
    sql: `
      SELECT i.execution_id::text AS id
        FROM (SELECT ${unnested(recordColumns.slice(0, 3))}, unnest($4::integer[]) AS token) i
       WHERE NOT EXISTS (SELECT FROM makegood.journal j
                          WHERE j.execution_id = i.execution_id AND j.step = i.step AND j.role = i.role AND j.token = i.token)
       UNION ALL
      SELECT i.execution_id::text
        FROM (SELECT ${unnested(attemptColumns.slice(0, 5), 5)}) i
       WHERE NOT EXISTS (SELECT FROM makegood.attempt a
                          WHERE a.execution_id = i.execution_id AND a.step = i.step AND a.role = i.role AND a.attempt = i.attempt AND a.token = i.token)`,
    parameters: [...records, ...attempts],
  });
  return new Set(rows.map((row) => text(row.id)));
}

/** Who has the key of each start, or its very id; undefined where retention took both meanwhile. */
async function findExisting(
  connections: Connections,
  starts: readonly NewExecution[],
): Promise<readonly (StartOutcome | undefined)[]> {
  // Primary keys of execution_key and execution.
  const rows = await connections.read({
    sql: `
      SELECT i.place, k.execution_id::text AS id, k.round, COALESCE(e.status, k.status) AS status, k.fingerprint
        FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i(namespace, job, key, place)
        JOIN makegood.execution_key k ON k.namespace = i.namespace AND k.job = i.job AND k.key = i.key
        LEFT JOIN makegood.execution e ON e.id = k.execution_id
       UNION ALL
      SELECT i.place, e.id::text, e.round, e.status, NULL
        FROM unnest($4::uuid[], $3::text[]) WITH ORDINALITY AS i(id, key, place)
        JOIN makegood.execution e ON e.id = i.id
       WHERE i.key IS NULL`,
    parameters: [
      textArray(starts.map((start) => start.namespace)),
      textArray(starts.map((start) => start.job)),
      textArray(starts.map((start) => start.key)),
      textArray(starts.map((start) => start.id)),
    ],
  });
  const byPlace = new Map(rows.map((row) => [int(row.place) - 1, existsOf(row)]));
  return starts.map((_, place) => byPlace.get(place));
}

const existsOf = (row: Row): StartOutcome => ({
  kind: "exists",
  id: text(row.id),
  round: int(row.round),
  status: text<Status>(row.status),
  fingerprint: textOrNull(row.fingerprint),
});
