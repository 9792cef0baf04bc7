// The flush: any number of plain starts and plain writes in one transaction of multi-row statements. None of them waits for
// long: guard rows that others hold are passed over, and a start waits only for another of its key.
//
// It inserts without asking whether the rows are there. Only a repeat, after an unknown outcome, meets its own rows; the
// transaction is then rolled back as a whole and its elements take the way of server/land-writes.ts, which asks.
import type { Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write } from "../../core/store.ts";
import type { Flushed } from "../server/commit.ts";
import { admits } from "../server/fence.ts";
import { nowSql } from "./clock.ts";
import { type Column, inserts } from "./lists.ts";
import { type Born, bornAs, executionColumns } from "./starts.ts";
import { hexOfText, idBytes, idList, idOf, idTable, int, list, listTable } from "./values.ts";
import { insertRecords, moveAll, recordsOf } from "./write-rows.ts";
import { lockGuards } from "./writes.ts";

export function* flushScript(starts: readonly NewExecution[], writes: readonly Write[]): Script<Flushed> {
  // Key records before guard rows, against the order of locks elsewhere: guard rows are not waited for here.
  const started = starts.length === 0 ? new Map<string, StartOutcome>() : yield* start(starts);
  const passed = writes.length === 0 ? null : yield* write(writes);
  return { started, passed };
}

// ── Writes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The fence in full; locked until commit, so that no take-over slips in between (F1); busy rows are passed over (F6). */
function* write(writes: readonly Write[]): Script<ReadonlySet<string> | null> {
  const guards = yield* lockGuards(writes.map((each) => each.lease.executionId));
  const landing = writes.filter((each) => {
    const guard = guards.get(each.lease.executionId);
    return guard !== undefined && admits(each, guard);
  });
  yield* insertRecords(recordsOf(landing), false);
  yield* moveAll(landing);
  return landing.length === writes.length ? null : new Set(landing.map((each) => each.lease.executionId));
}

// ── Starts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const ownerOf = (start: NewExecution): string | null => (start.delayMs > 0 ? null : start.claimFor);

function* start(starts: readonly NewExecution[]): Script<ReadonlyMap<string, StartOutcome>> {
  const keyed = starts.filter(({ key }) => key !== null);
  const taken = keyed.length === 0 ? new Set<string>() : yield* takeKeys(keyed);
  const fresh = starts.filter(({ id, key }) => key === null || taken.has(id));
  if (fresh.length === 0) return new Map();
  const { now, live } = yield* look(fresh);
  const births = fresh.map((execution): Birth => {
    const owner = ownerOf(execution);
    const mayClaim = owner !== null && live.has(owner);
    return { execution, born: bornAs(execution, { round: 0, standing: undefined, now, mayClaim }) };
  });
  yield* inserts("makegood_execution", birthColumns, births);
  yield* inserts("makegood_search_attribute", attributeColumns, fresh.flatMap(attributesOf));
  return new Map(births.map(({ execution: { id }, born }) => [id, startedAs(id, born)]));
}

function startedAs(id: string, { round, status, token, createdAt, deadlineAt }: Born): StartOutcome {
  return { kind: "started", id, round, status, token, createdAt, deadlineAt };
}

/** The time, and whose lease is live. Primary key of worker. */
function* look(starts: readonly NewExecution[]): Script<{ readonly now: number; readonly live: ReadonlySet<string> }> {
  const owners = [...new Set(starts.map(ownerOf).filter((owner) => owner !== null))];
  const rows = yield {
    sql: `
      SELECT c.now, HEX(w.id) AS id
        FROM (SELECT ${nowSql} AS now) c
        LEFT JOIN (${idTable} STRAIGHT_JOIN makegood_worker w FORCE INDEX (PRIMARY) ON w.id = UNHEX(j.id)) ON w.lease_until > c.now`,
    parameters: [idList(owners)],
  };
  const live = new Set(rows.filter((row) => row.id !== null).map((row) => idOf(row.id)));
  return { now: int(rows[0]?.now), live };
}

const keyColumns: readonly Column<NewExecution>[] = [
  ["namespace", (start) => start.namespace],
  ["job", (start) => start.job],
  ["`key`", (start) => start.key],
  ["execution_id", (start) => idBytes(start.id)],
  ["fingerprint", (start) => start.fingerprint],
  ["retain_ms", (start) => start.keyRetainMs],
];
const keyTable = listTable(["id", "id"], ["namespace", "bytes"], ["job", "bytes"], ["business_key", "bytes"]);

/**
 * Those whose key is theirs now: the row names them, and no repeat is told apart here, since its execution is there and the
 * insert fails. In order of key, so that two flushes wait for each other in one direction.
 */
function* takeKeys(starts: readonly NewExecution[]): Script<ReadonlySet<string>> {
  const sorted = starts
    .map((start) => ({ start, name: [start.namespace, start.job, start.key ?? ""].map(hexOfText) }))
    .sort((a, b) => (a.name.join() < b.name.join() ? -1 : 1));
  yield* inserts(
    "makegood_execution_key",
    keyColumns,
    sorted.map(({ start }) => start),
    " ON DUPLICATE KEY UPDATE execution_id = execution_id",
  );
  const rows = yield {
    sql: `
      SELECT HEX(k.execution_id) AS id
        FROM ${keyTable}
       STRAIGHT_JOIN makegood_execution_key k FORCE INDEX (PRIMARY)
          ON k.namespace = UNHEX(j.namespace) AND k.job = UNHEX(j.job) AND k.\`key\` = UNHEX(j.business_key)
       WHERE k.execution_id = UNHEX(j.id) AND k.status IS NULL`,
    parameters: [list(sorted.map(({ start, name }) => [idBytes(start.id).toString("hex"), ...name]))],
  };
  return new Set(rows.map((row) => idOf(row.id)));
}

interface Birth {
  readonly execution: NewExecution;
  readonly born: Born;
}
const birthColumns: readonly Column<Birth>[] = executionColumns.map(([name, of]) => [
  name,
  ({ execution, born }) => of(execution, born),
]);

interface Attribute {
  readonly start: NewExecution;
  readonly name: string;
  readonly value: string;
}
const attributeColumns: readonly Column<Attribute>[] = [
  ["execution_id", ({ start }) => idBytes(start.id)],
  ["namespace", ({ start }) => start.namespace],
  ["name", ({ name }) => name],
  ["value", ({ value }) => value],
];
const attributesOf = (start: NewExecution): readonly Attribute[] =>
  Object.entries(start.attributes).map(([name, value]) => ({ start, name, value }));
