// A cron expression as a value: parsed once, asked often.
import type { DayRule } from "./cron-days.ts";
import type { CronDialect } from "./cron-fields.ts";

/** Seconds, minutes or hours: for each value the nearest one that is named, so that a search jumps instead of walking. */
export interface FieldTable {
  /** At `value`: the least that is named and not below it, or -1. One longer than the field, so that `value + 1` may be asked. */
  readonly next: Int8Array;
  /** At `value`: the greatest that is named and not above it, or -1. */
  readonly previous: Int8Array;
}

export interface Cron {
  readonly dialect: CronDialect;
  /** As it was given, with single spaces. */
  readonly expression: string;
  readonly seconds: FieldTable;
  readonly minutes: FieldTable;
  readonly hours: FieldTable;
  /** Every hour of the day: then it follows elapsed time when clocks change, otherwise what the clock on the wall shows. */
  readonly isHourly: boolean;
  readonly days: DayRule;
  /** Bit 1 is January. */
  readonly months: number;
  /** Rising; null: every year. */
  readonly years: readonly number[] | null;
}

/** `values` in 0 … `max`, at least one. */
export function fieldTable(values: readonly number[], max: number): FieldTable {
  const next = new Int8Array(max + 2).fill(-1);
  const previous = new Int8Array(max + 2).fill(-1);
  for (const value of values) next[value] = previous[value] = value;
  for (let value = max; value >= 0; value--) if (next[value] === -1) next[value] = next[value + 1] as number;
  for (let value = 1; value <= max; value++)
    if (previous[value] === -1) previous[value] = previous[value - 1] as number;
  return { next, previous };
}
