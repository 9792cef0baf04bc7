import type { ScheduleRow, ScheduleSource } from "../../core/schedule-store.ts";
import type { Row } from "../../core/script.ts";
import { bytesOrNull, int, intOrNull, text, textOrNull } from "./values.ts";

/** Of `makegood.schedule s`. */
export const scheduleColumns = `
s.id::text AS id, s.namespace, s.name, s.source, s.paused, s.job, s."group", s.definition, s.input, s.needs_code::integer AS needs_code,
       s.follows::integer AS follows,
       s.enabled_at, s.next_at, s.awaits::text AS awaits, s.last_ended_at, s.version, s.last_fired_at, s.created_at, s.updated_at`;

export const scheduleOf = (row: Row): ScheduleRow => ({
  id: text(row.id),
  namespace: text(row.namespace),
  name: textOrNull(row.name),
  source: text<ScheduleSource>(row.source),
  paused: textOrNull<NonNullable<ScheduleRow["paused"]>>(row.paused),
  job: text(row.job),
  group: textOrNull(row.group),
  definition: text(row.definition),
  input: bytesOrNull(row.input),
  needsCode: int(row.needs_code) === 1,
  follows: int(row.follows) === 1,
  enabledAt: int(row.enabled_at),
  nextAt: intOrNull(row.next_at),
  awaits: textOrNull(row.awaits),
  lastEndedAt: intOrNull(row.last_ended_at),
  version: int(row.version),
  lastFiredAt: intOrNull(row.last_fired_at),
  createdAt: int(row.created_at),
  updatedAt: int(row.updated_at),
});
