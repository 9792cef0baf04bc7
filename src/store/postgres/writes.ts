// What ../server/land-writes.ts says in SQL: locking guard rows, and leaving what writes bring.

import { InvariantError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { Write } from "../../core/store.ts";
import type { Guard } from "../server/fence.ts";
import type { Landing } from "../server/land-writes.ts";
import { arraysOf, type Column } from "./columns.ts";
import { readers } from "./rows.ts";
import { findHolders, handOver, lockNext, lockSlotsOf } from "./slots.ts";
import { startScript } from "./starts.ts";
import { int, text, textArray } from "./values.ts";
import { wakeParents } from "./wake.ts";
import * as rows from "./write-rows.ts";

export const landing: Landing = {
  lockSlotsOf: (holders) => lockSlotsOf(holders, "skip"),
  start: (child) => startScript(child, true),
  ...{ findHolders, lockNext, handOver, lockGuards, findThere, land, wakeParents },
};

function* lockGuards(ids: readonly string[]): Script<ReadonlyMap<string, Guard>> {
  // Primary key of execution. After the take-over of another the row bears his token, which is then seen here.
  const found = yield {
    sql: `
      SELECT e.id::text AS id, e.token, e.status, e.phase, e.cancel, e.inbox
        FROM makegood.execution e WHERE e.id = ANY($1::uuid[])
       ORDER BY e.id
         FOR NO KEY UPDATE SKIP LOCKED`,
    parameters: [textArray(ids)],
  };
  return new Map(found.map((row) => [text(row.id), readers.guard(row)]));
}

function* findThere(ids: readonly string[]): Script<ReadonlySet<string>> {
  const found = yield {
    sql: `SELECT e.id::text AS id FROM makegood.execution e WHERE e.id = ANY($1::uuid[])`,
    parameters: [textArray(ids)],
  };
  return new Set(found.map((row) => text(row.id)));
}

function* land(writes: readonly Write[]): Script<void> {
  yield* insertRecords(rows.recordsOf(writes));
  yield* put(rows.insertAttemptsSql, rows.attemptColumns, rows.attemptsOf(writes));
  yield* put(rows.takeSignalsSql, rows.takeColumns, rows.takesOf(writes));
  yield* put(rows.setProgressSql, rows.progressColumns, rows.progressOf(writes));
  yield* put(rows.openIncidentsSql, rows.incidentColumns, rows.incidentsOf(writes));
  yield* put(
    rows.moveAllSql,
    rows.moveColumns,
    writes.filter((write) => write.transition !== undefined),
  );
}

function* put<T>(sql: string, columns: readonly Column<T>[], list: readonly T[]): Script<void> {
  if (list.length > 0) yield { sql, parameters: arraysOf(columns, list) };
}

function* insertRecords(records: readonly rows.RecordRow[]): Script<void> {
  if (records.length === 0) return;
  const parameters = arraysOf(rows.recordColumns, records);
  const [row] = yield { sql: rows.insertRecordsSql, parameters };
  if (int(row?.count) === records.length) return;
  const [foreign] = yield { sql: rows.findForeignRecordSql, parameters };
  if (foreign === undefined) return;
  throw new InvariantError("Expected the journal row of a held execution to bear its owner's token, found another", {
    executionId: text(foreign.execution_id),
    step: text(foreign.step),
  });
}
