// The life of executions: loading, reading back. Claims are in claims.ts, commits in commit.ts, waking in due.ts, the end of
// their retention in retention.ts.

import { InvariantError } from "../../core/errors.ts";
import type { Script } from "../../core/script.ts";
import type { ExecutionStore, Lease } from "../../core/store.ts";
import { claim, rescue } from "./claims.ts";
import { committing } from "./commit.ts";
import type { Connections } from "./connection.ts";
import { wakeDue } from "./due.ts";
import { loadExecutions } from "./load.ts";
import { prunable, prune } from "./retention.ts";
import { bytesOf, idBytes, int, text } from "./values.ts";

export function executionStore(connections: Connections): ExecutionStore {
  return {
    commit: committing(connections),
    claim: (request) => claim(connections, request),
    rescue: (request) => rescue(connections, request),
    load: (ids) => loadExecutions(connections, ids),
    wakeDue: (request) => wakeDue(connections, request),
    readBack: (lease, step, role) => connections.transaction(() => readBack(lease, step, role)),
    prunable: (request) => prunable(connections, request),
    prune: (request) => prune(connections, request),
  };
}

/** The lock waits for a commit that is still under way; the second statement then sees what it left. */
function* readBack(lease: Lease, step: string, role: string): Script<"done" | "absent" | "lost"> {
  const id = idBytes(lease.executionId);
  const [guard] = yield {
    sql: "SELECT e.status, e.token FROM makegood_execution e WHERE e.id = ? FOR UPDATE",
    parameters: [id],
  };
  if (guard === undefined || int(guard.token) !== lease.token) return "lost";
  const [row] = yield { sql: findRecordSql, parameters: [id, bytesOf(step), role] };
  if (row !== undefined && int(row.token) === lease.token) return "done";
  if (row !== undefined)
    throw new InvariantError("Expected no journal row of another owner for a step of mine, found one", {
      executionId: lease.executionId,
      step,
    });
  return text(guard.status) === "running" ? "absent" : "lost";
}

/** Primary key of journal. */
export const findRecordSql = `
  SELECT r.token FROM makegood_journal r WHERE r.execution_id = ? AND r.step = ? AND r.role = ?`;
