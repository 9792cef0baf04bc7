// A schedule as it is stored: the JSON text of a row's `definition`. Written by this code and read by any center, of this
// version or the next: fields are added, and never change their meaning.
import type { Retries } from "../dispatch.ts";
import { CatalogError } from "../errors.ts";
import type { RoutingStrategy } from "../routing/strategies.ts";
import type { ScheduleRow } from "../schedule-store.ts";
import type { BlockingStrategy } from "../store.ts";
import type { CalendarOptions } from "./calendar.ts";
import { weekdays } from "./calendar.ts";
import type { StampedScript } from "./call-script.ts";
import { dateOf } from "./civil.ts";
import { decideFires } from "./decide.ts";
import type { Misfire } from "./misfire.ts";
import { resolveSchedule, type Schedule, type ScheduleOptions } from "./schedule.ts";

/** A handler of an executor, or a script for one, called by a center. What the dispatching job is given. */
export interface RemoteCall {
  /** Of executors. It may register later. */
  readonly group: string;
  /** Empty where there is a script. */
  readonly handler: string;
  /** Run in place of a handler, by executors that allow it; sent by centers that do. */
  readonly script?: StampedScript;
  readonly param: string;
  readonly route: RoutingStrategy;
  /** What if the last call of this schedule still runs; null: they run side by side. */
  readonly block: BlockingStrategy | null;
  /** Of one attempt on an executor; null: none. */
  readonly timeoutMs: number | null;
  readonly retries: Retries;
  /** Before the first retry, and by how much each pause is longer than the one before; up to an hour. Absent: at once. */
  readonly retryPause?: { readonly ms: number; readonly factor: number };
  /** The executors' word for the job, 1 … 2^31 − 1: at each of them one run of a number at a time. Default: made of the schedule's id. */
  readonly jobId?: number;
  /** Only these executors of the group. Absent: all. */
  readonly addresses?: readonly string[];
}

/** Of the job that a center runs for a call. */
export const dispatchVersion = 1;

/** What each execution is started with, besides its input. Resolved when the schedule is made, so that a center without the job's code can fire it. */
export interface StartTemplate {
  /** Of the job. A center that has a newer one starts that. */
  readonly version: number;
  readonly fingerprint: string;
  readonly priority: number;
  readonly group: string | null;
  readonly concurrencyKey: string | null;
  readonly blocking: BlockingStrategy | null;
  readonly timeoutMs: number | null;
  readonly retainMs: number;
  readonly keyRetainMs: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ScheduleDefinition {
  readonly format: 1;
  /** As `resolveSchedule` takes it, in JSON. */
  readonly schedule: ScheduleOptions;
  readonly misfire: Misfire;
  readonly start: StartTemplate;
  readonly call: RemoteCall | null;
}

export const formatDefinition = (definition: ScheduleDefinition): string => JSON.stringify(definition);

/** Throws STORE_SCHEMA for a text of newer code, or that no code wrote. */
export function parseDefinition(text: string): ScheduleDefinition {
  const found: unknown = safeParse(text);
  const { format } = (typeof found === "object" && found !== null ? found : {}) as { readonly format?: unknown };
  if (format === 1) return found as ScheduleDefinition;
  throw new CatalogError(
    "STORE_SCHEMA",
    `Expected the definition of a schedule in format 1, found ${format === undefined ? "none" : `format ${String(format)}`}. Deploy the code that wrote it`,
    {},
  );
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The options that give this schedule again. Durations and instants in ms. */
export function scheduleOptionsOf(schedule: Schedule): ScheduleOptions {
  const { zone, startMs, endMs, jitterMs, calendar } = schedule;
  return {
    ...timingOptionsOf(schedule),
    zone: zone.name,
    ...(Number.isFinite(startMs) ? { start: startMs } : {}),
    ...(Number.isFinite(endMs) ? { end: endMs } : {}),
    ...(jitterMs === 0 ? {} : { jitter: jitterMs }),
    ...(calendar === null ? {} : { calendar: calendarOptionsOf(calendar) }),
  };
}

function timingOptionsOf({
  timing,
}: Schedule): Pick<ScheduleOptions, "cron" | "dialect" | "every" | "afterEnd" | "at" | "after" | "join"> {
  switch (timing.kind) {
    case "cron":
      return { cron: timing.cron.expression, dialect: timing.cron.dialect };
    case "rate":
      return { every: timing.everyMs };
    case "delay":
      return { every: timing.everyMs, afterEnd: true };
    case "once":
      return { at: timing.atMs };
    case "after":
      return { after: timing.upstreams, join: timing.join };
  }
}

function calendarOptionsOf({
  excluded,
  included,
  excludedWeekdays,
}: NonNullable<Schedule["calendar"]>): CalendarOptions {
  return {
    excludeDates: excluded.map(dates),
    includeDates: included.map(dates),
    excludeWeekdays: weekdays.filter((_, bit) => (excludedWeekdays & (1 << bit)) !== 0),
  };
}

const dates = ([first, last]: readonly [number, number]): string =>
  first === last ? date(first) : `${date(first)}..${date(last)}`;

function date(days: number): string {
  const { year, month, day } = dateOf(days);
  return `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

/** What identifies a schedule, for its jitter. */
export const seedOf = ({ id, name }: { readonly id: string; readonly name: string | null }): string => name ?? id;

// ── Read often ─────────────────────────────────────────────────────────────────────────────────────────────────────

const maxKept = 10_000;

type Planned = Pick<ScheduleRow, "id" | "name" | "definition" | "awaits" | "enabledAt" | "lastFiredAt" | "lastEndedAt">;

/** Definitions by their text. Many schedules share one, and a cron expression takes longer to read than to ask. */
export class Definitions {
  #kept = new Map<string, { readonly definition: ScheduleDefinition; readonly schedule: Schedule }>();

  /** `seed`: what identifies the schedule, for its jitter. Throws STORE_SCHEMA, and as `resolveSchedule` does. */
  read(text: string, seed: string): { readonly definition: ScheduleDefinition; readonly schedule: Schedule } {
    let known = this.#kept.get(text);
    if (known === undefined) {
      const definition = parseDefinition(text);
      known = { definition, schedule: resolveSchedule(definition.schedule, "") };
      if (this.#kept.size >= maxKept) this.#kept = new Map();
      this.#kept.set(text, known);
    }
    return { definition: known.definition, schedule: { ...known.schedule, seed } };
  }

  /** When a row that was made or changed is due next, at the database's `now`. Null: never, or when what it awaits has ended. */
  nextDue(row: Planned, now: number): number | null {
    if (row.awaits !== null) return null;
    const { definition, schedule } = this.read(row.definition, seedOf(row));
    const { lastFiredAt: lastFireAt, enabledAt, lastEndedAt } = row;
    const { misfire } = definition;
    const { fires, nextDueAt } = decideFires({ schedule, misfire, lastFireAt, enabledAt, lastEndedAt, now });
    return fires[0]?.dueAt ?? nextDueAt;
  }
}
