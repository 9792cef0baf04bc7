import { checkInteger, checkOptions } from "./options.ts";

/** How large things may be. What exceeds a limit is refused where it is handed in, before anything is written. */
export interface Limits {
  /** Of a job's input, as stored, in bytes. Default 1 MiB, 1 KiB … 8 MiB. */
  readonly maxInputBytes: number;
  /** Of a step's or a job's result, as stored, in bytes. Default 256 KiB, 1 KiB … 8 MiB. */
  readonly maxResultBytes: number;
  /** Of a signal's or a message's payload, as stored, in bytes. Default 256 KiB, 1 KiB … 8 MiB. */
  readonly maxSignalBytes: number;
  /** Of one line of an execution's log, in bytes. Default 16 KiB, 256 … 1 MiB; longer lines are cut. */
  readonly maxLogLineBytes: number;
  /** Containers within containers in one value. Default 64, 1 … 200. */
  readonly maxDepth: number;
  /** Steps with a record in one execution; its journal is loaded whole. Default 10 000, 1 … 100 000. */
  readonly maxSteps: number;
  /** Of a business key in UTF-8. Default and most 255: the column is as wide as that. */
  readonly maxKeyBytes: number;
  /** Of the name part of a step in UTF-8. Default and most 200. */
  readonly maxStepNameBytes: number;
  /** Of the id part of a step in UTF-8. Default and most 200. */
  readonly maxStepIdBytes: number;
}

const kib = 1_024;
const mib = 1_024 * kib;

// Payloads stay well below 16 MiB, the largest packet that MySQL and MariaDB take by default.
export const defaultLimits: Limits = {
  maxInputBytes: mib,
  maxResultBytes: 256 * kib,
  maxSignalBytes: 256 * kib,
  maxLogLineBytes: 16 * kib,
  maxDepth: 64,
  maxSteps: 10_000,
  maxKeyBytes: 255,
  maxStepNameBytes: 200,
  maxStepIdBytes: 200,
};

/** Least and most. Decoding accepts the most of each, so that a lowered limit never makes a stored value unreadable. */
export const limitRanges: Readonly<Record<keyof Limits, readonly [min: number, max: number]>> = {
  maxInputBytes: [kib, 8 * mib],
  maxResultBytes: [kib, 8 * mib],
  maxSignalBytes: [kib, 8 * mib],
  maxLogLineBytes: [256, mib],
  maxDepth: [1, 200],
  maxSteps: [1, 100_000],
  maxKeyBytes: [1, 255],
  maxStepNameBytes: [1, 200],
  maxStepIdBytes: [1, 200],
};

const names = Object.keys(defaultLimits) as readonly (keyof Limits)[];

/** The defaults with the given limits in their place. Throws OPTION_INVALID for unknown names and values out of range. */
export function resolveLimits(limits: Partial<Limits> = {}, where = "limits"): Limits {
  checkOptions(limits, names, where);
  const resolve = (name: keyof Limits): number =>
    checkInteger(limits[name] ?? defaultLimits[name], `${where}.${name}`, ...limitRanges[name]);
  return Object.fromEntries(names.map((name) => [name, resolve(name)])) as unknown as Limits;
}
