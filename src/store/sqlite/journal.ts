import type { AttemptRow, JournalRow, Role, StepKind } from "../../core/journal.ts";
import type { StoredSignal } from "../../core/store.ts";
import type { Sql } from "./connection.ts";

// Each is served by the primary key, whose first column is the execution.
const selectJournal = `
SELECT step, role, kind, seq, started, attempt, state, body, at, token, actor
  FROM makegood_journal WHERE execution_id = ? ORDER BY seq`;

export function readJournal(sql: Sql, id: Uint8Array): readonly (JournalRow & { readonly token: number })[] {
  return sql.rows(selectJournal, [id]).map((row) => ({
    step: row["step"] as string,
    role: row["role"] as Role,
    kind: row["kind"] as StepKind,
    seq: row["seq"] as number,
    started: row["started"] as number,
    attempt: row["attempt"] as number,
    state: row["state"] as JournalRow["state"],
    body: row["body"] as Uint8Array | null,
    at: row["at"] as number,
    token: row["token"] as number,
    actor: row["actor"] as string | null,
  }));
}

const selectAttempts = `
SELECT step, role, attempt, at, next_at, is_unknown, error
  FROM makegood_attempt WHERE execution_id = ? AND is_counted >= ? ORDER BY at, token, attempt`;

export function readAttempts(sql: Sql, id: Uint8Array, which: "counted" | "all"): readonly AttemptRow[] {
  return sql.rows(selectAttempts, [id, which === "counted" ? 1 : 0]).map((row) => ({
    step: row["step"] as string,
    role: row["role"] as Role,
    attempt: row["attempt"] as number,
    at: row["at"] as number,
    nextAt: row["next_at"] as number,
    isUnknown: row["is_unknown"] === 1,
    error: row["error"] as Uint8Array | null,
  }));
}

const selectSignals = `
SELECT signal_id, name, payload, at, taken_by
  FROM makegood_signal WHERE execution_id = ? ORDER BY seq`;

export function readSignals(sql: Sql, id: Uint8Array): readonly StoredSignal[] {
  return sql.rows(selectSignals, [id]).map((row) => ({
    signalId: row["signal_id"] as string,
    name: row["name"] as string,
    payload: row["payload"] as Uint8Array | null,
    at: row["at"] as number,
    takenBy: row["taken_by"] as string | null,
  }));
}
