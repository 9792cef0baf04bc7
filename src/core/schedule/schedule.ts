// A schedule as a value: when it fires, between which instants, on which days. Made once by `resolveSchedule`; asked by plain
// functions (fires.ts, decide.ts). Nothing here knows of a clock or a store.
import { type Duration, toMs } from "../duration.ts";
import { describeValue, OptionError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { type Calendar, type CalendarOptions, resolveCalendar } from "./calendar.ts";
import type { Cron } from "./cron.ts";
import type { CronDialect } from "./cron-fields.ts";
import { parseCron } from "./cron-parse.ts";
import { type Instant, toInstant } from "./instant.ts";
import { type Zone, zoneOf } from "./zone.ts";

/** What holds for every kind of schedule. */
export interface ScheduleBounds {
  /** In which cron fields, days of the calendar and instants without an offset are read. IANA name, default `UTC`. */
  readonly zone?: string;
  /** No fire before. A fixed rate counts from here. Default none. */
  readonly start?: Instant;
  /** No fire at or after. Default none. */
  readonly end?: Instant;
  /**
   * Each fire starts late by a part of this, which depends on the schedule and the fire time alone, so that every process
   * finds the same. Never past the next fire. Up to 1 d, default 0.
   */
  readonly jitter?: Duration;
  /** Days without fires. Default none. */
  readonly calendar?: CalendarOptions;
}

/**
 * Which ends start it. `each`: every one. `any`: the first of an occasion. `all`: the last, when each of those followed has
 * completed for the same occasion.
 */
export const joins = ["each", "any", "all"] as const;
export type Join = (typeof joins)[number];

/** What is followed: a job, however its executions were started; or of that job only what one schedule started. */
export interface Upstream {
  readonly job: string;
  /** A schedule's id. */
  readonly schedule?: string;
}

/** Exactly one of `cron`, `every`, `at` and `after`. */
export interface ScheduleOptions extends ScheduleBounds {
  readonly cron?: string;
  /** Of `cron`. Default `quartz`. */
  readonly dialect?: CronDialect;
  /** From 100 ms up. */
  readonly every?: Duration;
  /**
   * Of `every`: false, a fixed rate, counted from `start` or else from 1970-01-01T00:00Z, so that every process counts alike;
   * true, a fixed delay: as long after the end of the last execution. Default false.
   */
  readonly afterEnd?: boolean;
  /** Once. */
  readonly at?: Instant;
  /** When others have completed. Without times, so without bounds. */
  readonly after?: readonly Upstream[];
  /** Of `after`, and only there. */
  readonly join?: Join;
}

export type Timing =
  | { readonly kind: "cron"; readonly cron: Cron }
  | { readonly kind: "rate"; readonly everyMs: number; readonly anchorMs: number }
  | { readonly kind: "delay"; readonly everyMs: number }
  | { readonly kind: "once"; readonly atMs: number }
  | { readonly kind: "after"; readonly upstreams: readonly Upstream[]; readonly join: Join };

export interface Schedule {
  readonly timing: Timing;
  readonly zone: Zone;
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  readonly jitterMs: number;
  /** Of the jitter: what identifies the schedule, such as its name. */
  readonly seed: string;
  readonly calendar: Calendar | null;
}

const minEveryMs = 100;
const maxJitterMs = 86_400_000;
const boundKeys: readonly (keyof ScheduleBounds)[] = ["zone", "start", "end", "jitter", "calendar"];
const scheduleKeys: readonly (keyof ScheduleOptions)[] = [
  ...(["cron", "dialect", "every", "afterEnd", "at", "after", "join"] as const),
  ...boundKeys,
];

/**
 * The schedule that the options describe. `seed` spreads the jitter: give what identifies the schedule. Throws CRON_INVALID, and
 * OPTION_INVALID for unknown options, an unknown zone, an `end` that is not after `start`, and kinds that contradict each other.
 */
export function resolveSchedule(options: ScheduleOptions, seed: string, where = "schedule"): Schedule {
  checkOptions(options, scheduleKeys, where);
  const zone = zoneOf(options.zone ?? "UTC", `${where}.zone`);
  const startMs =
    options.start === undefined ? Number.NEGATIVE_INFINITY : toInstant(options.start, zone, `${where}.start`);
  const endMs = options.end === undefined ? Number.POSITIVE_INFINITY : toInstant(options.end, zone, `${where}.end`);
  if (endMs <= startMs)
    throw new OptionError(
      `${where}.end`,
      `${where}.end: expected an instant after start (${new Date(startMs).toISOString()}), found ${new Date(endMs).toISOString()}`,
    );
  return {
    timing: resolveTiming(options, zone, startMs, where),
    ...{ zone, startMs, endMs, seed },
    jitterMs: toMs(options.jitter ?? 0, `${where}.jitter`, { max: maxJitterMs }),
    calendar: options.calendar === undefined ? null : resolveCalendar(options.calendar, `${where}.calendar`),
  };
}

function resolveTiming(options: ScheduleOptions, zone: Zone, startMs: number, where: string): Timing {
  const { cron, dialect, every, afterEnd, at, after, join } = options;
  const given = (["cron", "every", "at", "after"] as const).filter((kind) => options[kind] !== undefined);
  if (given.length !== 1)
    throw new OptionError(
      where,
      `${where}: expected exactly one of cron, every, at and after, found ${given.length === 0 ? "none" : given.join(" and ")}`,
    );
  if (dialect !== undefined && cron === undefined)
    throw new OptionError(
      `${where}.dialect`,
      `${where}.dialect: expected it only beside cron, found it beside ${given[0]}`,
    );
  if (afterEnd !== undefined && (every === undefined || typeof afterEnd !== "boolean"))
    throw new OptionError(
      `${where}.afterEnd`,
      `${where}.afterEnd: expected true or false, only beside every, found ${describeValue(afterEnd)} beside ${given[0]}`,
    );
  if (after !== undefined) return { kind: "after", upstreams: after, join: resolveJoin(join, `${where}.join`) };
  if (cron !== undefined) return { kind: "cron", cron: parseCron(cron, dialect) };
  if (at !== undefined) return { kind: "once", atMs: toInstant(at, zone, `${where}.at`) };
  const everyMs = toMs(every as Duration, `${where}.every`, { min: minEveryMs });
  if (afterEnd === true) return { kind: "delay", everyMs };
  return { kind: "rate", everyMs, anchorMs: Number.isFinite(startMs) ? startMs : 0 };
}

/** Default `each`. Throws OPTION_INVALID. */
export function resolveJoin(join: unknown, where = "join"): Join {
  const found = joins.find((one) => one === (join ?? "each"));
  if (found !== undefined) return found;
  throw new OptionError(where, `${where}: expected one of ${joins.join(", ")}, found ${describeValue(join)}`);
}
