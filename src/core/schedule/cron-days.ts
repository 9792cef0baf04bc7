// Which days of a month a cron expression names, as 31 bits: bit 0 is the first.
import { dayNumber, daysInMonth, weekdayOf } from "./civil.ts";

/** A day counted from an end of the month, and perhaps moved to the nearest weekday. */
export interface SpecialDay {
  /** From 1; or, counted from the last, 0 for the last, 3 for `L-3`. */
  readonly day: number;
  readonly fromLast: boolean;
  /** `W`: moved to the nearest of Monday to Friday within the month. */
  readonly nearestWeekday: boolean;
}

export interface MonthDays {
  /** Bit 0 is the first of the month. */
  readonly mask: number;
  readonly special: readonly SpecialDay[];
}

export interface WeekDays {
  /** Bit 0 is Sunday. */
  readonly mask: number;
  /** Only the first … fifth (1 … 5) of the month, or its last one; else all. */
  readonly only: number | "last" | "all";
}

export interface DayRule {
  /** null: the field says nothing (`?`). */
  readonly monthDays: MonthDays | null;
  readonly weekDays: WeekDays | null;
  /** Where both speak: whether a day must be named by both, or by one of them. */
  readonly joined: "both" | "either";
}

const everyWeekday = 0b1111111;

/** The days of this month, as 31 bits; 0: none. */
export function daysOf(rule: DayRule, year: number, month: number): number {
  const length = daysInMonth(year, month);
  const valid = 2 ** length - 1;
  const byMonth = rule.monthDays === null ? valid : monthDaysOf(rule.monthDays, year, month, length);
  if (rule.weekDays === null) return byMonth & valid;
  const byWeek = weekDaysOf(rule.weekDays, weekdayOf(dayNumber(year, month, 1)), length);
  return (rule.joined === "either" && rule.monthDays !== null ? byMonth | byWeek : byMonth & byWeek) & valid;
}

function monthDaysOf(days: MonthDays, year: number, month: number, length: number): number {
  let mask = days.mask;
  for (const special of days.special) {
    const day = special.fromLast ? length - special.day : special.day;
    // There is no 31W in a month of 30 days, and no L-30 in February.
    if (day < 1 || day > length) continue;
    mask |= 1 << ((special.nearestWeekday ? nearestWeekday(year, month, day, length) : day) - 1);
  }
  return mask;
}

/** Never over the end of the month: the 1st on a Saturday becomes Monday the 3rd, the last on a Sunday the Friday before. */
function nearestWeekday(year: number, month: number, day: number, length: number): number {
  const weekday = weekdayOf(dayNumber(year, month, day));
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 0) return day === length ? day - 2 : day + 1;
  return day;
}

function weekDaysOf(days: WeekDays, weekdayOfFirst: number, length: number): number {
  // The week begins at the weekday of the first; repeated over the month.
  const week = ((days.mask >> weekdayOfFirst) | (days.mask << (7 - weekdayOfFirst))) & everyWeekday;
  if (typeof days.only === "number") return week << (7 * (days.only - 1));
  const month = week | (week << 7) | (week << 14) | (week << 21) | ((week & 7) << 28);
  if (days.only === "all") return month;
  return month & ~(2 ** (length - 7) - 1);
}
