// Fenced writes of any kind and number inside one transaction, as a script of plain statements: whatever the flush leaves out
// since it may wait (children, parents to wake, slots to hand over) or is rare, and repeats that meet their own rows.
//
// Guard rows, those of parents to wake among them, are locked in order of id, passing over what others hold: such a write is
// busy, and holds nobody up. What is decided below is decided on locked rows.
import { isTerminal } from "../../core/execution.ts";
import type { Script } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { admits, type Guard, ruleOf } from "./fence.ts";

export interface SlotName {
  readonly namespace: string;
  readonly job: string;
  readonly concurrencyKey: string;
}

/** What a store says in its own SQL. Ids are those of executions. */
export interface Landing {
  /** Locks the slots that these hold, passing over what others hold: by holder. */
  lockSlotsOf(holders: readonly string[]): Script<ReadonlyMap<string, SlotName>>;
  /** Which of these hold a slot. Plain read. */
  findHolders(ids: readonly string[]): Script<ReadonlySet<string>>;
  /** Locks who waits next for each slot, null for nobody; a holder whose next one another has locked is absent. */
  lockNext(freed: ReadonlyMap<string, SlotName>): Script<ReadonlyMap<string, string | null>>;
  handOver(freed: ReadonlyMap<string, SlotName>, next: ReadonlyMap<string, string | null>): Script<void>;
  /** Locks guard rows in order of id: by id; those that others hold are absent. */
  lockGuards(ids: readonly string[]): Script<ReadonlyMap<string, Guard>>;
  /** Which of these are there. Plain read. */
  findThere(ids: readonly string[]): Script<ReadonlySet<string>>;
  /** Leaves what the writes bring: records, attempts, signals taken, progress, incidents, and the move of the guard row. */
  land(writes: readonly Write[]): Script<void>;
  wakeParents(parents: readonly (string | null)[]): Script<void>;
  start(child: NewExecution): Script<StartOutcome>;
}

/** Outcomes in order; undefined where the guard row must be looked at again after the commit. */
export function* landWrites(store: Landing, writes: readonly Write[]): Script<readonly (WriteOutcome | undefined)[]> {
  const slots = yield* lockSlots(
    store,
    writes.filter((write) => write.transition?.holdsSlot === true && ends(write)).map(executionOf),
  );
  const guards = yield* store.lockGuards([
    ...writes.map(executionOf),
    ...writes.map(parentOf).filter((id) => id !== null),
  ]);
  // Parents that are there but locked by others. One that is gone needs no waking.
  const unlocked = writes.map(parentOf).filter((id) => id !== null && !guards.has(id)) as readonly string[];
  const hidden = unlocked.length === 0 ? new Set<string>() : yield* store.findThere(unlocked);
  const isAdmitted = (write: Write): boolean => {
    const guard = guards.get(executionOf(write));
    return guard !== undefined && admits(write, guard);
  };
  const admitted = new Set(writes.filter(isAdmitted).map(executionOf));
  const freed = new Map([...slots.held].filter(([id]) => admitted.has(id)));
  const next = freed.size === 0 ? new Map<string, string | null>() : yield* store.lockNext(freed);
  const isBusy = (write: Write): boolean =>
    hidden.has(parentOf(write) ?? "") ||
    slots.hidden.has(executionOf(write)) ||
    (freed.has(executionOf(write)) && !next.has(executionOf(write)));

  const landing = writes.filter((write) => isAdmitted(write) && !isBusy(write));
  yield* store.land(landing);
  const landed = new Set(landing.map(executionOf));
  yield* store.handOver(new Map([...freed].filter(([id]) => landed.has(id))), next);
  yield* store.wakeParents(landing.map(parentOf));
  const children = yield* startChildren(store, landing);
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
function* lockSlots(store: Landing, ids: readonly string[]): Script<LockedSlots> {
  const held: ReadonlyMap<string, SlotName> = ids.length === 0 ? new Map() : yield* store.lockSlotsOf(ids);
  const unlocked = ids.filter((id) => !held.has(id));
  return { held, hidden: unlocked.length === 0 ? new Set<string>() : yield* store.findHolders(unlocked) };
}

const executionOf = (write: Write): string => write.lease.executionId;
const ends = (write: Write): boolean => isTerminal(ruleOf(write)?.status ?? "running");
const parentOf = (write: Write): string | null => (ends(write) ? (write.transition?.parent ?? null) : null);

/** In order of their slots and keys, so that two commits that start the same ones wait for each other in one direction. */
function* startChildren(store: Landing, writes: readonly Write[]): Script<ReadonlyMap<Write, readonly StartOutcome[]>> {
  const outcomes = new Map<Write, StartOutcome[]>(writes.map((write) => [write, []]));
  const children = writes.flatMap((write) => (write.children ?? []).map((child, place) => ({ write, child, place })));
  for (const { write, child, place } of children.sort((a, b) => inLockOrder(a.child, b.child))) {
    const list = outcomes.get(write);
    if (list !== undefined) list[place] = yield* store.start(child);
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
