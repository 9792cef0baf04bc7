// Ids are 16 bytes in the tables and text elsewhere. On the way of every row, so by table and not by parsing.
import { describeValue, StorePoisonError } from "../../core/errors.ts";
import type { ExecutionId } from "../../core/ids.ts";

const noDigit = 0xff;
const valueOfDigit = new Uint8Array(128).fill(noDigit);
for (let value = 0; value < 16; value++) valueOfDigit[value.toString(16).charCodeAt(0)] = value;
const textOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Where in the text each byte begins. */
const places: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const textLength = 36;

/** Throws STORE_POISON for anything but a lowercase UUID. */
export function idToBytes(id: ExecutionId): Uint8Array {
  const bytes = new Uint8Array(16);
  let isBad = id.length === textLength ? 0 : noDigit;
  for (let i = 0; i < 16; i++) {
    const place = places[i] ?? 0;
    const high = valueOfDigit[id.charCodeAt(place)] ?? noDigit;
    const low = valueOfDigit[id.charCodeAt(place + 1)] ?? noDigit;
    isBad |= (high | low) & 0xf0;
    bytes[i] = (high << 4) | low;
  }
  if (isBad !== 0) throw new StorePoisonError(`Expected a UUID in lowercase, found ${describeValue(id)}`, { id });
  return bytes;
}

/** Of a BLOB column; drivers answer with Uint8Array or Buffer. */
export function idFromBytes(found: unknown): ExecutionId {
  const bytes = found as Uint8Array;
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += textOfByte[bytes[i] ?? 0];
  }
  return text;
}

export const idOrNull = (found: unknown): ExecutionId | null => (found === null ? null : idFromBytes(found));
export const bytesOrNull = (id: ExecutionId | null): Uint8Array | null => (id === null ? null : idToBytes(id));
