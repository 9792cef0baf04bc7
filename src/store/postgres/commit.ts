// The flush is one prepared statement; what it does not take goes as plain statements in explicit transactions.
import { isCodedError, isPassing } from "../../core/errors.ts";
import type { ExecutionStore, NewExecution, Write } from "../../core/store.ts";
import { type CommitWays, commit, type Flushed } from "../server/commit.ts";
import type { Connections } from "./connection.ts";
import { uniqueViolation } from "./errors.ts";
import { flushStatement, readFlushed } from "./flush.ts";
import type { Notices } from "./notify.ts";
import { secondLook } from "./second-look.ts";
import { ownerOf } from "./start-rows.ts";
import { landing } from "./writes.ts";

export function committing(connections: Connections, notices: Notices): ExecutionStore["commit"] {
  const ways: CommitWays = {
    flush: (starts, writes) => tryFlush(connections, starts, writes, notices.withCommit(namespacesForOthers(starts))),
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
  notes: readonly string[] | null,
): Promise<Flushed | undefined> {
  try {
    return readFlushed(await connections.prepared(flushStatement(starts, writes, notes)), starts, notes !== null);
  } catch (error) {
    if (isCodedError(error) && (error.details as { sqlState?: unknown }).sqlState === uniqueViolation) return undefined;
    // News are no reason to fail: the server refuses them, and the commit with them, when too many lie unheard.
    if (notes !== null && !isPassing(error)) return tryFlush(connections, starts, writes, null);
    throw error;
  }
}

const namespacesForOthers = (starts: readonly NewExecution[]): readonly string[] =>
  starts.filter((start) => ownerOf(start) === null).map((start) => start.namespace);
