// The search for the next or previous local time that an expression names, without any time zone: from field to field, a day by
// its bits, never minute by minute. Local times are milliseconds as in civil.ts, here always whole seconds.
import { type CivilDate, dateOf, dayMs, dayNumber, daysInMonth } from "./civil.ts";
import type { Cron } from "./cron.ts";
import { daysOf } from "./cron-days.ts";
import { firstYear, lastYear } from "./cron-fields.ts";

const none = -1;
const lastSecond = 86_399;

/** The first local time named, at or after `localMs` (a whole second), up to the end of 2199. */
export function nextLocal(cron: Cron, localMs: number): number | null {
  const today = Math.floor(localMs / dayMs);
  const day = nextDay(cron, today);
  if (day === null) return null;
  if (day > today) return day * dayMs + nextTime(cron, 0) * 1_000;
  const time = nextTime(cron, (localMs - today * dayMs) / 1_000);
  if (time !== none) return today * dayMs + time * 1_000;
  const later = nextDay(cron, today + 1);
  return later === null ? null : later * dayMs + nextTime(cron, 0) * 1_000;
}

/** The last local time named, at or before `localMs` (a whole second), from 1970 on. */
export function previousLocal(cron: Cron, localMs: number): number | null {
  const today = Math.floor(localMs / dayMs);
  const day = previousDay(cron, today);
  if (day === null) return null;
  if (day < today) return day * dayMs + previousTime(cron, lastSecond) * 1_000;
  const time = previousTime(cron, (localMs - today * dayMs) / 1_000);
  if (time !== none) return today * dayMs + time * 1_000;
  const earlier = previousDay(cron, today - 1);
  return earlier === null ? null : earlier * dayMs + previousTime(cron, lastSecond) * 1_000;
}

// ── The time of day, in seconds ────────────────────────────────────────────────────────────────────────────────────

function nextTime({ hours, minutes, seconds }: Cron, from: number): number {
  const hour = Math.floor(from / 3_600);
  const minute = Math.floor(from / 60) % 60;
  if (hours.next[hour] === hour) {
    const second = minutes.next[minute] === minute ? at(seconds.next, from % 60) : none;
    if (second !== none) return hour * 3_600 + minute * 60 + second;
    const laterMinute = at(minutes.next, minute + 1);
    if (laterMinute !== none) return hour * 3_600 + laterMinute * 60 + at(seconds.next, 0);
  }
  const laterHour = at(hours.next, hour + 1);
  return laterHour === none ? none : laterHour * 3_600 + at(minutes.next, 0) * 60 + at(seconds.next, 0);
}

function previousTime({ hours, minutes, seconds }: Cron, from: number): number {
  const hour = Math.floor(from / 3_600);
  const minute = Math.floor(from / 60) % 60;
  if (hours.previous[hour] === hour) {
    const second = minutes.previous[minute] === minute ? at(seconds.previous, from % 60) : none;
    if (second !== none) return hour * 3_600 + minute * 60 + second;
    const earlierMinute = at(minutes.previous, minute - 1);
    if (earlierMinute !== none) return hour * 3_600 + earlierMinute * 60 + at(seconds.previous, 59);
  }
  const earlierHour = at(hours.previous, hour - 1);
  return earlierHour === none ? none : earlierHour * 3_600 + at(minutes.previous, 59) * 60 + at(seconds.previous, 59);
}

function at(table: Int8Array, value: number): number {
  return table[value] ?? none;
}

// ── The day ────────────────────────────────────────────────────────────────────────────────────────────────────────

function nextDay(cron: Cron, from: number): number | null {
  const start: CivilDate = from < firstDay ? { year: firstYear, month: 1, day: 1 } : dateOf(from);
  let { year, month, day } = start;
  while (year <= lastYear) {
    if (!isYearNamed(cron, year)) {
      const next = cron.years?.find((named) => named > year);
      if (next === undefined) return null;
      [year, month, day] = [next, 1, 1];
    }
    if ((cron.months & (1 << month)) !== 0) {
      const left = daysOf(cron.days, year, month) >>> (day - 1);
      // The lowest bit.
      if (left !== 0) return dayNumber(year, month, day + 31 - Math.clz32(left & -left));
    }
    [year, month, day] = month === 12 ? [year + 1, 1, 1] : [year, month + 1, 1];
  }
  return null;
}

function previousDay(cron: Cron, from: number): number | null {
  const start: CivilDate = from > lastDay ? { year: lastYear, month: 12, day: 31 } : dateOf(from);
  let { year, month, day } = start;
  while (year >= firstYear) {
    if (!isYearNamed(cron, year)) {
      const previous = cron.years?.findLast((named) => named < year);
      if (previous === undefined) return null;
      [year, month, day] = [previous, 12, 31];
    }
    if ((cron.months & (1 << month)) !== 0) {
      const left = daysOf(cron.days, year, month) & (2 ** day - 1);
      // The highest bit.
      if (left !== 0) return dayNumber(year, month, 32 - Math.clz32(left));
    }
    [year, month] = month === 1 ? [year - 1, 12] : [year, month - 1];
    day = daysInMonth(year, month);
  }
  return null;
}

const firstDay = dayNumber(firstYear, 1, 1);
const lastDay = dayNumber(lastYear, 12, 31);

function isYearNamed(cron: Cron, year: number): boolean {
  return cron.years === null || cron.years.includes(year);
}
