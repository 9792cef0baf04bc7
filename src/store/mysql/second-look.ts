// What became of starts and writes that did not land, read after the commit that did not take them.
import type { Status } from "../../core/execution.ts";
import type { Row } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write } from "../../core/store.ts";
import type { Guard } from "../server/fence.ts";
import type { SecondLook } from "../server/second-look.ts";
import type { Connections } from "./connection.ts";
import { tables } from "./lists.ts";
import { readers } from "./rows.ts";
import { hexOf, hexOfText, idList, idOf, idTable, int, list, listTable, text, textOrNull } from "./values.ts";
import { attemptKey, attemptsOf, recordKey, recordsOf } from "./write-rows.ts";

export const secondLook = (connections: Connections): SecondLook => ({
  readGuards: (writes) => readGuards(connections, writes),
  readMissing: (writes) => readMissing(connections, writes),
  findExisting: (starts) => findExisting(connections, starts),
});

async function readGuards(connections: Connections, writes: readonly Write[]): Promise<ReadonlyMap<string, Guard>> {
  const rows = await connections.read({
    sql: `
      SELECT HEX(e.id) AS id, e.token, e.status, e.phase, e.cancel, e.inbox
        FROM ${idTable}
       STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`,
    parameters: [idList(writes.map((write) => write.lease.executionId))],
  });
  return new Map(rows.map((row) => [idOf(row.id), readers.guard(row)]));
}

/** Executions of which some row of the write is not there under its token. Primary keys of journal and attempt. */
async function readMissing(connections: Connections, writes: readonly Write[]): Promise<ReadonlySet<string>> {
  const records = tables(recordKey, recordsOf(writes)).map(
    (table) => `
      SELECT HEX(i.execution_id) AS id
        FROM (${table}) i
       WHERE NOT EXISTS (SELECT 1 FROM makegood_journal j
                          WHERE j.execution_id = i.execution_id AND j.step = i.step AND j.role = i.role AND j.token = i.token)`,
  );
  const attempts = tables(attemptKey, attemptsOf(writes)).map(
    (table) => `
      SELECT HEX(i.execution_id) AS id
        FROM (${table}) i
       WHERE NOT EXISTS (SELECT 1 FROM makegood_attempt a
                          WHERE a.execution_id = i.execution_id AND a.step = i.step AND a.role = i.role AND a.attempt = i.attempt AND a.token = i.token)`,
  );
  const missing = new Set<string>();
  for (const sql of [...records, ...attempts])
    for (const row of await connections.read({ sql, parameters: [] })) missing.add(idOf(row.id));
  return missing;
}

const keyTable = listTable(["namespace", "bytes"], ["job", "bytes"], ["business_key", "bytes"]);

/** Who has the key of each start, or its very id; undefined where retention took both meanwhile. */
async function findExisting(
  connections: Connections,
  starts: readonly NewExecution[],
): Promise<readonly (StartOutcome | undefined)[]> {
  const byPlace = new Map<number, StartOutcome>();
  const places = (isKeyed: boolean) => [...starts.keys()].filter((place) => (starts[place]?.key !== null) === isKeyed);
  const note = (of: readonly number[], rows: readonly Row[]): void => {
    for (const row of rows) byPlace.set(of[int(row.n) - 1] as number, existsOf(row));
  };
  const [keyed, keyless] = [places(true), places(false)];
  // Primary keys of execution_key and execution.
  if (keyed.length > 0)
    note(
      keyed,
      await connections.read({
        sql: `
          SELECT j.n, HEX(k.execution_id) AS id, k.round, COALESCE(e.status, k.status) AS status, k.fingerprint
            FROM ${keyTable}
           STRAIGHT_JOIN makegood_execution_key k FORCE INDEX (PRIMARY)
              ON k.namespace = UNHEX(j.namespace) AND k.job = UNHEX(j.job) AND k.\`key\` = UNHEX(j.business_key)
            LEFT JOIN makegood_execution e ON e.id = k.execution_id`,
        parameters: [list(keyed.map((place) => keyOf(starts[place] as NewExecution)))],
      }),
    );
  if (keyless.length > 0)
    note(
      keyless,
      await connections.read({
        sql: `
          SELECT j.n, HEX(e.id) AS id, e.round, e.status, NULL AS fingerprint
            FROM ${idTable}
           STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`,
        parameters: [list(keyless.map((place) => [hexOf((starts[place] as NewExecution).id)]))],
      }),
    );
  return starts.map((_, place) => byPlace.get(place));
}

const keyOf = ({ namespace, job, key }: NewExecution): readonly string[] => [namespace, job, key ?? ""].map(hexOfText);

const existsOf = (row: Row): StartOutcome => ({
  kind: "exists",
  id: idOf(row.id),
  round: int(row.round),
  status: text<Status>(row.status),
  fingerprint: textOrNull(row.fingerprint),
});
