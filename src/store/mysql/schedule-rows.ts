import type { ScheduleRow, ScheduleSource } from "../../core/schedule-store.ts";
import type { Row } from "../../core/script.ts";
import { bytesOrNull, idOf, idOrNull, int, intOrNull, text, textOrNull } from "./values.ts";

/** Of `makegood_schedule s`. */
export const scheduleColumns = `
s.id, s.namespace, s.name, s.source, s.paused, s.job, s.\`group\`, s.definition, s.input, s.needs_code, s.follows,
       s.enabled_at, s.next_at, s.awaits, s.last_ended_at, s.version, s.last_fired_at, s.created_at, s.updated_at`;

export const scheduleOf = (row: Row): ScheduleRow => ({
  id: idOf(row.id),
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
  awaits: idOrNull(row.awaits),
  lastEndedAt: intOrNull(row.last_ended_at),
  version: int(row.version),
  lastFiredAt: intOrNull(row.last_fired_at),
  createdAt: int(row.created_at),
  updatedAt: int(row.updated_at),
});
