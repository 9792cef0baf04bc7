// The flush is one prepared statement; what it does not take goes as plain statements in explicit transactions.
import { isCodedError } from "../../core/errors.ts";
import type { ExecutionStore, NewExecution, Write } from "../../core/store.ts";
import { type CommitWays, commit, type Flushed } from "../server/commit.ts";
import type { Connections } from "./connection.ts";
import { uniqueViolation } from "./errors.ts";
import { flushStatement, readFlushed } from "./flush.ts";
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
    return readFlushed(await connections.prepared(flushStatement(starts, writes)), starts);
  } catch (error) {
    if (isCodedError(error) && (error.details as { sqlState?: unknown }).sqlState === uniqueViolation) return undefined;
    throw error;
  }
}
