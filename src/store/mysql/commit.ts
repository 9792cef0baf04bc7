// The flush is a transaction of multi-row statements; what it does not take goes in explicit transactions of its own.
import type { ExecutionStore, NewExecution, Write } from "../../core/store.ts";
import { type CommitWays, commit, type Flushed } from "../server/commit.ts";
import type { Connections } from "./connection.ts";
import { isDuplicate } from "./errors.ts";
import { flushScript } from "./flush.ts";
import { secondLook } from "./second-look.ts";
import { landing } from "./writes.ts";

export function committing(connections: Connections): ExecutionStore["commit"] {
  const ways: CommitWays = {
    flush: (starts, writes) => tryFlush(connections, starts, writes),
    transaction: (makeScript) => connections.transaction(makeScript),
    landing,
    secondLook: secondLook(connections),
  };
  return (starts, writes) => commit(ways, starts, writes);
}

async function tryFlush(
  connections: Connections,
  starts: readonly NewExecution[],
  writes: readonly Write[],
): Promise<Flushed | undefined> {
  try {
    return await connections.flush(() => flushScript(starts, writes));
  } catch (error) {
    if (isDuplicate(error)) return undefined;
    throw error;
  }
}
