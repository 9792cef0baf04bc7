// Instants as people write them.
import { describeValue, OptionError } from "../errors.ts";
import { dateOf, dayMs, dayNumber } from "./civil.ts";
import { firstYear, lastYear } from "./cron-fields.ts";
import { instantOf, type Zone } from "./zone.ts";

/**
 * A Date, epoch milliseconds, or a text of ISO 8601: `2026-03-08T02:30:00Z`, `2026-03-08T02:30+08:00`. A text without an offset
 * is local time in the zone at hand (in a gap the first instant after it, in an overlap the first of both); without a time
 * it is the day's first instant.
 */
export type Instant = Date | number | string;

const earliestMs = dayNumber(firstYear, 1, 1) * dayMs;
const latestMs = dayNumber(lastYear + 1, 1, 1) * dayMs - 1;
const pattern =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,3}))?)?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?)?$/;

/** In whole epoch ms, from 1970 to 2199. Throws OPTION_INVALID, naming `name`. */
export function toInstant(value: Instant, zone: Zone, name: string): number {
  const ms = typeof value === "string" ? parse(value, zone) : value instanceof Date ? value.getTime() : value;
  if (typeof ms === "number" && Number.isInteger(ms) && ms >= earliestMs && ms <= latestMs) return ms;
  throw new OptionError(
    name,
    `${name}: expected an instant from ${firstYear} to ${lastYear}: a Date, whole milliseconds since 1970, or a text such as "2026-03-08T02:30:00Z", found ${value instanceof Date ? String(value) : describeValue(value)}`,
  );
}

function parse(text: string, zone: Zone): number | undefined {
  const [, date, hour = "0", minute = "0", second = "0", fraction = "", utc, sign, offsetHour, offsetMinute] =
    pattern.exec(text) ?? [];
  const day = date === undefined ? undefined : parseDate(date);
  if (day === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const seconds = Number(hour) * 3_600 + Number(minute) * 60 + Number(second);
  const localMs = day * dayMs + seconds * 1_000 + Number(fraction.padEnd(3, "0"));
  if (utc !== undefined) return localMs;
  if (sign === undefined) return instantOf(zone, localMs);
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  return localMs - (sign === "-" ? -1 : 1) * (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
}

/** `2026-02-28` as a day's number; undefined if there is no such day. */
export function parseDate(text: string): number | undefined {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) return undefined;
  const [year, month, day] = text.split("-").map(Number) as [number, number, number];
  if (month < 1 || month > 12) return undefined;
  const number = dayNumber(year, month, day);
  const back = dateOf(number);
  return back.month === month && back.day === day ? number : undefined;
}
