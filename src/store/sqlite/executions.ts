import type { ExecutionStore, Loaded, NewExecution, StartOutcome } from "../../core/store.ts";
import { type Claim, claimReady } from "./claims.ts";
import type { Connection, Sql } from "./connection.ts";
import { readGuard } from "./guard.ts";
import { idToBytes } from "./id-bytes.ts";
import { readAttempts, readJournal, readSignals } from "./journal.ts";
import { isLive } from "./leases.ts";
import type { Moment } from "./moment.ts";
import { hasRecord } from "./records.ts";
import { rescue } from "./rescue.ts";
import { prunable, prune } from "./retention.ts";
import { start } from "./starts.ts";
import { wakeDue } from "./wakes.ts";
import { applyWrite } from "./writes.ts";

export function executionStore(connection: Connection): ExecutionStore {
  return {
    commit: (starts, writes) =>
      connection.write((sql, moment) => {
        const begin = starter(sql, moment);
        return { starts: starts.map(begin), writes: writes.map((write) => applyWrite(sql, write, moment, begin)) };
      }),
    claim: (request: Claim) => claimReady(connection, request),
    load: (ids) =>
      connection.read((sql) => {
        const loaded = new Map<string, Loaded>();
        for (const id of ids) {
          const found = load(sql, idToBytes(id));
          if (found !== null) loaded.set(id, found);
        }
        return loaded;
      }),
    wakeDue: (request) => wakeDue(connection, request),
    rescue: (request) => rescue(connection, request),
    // Under the write lock: a commit that is still on its way has landed by then, or never will.
    readBack: (lease, step, role) =>
      connection.write((sql) => {
        const guard = readGuard(sql, idToBytes(lease.executionId));
        if (guard === null || guard.token !== lease.token) return "lost";
        if (hasRecord(sql, guard, step, role)) return "done";
        return guard.status === "running" ? "absent" : "lost";
      }),
    prunable: (request) => prunable(connection, request),
    prune: (request) => prune(connection, request),
  };
}

/** Starts of one transaction. Most name the same worker, whose lease is asked for once. */
function starter(sql: Sql, moment: Moment): (execution: NewExecution) => StartOutcome {
  let asked: string | null = null;
  let worker: Uint8Array | null = null;
  return (execution) => {
    if (execution.claimFor !== asked) {
      asked = execution.claimFor;
      const id = asked === null ? null : idToBytes(asked);
      worker = id !== null && isLive(sql, id, moment.now) ? id : null;
    }
    return start(sql, execution, worker, moment);
  };
}

function load(sql: Sql, id: Uint8Array): Loaded | null {
  const guard = readGuard(sql, id);
  if (guard === null) return null;
  return {
    journal: readJournal(sql, id),
    attempts: readAttempts(sql, id, "counted"),
    signals: readSignals(sql, id),
    inbox: guard.inbox,
    cancel: guard.cancel,
  };
}
