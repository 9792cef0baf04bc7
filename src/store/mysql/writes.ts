// Fenced writes of any kind and number inside one transaction, as a script of plain statements: whatever the flush leaves out
// since it may wait (children, parents to wake, slots to hand over) or is rare, and repeats that meet their own rows.
//
// Guard rows, those of parents to wake among them, are locked in order of id, passing over what others hold: such a write is
// busy, and holds nobody up. What is decided below is decided on locked rows.
import { InvariantError } from "../../core/errors.ts";
import { isTerminal, type Phase, type Reason, type Status } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { admits, type Guard, ruleOf } from "./fence.ts";
import { findHolders, handOver, lockNext, lockSlotsOf, type SlotName } from "./slots.ts";
import { startScript } from "./starts.ts";
import { idList, idOf, idTable, int, text, textOrNull } from "./values.ts";
import { wakeParents } from "./wake.ts";
import * as rows from "./write-rows.ts";

/** Outcomes in order; undefined where the guard row must be looked at again after the commit. */
export function* landWrites(writes: readonly Write[]): Script<readonly (WriteOutcome | undefined)[]> {
  const slots = yield* lockSlots(
    writes.filter((write) => write.transition?.holdsSlot === true && ends(write)).map(executionOf),
  );
  const guards = yield* lockGuards([...writes.map(executionOf), ...writes.map(parentOf).filter((id) => id !== null)]);
  const hidden = yield* findHidden(writes.map(parentOf).filter((id) => id !== null && !guards.has(id)));
  const isAdmitted = (write: Write): boolean => {
    const guard = guards.get(executionOf(write));
    return guard !== undefined && admits(write, guard);
  };
  const admitted = new Set(writes.filter(isAdmitted).map(executionOf));
  const freed = new Map([...slots.held].filter(([id]) => admitted.has(id)));
  const next = freed.size === 0 ? new Map<string, string | null>() : yield* lockNext(freed);
  const isBusy = (write: Write): boolean =>
    hidden.has(parentOf(write) ?? "") ||
    slots.hidden.has(executionOf(write)) ||
    (freed.has(executionOf(write)) && !next.has(executionOf(write)));

  const landing = writes.filter((write) => isAdmitted(write) && !isBusy(write));
  yield* land(landing);
  const landed = new Set(landing.map(executionOf));
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

const executionOf = (write: Write): string => write.lease.executionId;
const ends = (write: Write): boolean => isTerminal(ruleOf(write)?.status ?? "running");
const parentOf = (write: Write): string | null => (ends(write) ? (write.transition?.parent ?? null) : null);

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
  return new Map(found.map((row) => [sorted[int(row.n) - 1] as string, guardOf(row)]));
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
  const ids = parents.filter((id) => id !== null);
  if (ids.length === 0) return new Set();
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
