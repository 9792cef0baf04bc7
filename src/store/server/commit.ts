// One call of `commit`. Plain elements go out in the flush, at the same time the others in explicit transactions: writes
// first, all in one; then starts that take a place in a slot or restart a round, in order of their locks; last those that
// replace a running execution, one by one, since they wait for its guard row.
//
// When one part has landed and another failed, nobody can say that nothing happened: the caller is told that the outcome is
// unknown, and repeats the same call, which is idempotent.
import { setTimeout as delay } from "node:timers/promises";
import { InvariantError, isCodedError, StoreOutcomeUnknownError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { ExecutionStore, NewExecution, StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { inLockOrder, type Landing, landWrites } from "./land-writes.ts";
import { isPlainStart, isPlainWrite } from "./plain.ts";
import { lookAgain, type SecondLook } from "./second-look.ts";

export interface Flushed {
  /** By id: what was started. */
  readonly started: ReadonlyMap<string, StartOutcome>;
  /** Executions whose write landed; null for all of them. */
  readonly passed: ReadonlySet<string> | null;
}

/** What a store does in its own way. */
export interface CommitWays {
  /** Plain elements in one commit that waits for nobody. Undefined: a row of it is there already, so it is a repeat. */
  flush(starts: readonly NewExecution[], writes: readonly Write[]): Promise<Flushed | undefined>;
  /** In a transaction of its own. */
  transaction<T>(makeScript: () => Script<T>): Promise<T>;
  readonly landing: Landing;
  readonly secondLook: SecondLook;
}

type Outcomes = Awaited<ReturnType<ExecutionStore["commit"]>>;

/** Outcomes as they become known. */
interface Batch {
  readonly ways: CommitWays;
  readonly starts: Map<NewExecution, StartOutcome>;
  readonly writes: Map<Write, WriteOutcome>;
}

export async function commit(
  ways: CommitWays,
  starts: readonly NewExecution[],
  writes: readonly Write[],
): Promise<Outcomes> {
  if (starts.length + writes.length === 0) return { starts: [], writes: [] };
  const batch: Batch = { ways, starts: new Map(), writes: new Map() };
  // The common case needs no book of what is known and what is not.
  if (starts.every(isPlainStart) && writes.every(isPlainWrite)) {
    const flushed = await ways.flush(starts, writes);
    if (flushed?.passed === null && flushed.started.size === starts.length)
      return { starts: [...flushed.started.values()], writes: writes.map(() => done) };
    throwFirst(await Promise.allSettled([settle(batch, starts, writes, flushed)]), batch);
    return outcomesOf(batch, starts, writes);
  }
  // Parents to wake go with their children: beside each other the two would find one another's rows busy.
  const parents = new Set(writes.map((write) => write.transition?.parent));
  const isPlain = (write: Write): boolean => isPlainWrite(write) && !parents.has(write.lease.executionId);
  const parts = [
    flush(batch, starts.filter(isPlainStart), writes.filter(isPlain)),
    transact(
      batch,
      starts.filter((start) => !isPlainStart(start)),
      writes.filter((write) => !isPlain(write)),
    ),
  ];
  throwFirst(await Promise.allSettled(parts), batch);
  return outcomesOf(batch, starts, writes);
}

const done: WriteOutcome = { kind: "done", children: [] };

const outcomesOf = (batch: Batch, starts: readonly NewExecution[], writes: readonly Write[]): Outcomes => ({
  starts: starts.map((start) => known(batch.starts.get(start))),
  writes: writes.map((write) => known(batch.writes.get(write))),
});

async function flush(batch: Batch, starts: readonly NewExecution[], writes: readonly Write[]): Promise<void> {
  if (starts.length + writes.length === 0) return;
  await settle(batch, starts, writes, await batch.ways.flush(starts, writes));
}

/** After a flush: what landed is done, what did not is looked at again, and what met its own rows is sent another way. */
async function settle(
  batch: Batch,
  starts: readonly NewExecution[],
  writes: readonly Write[],
  flushed: Flushed | undefined,
): Promise<void> {
  if (flushed === undefined) return transact(batch, starts, writes);
  const { started, passed } = flushed;
  for (const start of starts) {
    const outcome = started.get(start.id);
    if (outcome !== undefined) batch.starts.set(start, outcome);
  }
  for (const write of writes) if (passed === null || passed.has(write.lease.executionId)) batch.writes.set(write, done);
  await answerWrites(batch, writes);
  await answerStarts(batch, starts);
}

async function transact(batch: Batch, starts: readonly NewExecution[], writes: readonly Write[]): Promise<void> {
  const { ways } = batch;
  if (writes.length > 0) {
    const outcomes = await persistently(() => ways.transaction(() => landWrites(ways.landing, writes)));
    for (const [i, write] of writes.entries()) {
      const outcome = outcomes[i];
      if (outcome !== undefined) batch.writes.set(write, outcome);
    }
    await answerWrites(batch, writes);
  }
  const replaces = (start: NewExecution): boolean => start.blocking === "replace-running";
  const together = starts.filter((start) => !replaces(start)).sort(inLockOrder);
  for (const group of [together, ...starts.filter(replaces).map((start) => [start])]) {
    if (group.length === 0) continue;
    const outcomes = await persistently(() => ways.transaction(() => startAll(ways.landing, group)));
    for (const [i, start] of group.entries()) batch.starts.set(start, known(outcomes[i]));
  }
}

function* startAll(landing: Landing, starts: readonly NewExecution[]): Script<readonly StartOutcome[]> {
  const outcomes: StartOutcome[] = [];
  for (const start of starts) outcomes.push(yield* landing.start(start));
  return outcomes;
}

/** What became of those that did not land. */
async function answerWrites(batch: Batch, writes: readonly Write[]): Promise<void> {
  const open = writes.filter((write) => !batch.writes.has(write));
  if (open.length === 0) return;
  const outcomes = await lookAgain(batch.ways.secondLook, open);
  for (const [i, write] of open.entries()) batch.writes.set(write, known(outcomes[i]));
}

async function answerStarts(batch: Batch, starts: readonly NewExecution[]): Promise<void> {
  const open = starts.filter((start) => !batch.starts.has(start));
  if (open.length === 0) return;
  const outcomes = await batch.ways.secondLook.findExisting(open);
  for (const [i, start] of open.entries()) {
    const outcome = outcomes[i];
    if (outcome !== undefined) batch.starts.set(start, outcome);
  }
  // Retention took the key record between the two statements.
  await transact(
    batch,
    open.filter((start) => !batch.starts.has(start)),
    [],
  );
}

const maxTries = 4;
const pauseMs = 5;

/** A conflict is over soon, and the flush beside it may have landed: better repeated here than handed to the caller. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (!isCodedError(error) || error.code !== "STORE_CONFLICT" || tried === maxTries) throw error;
      await delay(Math.random() * pauseMs * tried);
    }
  }
}

function throwFirst(parts: readonly PromiseSettledResult<void>[], { starts, writes }: Batch): void {
  const errors: readonly unknown[] = parts.filter((part) => part.status === "rejected").map((part) => part.reason);
  if (errors.length === 0) return;
  const codes = errors.map((error) => (isCodedError(error) ? error.code : ""));
  const unknown = errors[codes.indexOf("STORE_OUTCOME_UNKNOWN")];
  if (unknown !== undefined) throw unknown;
  const saysNothingHappened = codes[0] === "STORE_CONFLICT" || codes[0] === "STORE_UNAVAILABLE";
  if (!saysNothingHappened || starts.size + writes.size === 0) throw errors[0];
  throw new StoreOutcomeUnknownError("A part of the commit landed, another did not", {}, { cause: errors[0] });
}

function known<T>(outcome: T | undefined): T {
  if (outcome === undefined)
    throw new InvariantError("Expected an outcome for each element of a commit, found none for one");
  return outcome;
}
