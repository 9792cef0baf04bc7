// The fire times of a schedule: the next, the previous, a list of them, and when each is due.
import { OptionError } from "../errors.ts";
import { checkInteger } from "../options.ts";
import { isOpenDay } from "./calendar.ts";
import { dayMs, dayNumber } from "./civil.ts";
import { lastYear } from "./cron-fields.ts";
import { nextFire, previousFire } from "./cron-fire.ts";
import type { Schedule } from "./schedule.ts";
import { instantOf } from "./zone.ts";

const lastInstantMs = dayNumber(lastYear + 1, 1, 1) * dayMs - 1;
const maxListed = 10_000;

/**
 * The first fire time after `afterMs`, in epoch ms; null: none, or none before the year 2200. Of a fixed delay: the earliest,
 * if the last execution ended at `afterMs`.
 */
export function nextAt(schedule: Schedule, afterMs: number): number | null {
  for (let after = Math.max(afterMs, schedule.startMs - 1); ; ) {
    const at = nextOfTiming(schedule, after);
    if (at === null || at >= schedule.endMs || at > lastInstantMs) return null;
    const openMs = openFrom(schedule, at);
    if (openMs === at) return at;
    if (schedule.timing.kind === "delay") return openMs < schedule.endMs && openMs <= lastInstantMs ? openMs : null;
    after = openMs - 1;
  }
}

/** The last fire time before `beforeMs`; null: none. Not of a fixed delay, which has no times of its own. */
export function previousAt(schedule: Schedule, beforeMs: number): number | null {
  for (let before = Math.min(beforeMs, schedule.endMs); ; ) {
    const at = previousOfTiming(schedule, before);
    if (at === null || at < schedule.startMs) return null;
    const day = localDay(schedule, at);
    if (schedule.calendar === null || isOpenDay(schedule.calendar, day)) return at;
    before = Math.min(at, instantOf(schedule.zone, day * dayMs));
  }
}

/** Whether its times follow from itself: a fixed delay and what follows others have none before the end they wait for. */
const hasTimes = ({ timing }: Schedule): boolean => timing.kind !== "delay" && timing.kind !== "after";

function nextOfTiming({ timing, zone }: Schedule, after: number): number | null {
  switch (timing.kind) {
    case "cron":
      return nextFire(timing.cron, zone, after);
    case "rate": {
      const count = Math.max(0, Math.floor((after - timing.anchorMs) / timing.everyMs) + 1);
      return timing.anchorMs + count * timing.everyMs;
    }
    case "delay":
      return after + timing.everyMs;
    case "once":
      return timing.atMs > after ? timing.atMs : null;
    case "after":
      return null;
  }
}

function previousOfTiming({ timing, zone }: Schedule, before: number): number | null {
  switch (timing.kind) {
    case "cron":
      return previousFire(timing.cron, zone, before);
    case "rate": {
      const count = Math.ceil((before - timing.anchorMs) / timing.everyMs) - 1;
      return count < 0 ? null : timing.anchorMs + count * timing.everyMs;
    }
    case "delay":
    case "after":
      return null;
    case "once":
      return timing.atMs < before ? timing.atMs : null;
  }
}

function localDay({ zone }: Schedule, instantMs: number): number {
  return Math.floor((instantMs + zone.pieceAt(instantMs).offsetMs) / dayMs);
}

/** The first instant from here on that the calendar does not exclude; beyond `lastInstantMs` if there is none. */
export function openFrom(schedule: Schedule, instantMs: number): number {
  if (schedule.calendar === null) return instantMs;
  const today = localDay(schedule, instantMs);
  if (isOpenDay(schedule.calendar, today)) return instantMs;
  let day = today + 1;
  while (!isOpenDay(schedule.calendar, day) && day * dayMs <= lastInstantMs) day++;
  return Math.max(instantMs + 1, instantOf(schedule.zone, day * dayMs));
}

// ── Jitter ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * When the fire of `at` is to start: `at` itself, or later by the schedule's jitter. The same in every process, for ever. Before
 * the next fire time, so that due times rise as fire times do.
 */
export function dueAt(schedule: Schedule, at: number): number {
  if (schedule.jitterMs === 0) return at;
  const due = at + Math.floor(fractionOf(`${schedule.seed}\n${at}`) * (schedule.jitterMs + 1));
  const next = schedule.timing.kind === "delay" ? null : nextAt(schedule, at);
  return next === null ? due : Math.min(due, next - 1);
}

/** In [0, 1): FNV-1a (Fowler, Noll, Vo) over the UTF-16 units, then the finalizer of MurmurHash3 (Appleby). Never change it. */
function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

// ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The next `count` fire times after `fromMs`, 1 … 10 000; fewer if the schedule ends. Of a fixed delay: the earliest ones. */
export function preview(schedule: Schedule, fromMs: number, count: number): readonly number[] {
  checkInteger(count, "count", 1, maxListed);
  const fires: number[] = [];
  for (let at = nextAt(schedule, fromMs); at !== null && fires.length < count; at = nextAt(schedule, at))
    fires.push(at);
  return fires;
}

export interface Backfill {
  /** Rising. */
  readonly fires: readonly number[];
  /** Where to go on, if the limit cut the list: the first fire time left out. Else null. */
  readonly resumeAt: number | null;
}

/**
 * The fire times from `fromMs` up to but not including `toMs`, at most `limit` (1 … 10 000) of them. `start`, `end` and calendar hold
 * here too. Throws OPTION_INVALID for an empty range, and for what has no times of its own: a fixed delay, and what follows others.
 */
export function backfill(schedule: Schedule, fromMs: number, toMs: number, limit: number): Backfill {
  checkInteger(limit, "limit", 1, maxListed);
  if (!(fromMs < toMs))
    throw new OptionError(
      "to",
      `to: expected an instant after from (${new Date(fromMs).toISOString()}), found ${new Date(toMs).toISOString()}`,
    );
  if (!hasTimes(schedule))
    throw new OptionError(
      "schedule",
      `schedule: expected one with times of its own to backfill (cron, a fixed rate or an instant), found ${schedule.timing.kind === "delay" ? "a fixed delay" : "one"} that only follows the end of executions`,
    );
  const fires: number[] = [];
  let at = nextAt(schedule, fromMs - 1);
  for (; at !== null && at < toMs && fires.length < limit; at = nextAt(schedule, at)) fires.push(at);
  return { fires, resumeAt: at !== null && at < toMs ? at : null };
}
