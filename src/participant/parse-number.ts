import { InvariantError } from "../core/errors.ts";

/** Clients give a 64-bit number as number, string or bigint. Throws INVARIANT for what is none. */
export function parseNumber(value: unknown, what: string): number {
  const number = Number(value);
  if (value !== null && value !== undefined && Number.isSafeInteger(number)) return number;
  throw new InvariantError(`Expected ${what} to be a whole number below 2^53, found ${String(value)}`);
}
