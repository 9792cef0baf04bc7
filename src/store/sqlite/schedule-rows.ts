import type { ScheduleRow } from "../../core/schedule-store.ts";
import type { Row } from "../../core/script.ts";
import { idFromBytes, idOrNull } from "./id-bytes.ts";

/** Of `makegood_schedule AS s`. */
export const scheduleColumns = `s.id, s.namespace, s.name, s.source, s.paused, s.job, s."group", s.definition, s.input, s.needs_code, s.follows,
       s.enabled_at, s.next_at, s.awaits, s.last_ended_at, s.version, s.last_fired_at, s.created_at, s.updated_at`;
export function toSchedule(row: Row): ScheduleRow {
  return {
    id: idFromBytes(row["id"]),
    namespace: row["namespace"] as string,
    name: row["name"] as string | null,
    source: row["source"] as ScheduleRow["source"],
    paused: row["paused"] as ScheduleRow["paused"],
    job: row["job"] as string,
    group: row["group"] as string | null,
    definition: row["definition"] as string,
    input: row["input"] as Uint8Array | null,
    needsCode: row["needs_code"] === 1,
    follows: row["follows"] === 1,
    enabledAt: row["enabled_at"] as number,
    nextAt: row["next_at"] as number | null,
    awaits: idOrNull(row["awaits"]),
    lastEndedAt: row["last_ended_at"] as number | null,
    version: row["version"] as number,
    lastFiredAt: row["last_fired_at"] as number | null,
    createdAt: row["created_at"] as number,
    updatedAt: row["updated_at"] as number,
  };
}
