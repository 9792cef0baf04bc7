// Fenced writes of any kind and number inside one transaction, as a script of plain statements: whatever the flush cannot do
// in its one statement (children, attempts, parents to wake, slots to hand over, incidents), and repeats that meet their own rows.
//
// Guard rows, those of parents to wake among them, are locked in order of id, passing over what others hold: such a write is
// busy, and holds nobody up. What is decided below is decided on locked rows.
import { InvariantError } from "../../core/errors.ts";
import { isTerminal, type Phase, type Reason, type Status } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { arraysOf, type Column } from "./columns.ts";
import { admits, type Guard, ruleOf } from "./fence.ts";
import { findHolders, handOver, lockNext, lockSlotsOf, type SlotName } from "./slots.ts";
import { startScript } from "./starts.ts";
import { int, text, textArray, textOrNull } from "./values.ts";
import { wakeParents } from "./wake.ts";
import * as rows from "./write-rows.ts";

/** Outcomes in order; undefined where the guard row must be looked at again after the commit. */
export function* landWrites(writes: readonly Write[]): Script<readonly (WriteOutcome | undefined)[]> {
  const slots = yield* lockSlots(
    writes.filter((write) => write.transition?.holdsSlot === true && ends(write)).map(idOf),
  );
  const guards = yield* lockGuards([...writes.map(idOf), ...writes.map(parentOf).filter((id) => id !== null)]);
  const hidden = yield* findHidden(writes.map(parentOf).filter((id) => id !== null && !guards.has(id)));
  const isAdmitted = (write: Write): boolean => {
    const guard = guards.get(idOf(write));
    return guard !== undefined && admits(write, guard);
  };
  const admitted = new Set(writes.filter(isAdmitted).map(idOf));
  const freed = new Map([...slots.held].filter(([id]) => admitted.has(id)));
  const next = freed.size === 0 ? new Map<string, string | null>() : yield* lockNext(freed);
  const isBusy = (write: Write): boolean =>
    hidden.has(parentOf(write) ?? "") ||
    slots.hidden.has(idOf(write)) ||
    (freed.has(idOf(write)) && !next.has(idOf(write)));

  const landing = writes.filter((write) => isAdmitted(write) && !isBusy(write));
  yield* land(landing);
  const landed = new Set(landing.map(idOf));
  yield* handOver(new Map([...freed].filter(([id]) => landed.has(id))), next);
  yield* wakeParents(landing.map(parentOf));
  const children = yield* startChildren(landing);
  return writes.map((write) => {
    const started = children.get(write);
    if (started !== undefined) return { kind: "done", children: started };
    return isAdmitted(write) ? { kind: "busy" } : undefined;
  });
}

interface LockedSlots {
  readonly held: ReadonlyMap<string, SlotName>;
  readonly hidden: ReadonlySet<string>;
}

/** `held`: locked here, by holder. `hidden`: holders whose slot another has locked; they are busy. */
function* lockSlots(ids: readonly string[]): Script<LockedSlots> {
  const held: ReadonlyMap<string, SlotName> = ids.length === 0 ? new Map() : yield* lockSlotsOf(ids, "skip");
  const unlocked = ids.filter((id) => !held.has(id));
  return { held, hidden: unlocked.length === 0 ? new Set<string>() : yield* findHolders(unlocked) };
}

const idOf = (write: Write): string => write.lease.executionId;
const ends = (write: Write): boolean => isTerminal(ruleOf(write)?.status ?? "running");
const parentOf = (write: Write): string | null => (ends(write) ? (write.transition?.parent ?? null) : null);

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
  return new Map(found.map((row) => [text(row.id), guardOf(row)]));
}

export function guardOf(row: Readonly<Record<string, unknown>>): Guard {
  const cancel = textOrNull<Reason>(row.cancel);
  return {
    token: int(row.token),
    status: text<Status>(row.status),
    phase: text<Phase>(row.phase),
    cancel,
    isCanceled: cancel !== null,
    inbox: int(row.inbox),
  };
}

/** Parents that are there but locked by others. One that is gone needs no waking. */
function* findHidden(parents: readonly (string | null)[]): Script<ReadonlySet<string>> {
  if (parents.length === 0) return new Set();
  const found = yield {
    sql: `SELECT e.id::text AS id FROM makegood.execution e WHERE e.id = ANY($1::uuid[])`,
    parameters: [textArray(parents)],
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

/** In order of their slots and keys, so that two commits that start the same ones wait for each other in one direction. */
function* startChildren(writes: readonly Write[]): Script<ReadonlyMap<Write, readonly StartOutcome[]>> {
  const outcomes = new Map<Write, StartOutcome[]>(writes.map((write) => [write, []]));
  const children = writes.flatMap((write) => (write.children ?? []).map((child, place) => ({ write, child, place })));
  for (const { write, child, place } of children.sort((a, b) => inLockOrder(a.child, b.child))) {
    const list = outcomes.get(write);
    if (list !== undefined) list[place] = yield* startScript(child, true);
  }
  return outcomes;
}

type Ordered = {
  readonly namespace: string;
  readonly job: string;
  readonly concurrencyKey: string | null;
  readonly key: string | null;
};

export function inLockOrder(a: Ordered, b: Ordered): number {
  return (
    compare(a.namespace, b.namespace) ||
    compare(a.job, b.job) ||
    compare(a.concurrencyKey ?? "", b.concurrencyKey ?? "") ||
    compare(a.key ?? "", b.key ?? "")
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
