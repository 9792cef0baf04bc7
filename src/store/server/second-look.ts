// What became of writes that did not land, read after the commit that did not take them. A plain read proves enough here:
// tokens and phases never go back, a row under my token is committed, and whoever still holds the guard row of a write that
// fits makes it busy, not lost.
import type { NewExecution, StartOutcome, Write, WriteOutcome } from "../../core/store.ts";
import { type Guard, hasRows, outcomeOf } from "./fence.ts";

/** What a store reads in its own SQL. */
export interface SecondLook {
  /** By execution. */
  readGuards(writes: readonly Write[]): Promise<ReadonlyMap<string, Guard>>;
  /** Executions of which a record or an attempt of the writes is not there under its token. */
  readMissing(writes: readonly Write[]): Promise<ReadonlySet<string>>;
  /** In order; undefined where retention has taken even the key. */
  findExisting(starts: readonly NewExecution[]): Promise<readonly (StartOutcome | undefined)[]>;
}

/** Outcomes in order. The guard rows are read first: a transition that has left `running` has its rows committed by then. */
export async function lookAgain(store: SecondLook, writes: readonly Write[]): Promise<readonly WriteOutcome[]> {
  const guards = await store.readGuards(writes);
  const mine = writes.filter(
    (write) => hasRows(write) && guards.get(write.lease.executionId)?.token === write.lease.token,
  );
  const missing = mine.length === 0 ? new Set<string>() : await store.readMissing(mine);
  return Promise.all(
    writes.map(async (write) => {
      const id = write.lease.executionId;
      const outcome = outcomeOf(write, guards.get(id), hasRows(write) && !missing.has(id));
      if (outcome.kind !== "done" || write.children === undefined) return outcome;
      const children = await store.findExisting(write.children);
      return { kind: "done", children: children.filter((child) => child !== undefined) };
    }),
  );
}
