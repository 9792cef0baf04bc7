import { describeValue, OptionError } from "./errors.ts";

export type DurationUnit = "ms" | "s" | "m" | "h" | "d";
/** Milliseconds, or a decimal number with its unit: `"30s"`, `"1.5h"`. A day is 24 hours, whatever the clocks do. */
export type Duration = number | `${number}${DurationUnit}`;

/** Ten years, leap days included. Beyond it a duration is a mistake of units, such as an instant handed in as a length. */
export const maxDurationMs = 3_653 * 86_400_000;

const unitMs: Readonly<Record<DurationUnit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const units: readonly DurationUnit[] = ["d", "h", "m", "s", "ms"];
// Bounded repetitions: at most 15 digits, so that whole numbers stay exact, and 9 behind the point.
const pattern = /^([0-9]{1,15})(?:\.([0-9]{1,9}))?(ms|s|m|h|d)$/;

export interface DurationBounds {
  /** In ms. Default 0. */
  readonly min?: number;
  /** In ms. Default and most: ten years. */
  readonly max?: number;
}

/**
 * A whole number of milliseconds. Throws OPTION_INVALID, naming `name`, for anything else: NaN, negative lengths, fractions
 * of a millisecond, lengths out of bounds or beyond ten years, texts without a unit.
 */
export function toMs(duration: Duration, name: string, bounds: DurationBounds = {}): number {
  const ms = typeof duration === "string" ? parse(duration) : duration;
  const min = Math.max(bounds.min ?? 0, 0);
  const max = Math.min(bounds.max ?? maxDurationMs, maxDurationMs);
  if (typeof ms === "number" && Number.isInteger(ms) && ms >= min && ms <= max) return ms + 0;
  const range = `from ${formatMs(min)} to ${formatMs(max)}`;
  throw new OptionError(
    name,
    `${name}: expected a duration ${range} in whole milliseconds, found ${describeValue(duration)}. Give milliseconds, or a text such as "30s" (units ms, s, m, h, d)`,
  );
}

/** The shortest exact text: 90000 is `90s`, 7200000 is `2h`. */
export function formatMs(ms: number): string {
  const unit = units.find((candidate) => ms !== 0 && ms % unitMs[candidate] === 0) ?? "ms";
  return `${ms / unitMs[unit]}${unit}`;
}

/** In whole numbers, because 1.001 * 1000 is not 1001 in floating point. Undefined unless it is a whole number of ms. */
function parse(text: string): number | undefined {
  const [, whole, fraction = "", unit] = pattern.exec(text) ?? [];
  if (whole === undefined || unit === undefined) return undefined;
  const scale = 10n ** BigInt(fraction.length);
  const scaledMs = BigInt(whole + fraction) * BigInt(unitMs[unit as DurationUnit]);
  return scaledMs % scale === 0n ? Number(scaledMs / scale) : undefined;
}
