// The fields of a body, read one by one; the first that does not fit says what was expected and what was found. Numbers
// may arrive as text, which Java's parser takes too.
import { describeValue, OptionError } from "../../core/errors.ts";
import { type Answer, failure, isRecord, parseJson } from "./wire.ts";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** What was expected and what was found, for the answer's `msg`. */
  | { readonly ok: false; readonly fault: string };

const maxTextChars = 1_000_000;
const maxShownChars = 100;
/** The admin's column is an INT. */
export const maxInt = 2 ** 31 - 1;

export type Fields = Readonly<Record<string, unknown>>;
class Fault extends Error {}

/** What `read` throws as OPTION_INVALID is a fault of the body too. */
export function parsed<T>(body: string, read: (fields: Fields) => T): Parsed<T> {
  const fields = parseJson(body);
  if (!isRecord(fields)) return { ok: false, fault: "expected a JSON object as the body, found something else" };
  try {
    return { ok: true, value: read(fields) };
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof OptionError)) throw error;
    return { ok: false, fault: error.message };
  }
}

export async function withBody<T>(body: Parsed<T>, use: (value: T) => Answer | Promise<Answer>): Promise<Answer> {
  return body.ok ? use(body.value) : failure(`The body is not understood: ${body.fault}`);
}

export function integer(fields: Fields, name: string, min: number, max: number, fallback?: number): number {
  const found = fields[name];
  if ((found === undefined || found === null) && fallback !== undefined) return fallback;
  const number = typeof found === "string" && /^-?\d{1,16}(?:\.0+)?$/.test(found) ? Number(found) : found;
  if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
  throw fault(`${name}: expected an integer from ${min} to ${max}, found ${describe(found)}`);
}

export function text(fields: Fields, name: string): string {
  const found = fields[name];
  if (found === undefined || found === null) return "";
  if (typeof found === "string" && found.length <= maxTextChars) return found;
  throw fault(`${name}: expected a text of at most ${maxTextChars} characters, found ${describe(found)}`);
}

export function oneOf<T extends string>(fields: Fields, name: string, words: readonly T[]): T {
  const found = words.find((word) => word === fields[name]);
  if (found !== undefined) return found;
  throw fault(`${name}: expected one of ${words.join(", ")}, found ${describeValue(fields[name], maxShownChars)}`);
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  return typeof value === "string" ? `a text of ${value.length} characters` : typeof value;
}

function fault(message: string): Fault {
  return new Fault(message);
}
