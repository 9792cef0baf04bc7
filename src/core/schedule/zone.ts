// Time zones, from the database that the runtime carries (Intl). Asking Intl takes microseconds and gives only the offset at an
// instant, so the pieces of constant offset are found once for each span of 366 days, and kept: from then on an offset is
// two array accesses.
import { describeValue, OptionError } from "../errors.ts";
import { nearestKey } from "../options.ts";
import { dayMs, dayNumber } from "./civil.ts";

/** A time in which the clocks of a zone do not change. Cut also where a span ends, so both offsets can be the same. */
export interface ZonePiece {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** Local time minus universal time. */
  readonly offsetMs: number;
  /** That of the piece before. */
  readonly previousOffsetMs: number;
}

export interface Zone {
  /** As it was given, such as `Europe/Berlin`. */
  readonly name: string;
  pieceAt(instantMs: number): ZonePiece;
}

const spanMs = 366 * dayMs;
/**
 * Transitions are looked for by comparing offsets this far apart. Two that undo each other in less would not be seen; the
 * shortest in the database since 1970 are weeks apart (Morocco's and Egypt's Ramadans).
 */
const probeMs = 4 * dayMs;
/** Offsets stay below a day and two hours in all of history; local and universal time are never further apart. */
export const maxOffsetMs = 26 * 3_600_000;
const firstSpan = Math.floor(dayNumber(1800, 1, 1) / 366);
const lastSpan = Math.ceil(dayNumber(2300, 1, 1) / 366);
const zones = new Map<string, Zone>();
/** There are about 600 names; offsets such as +05:30 are names too, so the number of those kept is bounded. */
const maxKeptZones = 1_000;
/** Read by ICU as places that whoever writes them may not mean: CST is Chicago there, and Shanghai to many. Not IANA's. */
const ambiguous =
  /^(ACT|AET|AGT|ART|AST|BET|BST|CAT|CNT|CST|CTT|EAT|ECT|IET|IST|JST|MIT|NET|NST|PLT|PNT|PRT|PST|SST|VST)$/i;

/** The zone of this name: IANA, such as `Asia/Shanghai`, or `UTC`. Throws OPTION_INVALID for others, with the nearest name. */
export function zoneOf(name: string, option = "zone"): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = openZone(name, option);
  if (zones.size < maxKeptZones) zones.set(name, zone);
  return zone;
}

/** When a clock in the zone first shows `localMs`; for a time in a gap the first instant after the gap. */
export function instantOf(zone: Zone, localMs: number): number {
  let piece = zone.pieceAt(localMs - maxOffsetMs);
  while (localMs - piece.offsetMs >= piece.endMs) piece = zone.pieceAt(piece.endMs);
  return Math.max(localMs - piece.offsetMs, piece.startMs);
}

function openZone(name: string, option: string): Zone {
  const offsetAt = readOffsets(name, option);
  const spans: (readonly ZonePiece[])[] = [];
  return {
    name,
    pieceAt(instantMs) {
      const span = Math.min(Math.max(Math.floor(instantMs / spanMs), firstSpan), lastSpan);
      spans[span - firstSpan] ??= findPieces(offsetAt, span);
      const pieces = spans[span - firstSpan] as readonly ZonePiece[];
      let at = 0;
      while (at + 1 < pieces.length && instantMs >= (pieces[at] as ZonePiece).endMs) at++;
      return pieces[at] as ZonePiece;
    },
  };
}

/** The two ends of all spans are open, so that a piece never ends where no other begins. */
function findPieces(offsetAt: (instantMs: number) => number, span: number): readonly ZonePiece[] {
  const pieces: ZonePiece[] = [];
  const endMs = (span + 1) * spanMs;
  let startMs = span * spanMs;
  let previousOffsetMs = offsetAt(startMs - 1_000);
  let offsetMs = offsetAt(startMs);
  for (let probe = startMs; probe < endMs - 1_000; ) {
    const next = Math.min(probe + probeMs, endMs - 1_000);
    if (offsetAt(next) === offsetMs) {
      probe = next;
      continue;
    }
    const changedMs = findChange(offsetAt, probe, next, offsetMs);
    pieces.push({ startMs, endMs: changedMs, offsetMs, previousOffsetMs });
    [startMs, previousOffsetMs, offsetMs, probe] = [changedMs, offsetMs, offsetAt(changedMs), changedMs];
  }
  pieces.push({ startMs, endMs: span === lastSpan ? Number.POSITIVE_INFINITY : endMs, offsetMs, previousOffsetMs });
  return pieces;
}

/** The first whole second after `before` at which the offset is no longer `offsetMs`; at `after` it is another. */
function findChange(offsetAt: (ms: number) => number, before: number, after: number, offsetMs: number): number {
  let [low, high] = [before / 1_000, after / 1_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle * 1_000) === offsetMs) low = middle;
    else high = middle;
  }
  return high * 1_000;
}

function readOffsets(name: string, option: string): (instantMs: number) => number {
  const format = openFormat(name, option);
  return (instantMs) => {
    const [month, day, year, hour, minute, second] = format.format(instantMs).match(/\d+/g)?.map(Number) ?? [];
    const days = dayNumber(year as number, month as number, day as number);
    const seconds = (hour as number) * 3_600 + (minute as number) * 60 + (second as number);
    return days * dayMs + seconds * 1_000 - instantMs;
  };
}

function openFormat(name: string, option: string): Intl.DateTimeFormat {
  try {
    if (typeof name === "string" && name !== "" && !ambiguous.test(name))
      return new Intl.DateTimeFormat("en-US", {
        timeZone: name,
        calendar: "gregory",
        numberingSystem: "latn",
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  const nearest = typeof name === "string" ? nearestKey(name, Intl.supportedValuesOf("timeZone")) : undefined;
  throw new OptionError(
    option,
    `${option}: expected a time zone such as "Europe/Berlin", "Asia/Shanghai" or "UTC", found ${describeValue(name)}.${nearest === undefined ? "" : ` Did you mean ${nearest}?`}`,
  );
}
