import type { Actor } from "../../core/ports.ts";
import type { Row } from "../../core/script.ts";
import type { AuditRow, IncidentRow, ReadStore } from "../../core/store.ts";
import type { Sql } from "./connection.ts";
import { idFromBytes } from "./id-bytes.ts";
import { readAttempts, readJournal, readSignals } from "./journal.ts";

// Served by audit_execution. Ids rise in the order of writing.
const selectAudit = `
SELECT execution_id, verb, actor_kind, actor_id, note, at
  FROM makegood_audit WHERE execution_id = ? ORDER BY id`;
// Served by incident_execution.
const selectIncidents = `
SELECT id, execution_id, code, step, error, opened_at, closed_at
  FROM makegood_incident WHERE execution_id = ? ORDER BY id`;

export function readHistory(sql: Sql, id: Uint8Array): Awaited<ReturnType<ReadStore["history"]>> {
  return {
    journal: readJournal(sql, id),
    attempts: readAttempts(sql, id, "all"),
    signals: readSignals(sql, id),
    audit: sql.rows(selectAudit, [id]).map(toAudit),
    incidents: sql.rows(selectIncidents, [id]).map(toIncident),
  };
}

export function toAudit(row: Row): AuditRow {
  return {
    executionId: idFromBytes(row["execution_id"]),
    verb: row["verb"] as string,
    actor: { kind: row["actor_kind"] as Actor["kind"], id: row["actor_id"] as string },
    note: row["note"] as string | null,
    at: row["at"] as number,
  };
}

export function toIncident(row: Row): IncidentRow {
  return {
    id: idFromBytes(row["id"]),
    executionId: idFromBytes(row["execution_id"]),
    code: row["code"] as string,
    step: row["step"] as string | null,
    error: row["error"] as Uint8Array | null,
    openedAt: row["opened_at"] as number,
    closedAt: row["closed_at"] as number | null,
  };
}
