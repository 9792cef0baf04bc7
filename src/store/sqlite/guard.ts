// The guard row as commands and writes see it. Read first in the write transaction: nothing can change it before the commit,
// so that core's `allows` decides and the statements that follow need only name the id.
import {
  allows,
  type GuardState,
  type Phase,
  type Reason,
  type Status,
  type TransitionName,
} from "../../core/execution.ts";
import type { Sql } from "./connection.ts";

export interface Guard extends GuardState {
  readonly id: Uint8Array;
  readonly status: Status;
  readonly phase: Phase;
  readonly isCanceled: boolean;
  readonly cancel: Reason | null;
  readonly inbox: number;
  readonly token: number;
  readonly parent: Uint8Array | null;
  readonly slot: "wanted" | "held" | null;
}

// Served by the primary key.
const readRow = `
SELECT status, phase, cancel, inbox, token, parent, slot
  FROM makegood_execution
 WHERE id = ?`;

export function readGuard(sql: Sql, id: Uint8Array): Guard | null {
  const row = sql.tuple(readRow, [id]);
  if (row === undefined) return null;
  const [status, phase, cancel, inbox, token, parent, slot] = row as unknown as readonly [
    Status,
    Phase,
    Reason | null,
    number,
    number,
    Uint8Array | null,
    Guard["slot"],
  ];
  return { id, status, phase, isCanceled: cancel !== null, cancel, inbox, token, parent, slot };
}

export const mayDo = (name: TransitionName, guard: Guard, seenInbox?: number): boolean =>
  allows(name, guard, seenInbox);
