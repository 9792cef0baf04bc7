// Days on which a schedule does not fire. A day is a date of the schedule's own zone, so a calendar has no zone.
import { describeValue, OptionError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { weekdayOf } from "./civil.ts";
import { parseDate } from "./instant.ts";

export const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] as const;
export type Weekday = (typeof weekdays)[number];

export interface CalendarOptions {
  /** Dates `2026-10-01` and ranges `2026-10-01..2026-10-07`, both ends included. At most 10 000. Default none. */
  readonly excludeDates?: readonly string[];
  /** Such as `["SAT", "SUN"]`. Default none; not all seven. */
  readonly excludeWeekdays?: readonly Weekday[];
  /** Dates and ranges that fire although a weekday or date above excludes them: weekends that are worked. Default none. */
  readonly includeDates?: readonly string[];
}

/** First and last day, as day numbers. */
type Days = readonly [first: number, last: number];

export interface Calendar {
  /** Rising, apart from each other; so are those below. */
  readonly excluded: readonly Days[];
  readonly included: readonly Days[];
  /** Bit 0 is Sunday. */
  readonly excludedWeekdays: number;
}

const maxDates = 10_000;
const everyWeekday = 0b1111111;

/** Throws OPTION_INVALID, naming the date or weekday, or where all seven weekdays are excluded. */
export function resolveCalendar(options: CalendarOptions, where = "calendar"): Calendar {
  checkOptions(options, ["excludeDates", "excludeWeekdays", "includeDates"], where);
  return {
    excluded: readDates(options.excludeDates, `${where}.excludeDates`),
    included: readDates(options.includeDates, `${where}.includeDates`),
    excludedWeekdays: readWeekdays(options.excludeWeekdays, `${where}.excludeWeekdays`),
  };
}

/**
 * The dates of a text file, one date or range a line: `2026-10-01`, `2026-10-01..2026-10-07`; with a plus before it, a day that
 * is worked (`+2026-10-10`). What follows a `#` is a comment. For `calendar: { ...parseCalendarFile(text), excludeWeekdays }`.
 * Throws OPTION_INVALID, naming the line.
 */
export function parseCalendarFile(
  text: string,
  where = "calendar file",
): Required<Pick<CalendarOptions, "excludeDates" | "includeDates">> {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const entries = lines.map((line, index) => ({ entry: line.replace(/#.*/, "").trim(), line: index + 1 }));
  const named = entries.filter(({ entry }) => entry !== "");
  for (const { entry, line } of named) readDays(entry.replace(/^\+\s*/, ""), `${where}, line ${line}`);
  const dates = named.map(({ entry }) => entry);
  return {
    excludeDates: dates.filter((entry) => !entry.startsWith("+")),
    includeDates: dates.filter((entry) => entry.startsWith("+")).map((entry) => entry.replace(/^\+\s*/, "")),
  };
}

/** Whether a schedule fires on this day. */
export function isOpenDay(calendar: Calendar, day: number): boolean {
  if (covers(calendar.included, day)) return true;
  return (calendar.excludedWeekdays & (1 << weekdayOf(day))) === 0 && !covers(calendar.excluded, day);
}

/** By halving: the last range that begins on or before the day. */
function covers(ranges: readonly Days[], day: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as Days)[0] <= day) low = middle + 1;
    else high = middle;
  }
  return low > 0 && (ranges[low - 1] as Days)[1] >= day;
}

function readDates(dates: readonly string[] | undefined, where: string): readonly Days[] {
  if (dates === undefined) return [];
  if (!Array.isArray(dates) || dates.length > maxDates)
    throw new OptionError(
      where,
      `${where}: expected a list of at most ${maxDates} dates, found ${describeValue(dates)}`,
    );
  const rising = dates.map((date) => readDays(date, where)).sort((a, b) => a[0] - b[0]);
  const apart: Days[] = [];
  for (const [first, last] of rising) {
    const before = apart.at(-1);
    if (before !== undefined && first <= before[1] + 1)
      apart[apart.length - 1] = [before[0], Math.max(before[1], last)];
    else apart.push([first, last]);
  }
  return apart;
}

function readDays(text: string, where: string): Days {
  const [first, last = first, ...more] =
    typeof text === "string" ? text.split("..").map((date) => parseDate(date.trim())) : [];
  if (first !== undefined && last !== undefined && last >= first && more.length === 0) return [first, last];
  throw new OptionError(
    where,
    `${where}: expected a date such as 2026-10-01 or a rising range such as 2026-10-01..2026-10-07, found ${describeValue(text)}`,
  );
}

function readWeekdays(named: readonly Weekday[] | undefined, where: string): number {
  if (named === undefined) return 0;
  const bits = Array.isArray(named)
    ? named.map((name) => weekdays.indexOf(String(name).toUpperCase() as Weekday))
    : [-1];
  const mask = bits.reduce((all, bit) => all | (1 << bit), 0);
  if (!bits.includes(-1) && mask !== everyWeekday) return mask;
  throw new OptionError(
    where,
    `${where}: expected a list of some of ${weekdays.join(", ")}, found ${Array.isArray(named) ? named.map(String).join(", ").slice(0, 60) : describeValue(named)}`,
  );
}
