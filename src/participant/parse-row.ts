// How a caller names a row of a table of its own.
import { describeValue, isCleanText, OptionError } from "../core/errors.ts";

export type RowId = string | number | bigint;

const maxBytes = 255;

/** @throws OPTION_INVALID */
export function parseId(id: unknown, where: string): RowId {
  if (typeof id === "bigint" || (typeof id === "number" && Number.isSafeInteger(id))) return id;
  if (isShortText(id)) return id;
  throw new OptionError(
    "id",
    `${where}: expected an id: a whole number, a bigint or a text of 1 to ${maxBytes} bytes, found ${describeValue(id)}`,
  );
}

/** @throws OPTION_INVALID */
export function parseVersion(version: unknown, where: string): number {
  const number = typeof version === "bigint" ? Number(version) : version;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw new OptionError("version", `${where}: version: expected a whole number, found ${describeValue(version)}`);
}

/** An id of an event or an intent. @throws OPTION_INVALID */
export function parseMark(mark: unknown, name: string, where: string): string {
  if (isShortText(mark)) return mark;
  throw new OptionError(
    name,
    `${where}: ${name}: expected a text of 1 to ${maxBytes} bytes, without U+0000, found ${describeValue(mark)}`,
  );
}

function isShortText(text: unknown): text is string {
  return (
    typeof text === "string" && text !== "" && isCleanText(text) && new TextEncoder().encode(text).length <= maxBytes
  );
}
