// What ../server/land-writes.ts says in SQL: locking guard rows, and leaving what writes bring.

import { InvariantError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { Write } from "../../core/store.ts";
import type { Guard } from "../server/fence.ts";
import type { Landing } from "../server/land-writes.ts";
import { readers } from "./rows.ts";
import { findHolders, handOver, lockNext, lockSlotsOf } from "./slots.ts";
import { startScript } from "./starts.ts";
import { idList, idOf, idTable, int, text } from "./values.ts";
import { wakeParents } from "./wake.ts";
import * as rows from "./write-rows.ts";

export const landing: Landing = {
  lockSlotsOf: (holders) => lockSlotsOf(holders, "skip"),
  start: (child) => startScript(child, true),
  ...{ findHolders, lockNext, handOver, lockGuards, findThere, land, wakeParents },
};

// Primary key of execution. After the take-over of another the row bears his token, which is then seen here.
export const lockGuardsSql = `
  SELECT j.n, e.token, e.status, e.phase, e.cancel, e.inbox
    FROM ${idTable}
   STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)
     FOR UPDATE SKIP LOCKED`;

/** By id; those that others hold are absent. In order of id, though nobody waits here: commands and parents are locked so too. */
export function* lockGuards(ids: readonly string[]): Script<ReadonlyMap<string, Guard>> {
  const sorted = [...new Set(ids)].sort();
  const found = yield { sql: lockGuardsSql, parameters: [idList(sorted)] };
  return new Map(found.map((row) => [sorted[int(row.n) - 1] as string, readers.guard(row)]));
}

function* findThere(ids: readonly string[]): Script<ReadonlySet<string>> {
  const found = yield {
    sql: `SELECT HEX(e.id) AS id FROM ${idTable} STRAIGHT_JOIN makegood_execution e FORCE INDEX (PRIMARY) ON e.id = UNHEX(j.id)`,
    parameters: [idList(ids)],
  };
  return new Set(found.map((row) => idOf(row.id)));
}

function* land(writes: readonly Write[]): Script<void> {
  yield* insertRecords(rows.recordsOf(writes));
  yield* rows.insertAttempts(writes);
  yield* rows.takeSignals(writes);
  yield* rows.setProgress(writes);
  yield* rows.openIncidents(writes);
  yield* rows.moveAll(writes);
}

function* insertRecords(records: readonly rows.RecordRow[]): Script<void> {
  if (records.length === 0) return;
  yield* rows.insertRecords(records, true);
  for (const statement of rows.findForeignRecords(records)) {
    const [foreign] = yield statement;
    if (foreign === undefined) continue;
    throw new InvariantError("Expected the journal row of a held execution to bear its owner's token, found another", {
      executionId: idOf(foreign.execution_id),
      step: text(foreign.step),
    });
  }
}
