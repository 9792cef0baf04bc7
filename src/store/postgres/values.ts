// Values on their way to PostgreSQL and back. Lists go as one parameter. Arrays of texts and numbers go in the text form, since
// pg then has nothing left to do; one value costs the server about 70 ns either way. Arrays of bytes and of ids go in the
// binary form: the text form doubles bytes, and reading an id costs the server 265 ns as text, 55 as bytes (PostgreSQL 15,
// 128 values a list, 2 vCPU, November 2026). A value that follows its like is written without a second look.
import { InvariantError, StorePoisonError } from "../../core/errors.ts";

type List<T> = readonly (T | null)[];

/** For `::integer[]` and `::bigint[]`. */
export function numberArray(values: List<number>): string {
  let text = "{";
  let last: number | null | undefined;
  let lastText = "NULL";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? null;
    if (value !== last) lastText = String(value ?? "NULL");
    last = value;
    text += i === 0 ? lastText : `,${lastText}`;
  }
  return `${text}}`;
}

const special = /["\\]/;
const specials = /["\\]/g;

/** For `::text[]`, and for `::uuid[]` of ids that may come from outside. */
export function textArray(values: List<string>): string {
  let text = "{";
  let last: string | null | undefined;
  let lastText = "NULL";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? null;
    if (value !== last) lastText = value === null ? "NULL" : quoted(value);
    last = value;
    text += i === 0 ? lastText : `,${lastText}`;
  }
  return `${text}}`;
}

const quoted = (value: string): string => `"${special.test(value) ? value.replace(specials, "\\$&") : value}"`;

// The binary form of array_recv: dimensions, has nulls, type, length, lower bound; then the size of each value and its bytes.
const byteaOid = 17;
const uuidOid = 2950;
const headerBytes = 20;
const emptyHeaderBytes = 12;
const uuidBytes = 16;
const nullSize = -1;

/** For `::bytea[]`. pg sends a Buffer as it is. */
export function bytesArray(values: List<Uint8Array>): Buffer {
  let size = headerBytes;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const buffer = withHeader(size, byteaOid, values.length);
  let at = headerBytes;
  for (const value of values) {
    at = putSize(buffer, value?.length ?? nullSize, at);
    if (value === null || value === undefined) continue;
    if (value.length > fewBytes) buffer.set(value, at);
    else for (let i = 0; i < value.length; i++) buffer[at + i] = value[i] as number;
    at += value.length;
  }
  return buffer;
}

/** Up to this many a loop copies faster than a call. */
const fewBytes = 64;

/** For `::uuid[]`, on the store's own connections. */
export function uuidArray(values: List<string>): Buffer {
  let size = headerBytes;
  for (const value of values) size += value === null ? 4 : 4 + uuidBytes;
  const buffer = withHeader(size, uuidOid, values.length);
  let at = headerBytes;
  for (const value of values) {
    at = putSize(buffer, value === null ? nullSize : uuidBytes, at);
    if (value !== null) at = putUuid(buffer, value, at);
  }
  return buffer;
}

const digits = new Uint8Array(128).fill(0xff);
for (let digit = 0; digit < 16; digit++) {
  digits[digit.toString(16).charCodeAt(0)] = digit;
  digits[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}
const uuidLength = 36;
/** Where in the text the two digits of each byte are. */
const places: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

function putUuid(buffer: Buffer, value: string, at: number): number {
  let seen = 0;
  for (let i = 0; i < uuidBytes; i++) {
    const place = places[i] as number;
    const high = digits[value.charCodeAt(place)] ?? 0xff;
    const low = digits[value.charCodeAt(place + 1)] ?? 0xff;
    seen |= high | low;
    buffer[at + i] = (high << 4) | low;
  }
  if (seen > 0x0f || value.length !== uuidLength) throw new StorePoisonError("Expected a UUID, found another text", {});
  return at + uuidBytes;
}

function withHeader(size: number, oid: number, length: number): Buffer {
  if (length === 0) return emptyOf(oid);
  const buffer = Buffer.allocUnsafe(size);
  putSize(buffer, 1, 0);
  putSize(buffer, 1, 4);
  putSize(buffer, oid, 8);
  putSize(buffer, length, 12);
  putSize(buffer, 1, 16);
  return buffer;
}

function emptyOf(oid: number): Buffer {
  const buffer = Buffer.alloc(emptyHeaderBytes);
  putSize(buffer, oid, 8);
  return buffer;
}

function putSize(buffer: Buffer, size: number, at: number): number {
  buffer[at] = size >> 24;
  buffer[at + 1] = size >> 16;
  buffer[at + 2] = size >> 8;
  buffer[at + 3] = size;
  return at + 4;
}

// ── Back ───────────────────────────────────────────────────────────────────────────────────────────────────────────
// The store's own connections return the server's text, whatever type parsers the user has set; scripts may run through
// other clients, which return numbers, bigints or texts. Both are read by the same functions.

export function int(found: unknown): number {
  const value = typeof found === "number" ? found : Number(found as string);
  if (!Number.isSafeInteger(value) || found === null)
    throw new InvariantError(`Expected a whole number from PostgreSQL, found ${typeof found}`);
  return value;
}

export const intOrNull = (found: unknown): number | null => (found === null || found === undefined ? null : int(found));

export function text<T extends string = string>(found: unknown): T {
  if (typeof found !== "string") throw new InvariantError(`Expected text from PostgreSQL, found ${typeof found}`);
  return found as T;
}

export const textOrNull = <T extends string = string>(found: unknown): T | null =>
  found === null || found === undefined ? null : text<T>(found);

/** Of a bytea column, on the store's own connections only. `open` has made sure that they come as hex. */
export function bytesOrNull(found: unknown): Uint8Array | null {
  return found === null || found === undefined ? null : Buffer.from(text(found).slice(2), "hex");
}

/** `{a,b}` of plain ids or numbers; null for an array_agg over nothing. */
export function plainList(found: unknown): readonly string[] {
  const list = textOrNull(found)?.slice(1, -1) ?? "";
  return list === "" ? [] : list.split(",");
}
