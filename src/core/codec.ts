// The values that can be stored, and their text.
//
// Kept: null, undefined, booleans, finite numbers with -0, well-formed strings without U+0000, bigint up to 4,096 bits, valid
// Dates, Uint8Array, Map and Set in their order, arrays without holes, and objects. Refused, naming the path: everything
// else, since what is stored in part is lost in part, and is missed only after a crash.
//
// An object is read as a record of its own enumerable string keys, whatever its class: functions among its values are
// dropped (methods, which `Stored` drops from the type), its prototype is forgotten, `toJSON` is not called. Instances with
// no such key, and those with a name tag of their own (Response, URL, Temporal.Instant, Decimal), keep their content
// elsewhere and are refused. Subclasses of Date, Map, Set, Array and Uint8Array become the plain class. An object met twice
// is stored twice; one met within itself is refused.
//
// The text is JSON. What JSON lacks is an object with one key that begins with `$`:
//
//     {"$u":0}  undefined        {"$n":"12"}  bigint     {"$b":"AAE="}  Uint8Array, base64      {"$m":[k,v,…]}  Map
//     {"$z":0}  -0               {"$d":0}     Date, ms   {"$s":[v,…]}   Set
//     {"$o":{"$d":1}}  an object that looks like one of these: the user's own, with one key that begins with `$`
//
// This is a stored format: a reader of it can be extended, never changed.
import { CatalogError, type CodedError, describeValue, isCleanText, ValueCorruptError } from "./errors.ts";

// biome-ignore lint/suspicious/noConfusingVoidType: a step without a result has the type void
type Scalar = null | undefined | void | boolean | number | string | bigint;
type Fn = (...args: never[]) => unknown;
type IsMethod<T> = [Exclude<T, undefined>] extends [never] ? false : Exclude<T, undefined> extends Fn ? true : false;

/** What is read back of a stored `T`: methods dropped, maps and sets readonly, subclasses of Date and Uint8Array plain. */
export type Stored<T> = T extends Scalar
  ? T
  : T extends Fn | symbol
    ? never
    : T extends Date
      ? Date
      : T extends Uint8Array
        ? Uint8Array<ArrayBuffer>
        : T extends ReadonlyMap<infer K, infer V>
          ? ReadonlyMap<Stored<K>, Stored<V>>
          : T extends ReadonlySet<infer V>
            ? ReadonlySet<Stored<V>>
            : T extends readonly unknown[]
              ? { [K in keyof T]: Stored<T[K]> }
              : T extends object
                ? { [K in keyof T as K extends symbol ? never : IsMethod<T[K]> extends true ? never : K]: Stored<T[K]> }
                : T; // unknown stays unknown

export interface ValueBounds {
  readonly maxDepth: number;
  readonly maxBytes: number;
}

interface Tree {
  /** The value in the terms of JSON: a fresh tree, owned by the caller. */
  readonly json: unknown;
  /** False if `json` is also the value's own copy, so that `fromWire` would change nothing. */
  readonly isTagged: boolean;
}
export interface Wire extends Tree {
  /** The tree as JSON. */
  readonly text: string;
}

/**
 * The value in the terms of JSON. Throws VALUE_UNSUPPORTED, VALUE_TOO_DEEP or VALUE_TOO_LARGE with the path, which begins
 * with `what`. Stops early: an object that unfolds without end costs no more than `maxBytes`. Reads every property once;
 * if JSON writes one with \u, the value is read again.
 *
 * JSON escapes all that a text must not hold, so one look at the whole spares one at each part, a good share of the walk.
 */
export function toWire(value: unknown, what: string, bounds: ValueBounds): Wire {
  const wire = written(walk(value, what, bounds, "quick"));
  return wire.text.includes("\\u") ? written(walk(value, what, bounds, "checked")) : wire;
}

const written = ({ json, isTagged }: Tree): Wire => ({ json, text: JSON.stringify(json), isTagged });

/**
 * One text for all values that mean the same input, for fingerprints: keys sorted by code unit, no spaces. -0 equals 0, and
 * a property that is undefined equals one that is absent, because an input may have come by way of JSON. Maps and sets keep
 * their order: the same entries in another order are another text. Frozen, since fingerprints are stored.
 */
export function canonicalText(value: unknown, what: string, bounds: ValueBounds): string {
  return sortedJson(walk(value, what, bounds, "canonical").json);
}

/**
 * The value that a tree of `JSON.parse` or `toWire` stands for; takes the tree over and changes it in place. Throws
 * VALUE_CORRUPT for everything that `toWire` does not write. No key of the text ever reaches a prototype.
 */
export function fromWire(json: unknown, maxDepth: number): unknown {
  return revive(json, 0, maxDepth);
}

// ── Encoding ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** `quick` lets texts pass that cannot be stored: U+0000, half of a surrogate pair. */
type Manner = "quick" | "checked" | "canonical";

/** One encoding in progress. */
interface Walk {
  readonly maxDepth: number;
  readonly manner: Manner;
  /** Bytes still allowed, counted low; the exact size is known, and checked, when the text is. */
  budget: number;
  isTagged: boolean;
}

const maxBigint = 2n ** 4_096n;
const dollar = "$".charCodeAt(0);
const maxBigintDigits = 1_234;

function walk(value: unknown, what: string, bounds: ValueBounds, manner: Manner): Tree {
  const state: Walk = { maxDepth: bounds.maxDepth, manner, budget: bounds.maxBytes, isTagged: false };
  try {
    return { json: wireOf(value, state, 0), isTagged: state.isTagged };
  } catch (thrown) {
    throw Refusal.from(thrown).toError(what, bounds);
  }
}

function wireOf(value: unknown, state: Walk, depth: number): unknown {
  switch (typeof value) {
    case "string":
      spend(state, value.length + 2);
      if (state.manner !== "quick" && !isCleanText(value))
        throw unsupported(textFault(value), "Remove the character, or store the bytes as a Uint8Array");
      return value;
    case "number":
      spend(state, 1);
      if (value === 0 && 1 / value < 0) return state.manner === "canonical" ? 0 : tagged(state, { $z: 0 });
      if (!Number.isFinite(value))
        throw unsupported(String(value), "Only finite numbers can be stored: store null or a text instead");
      return value;
    case "boolean":
      spend(state, 4);
      return value;
    case "undefined":
      return tagged(state, { $u: 0 });
    case "bigint":
      if (value >= maxBigint || value <= -maxBigint)
        throw unsupported("a bigint of more than 4096 bits", "Store it as a text");
      return tagged(state, { $n: value.toString() });
    case "object":
      if (value === null) {
        spend(state, 4);
        return null;
      }
      return wireOfObject(value, state, depth);
    default:
      throw unsupported(`a ${typeof value}`, "Store the data that it stands for");
  }
}

/** Paths are not kept on the way down: each level adds its own part while a refusal passes through it. */
function wireOfObject(value: object, state: Walk, depth: number): unknown {
  if (depth >= state.maxDepth) throw new Refusal("VALUE_TOO_DEEP", "", "", value);
  spend(state, 1);
  const kind = kindOf(value);
  try {
    switch (kind) {
      case ":plain":
      case ":instance":
        return wireOfFields(value as Readonly<Record<string, unknown>>, state, depth, kind === ":plain");
      case ":array":
        return wireOfArray(value as readonly unknown[], state, depth);
      case "Date":
        return tagged(state, { $d: timeOf(value as Date) });
      case "Uint8Array":
        return tagged(state, { $b: base64Of(value as Uint8Array, state) });
      case "Map":
        return tagged(state, { $m: wireOfMap(value as ReadonlyMap<unknown, unknown>, state, depth) });
      case "Set":
        return tagged(state, { $s: wireOfSet(value as ReadonlySet<unknown>, state, depth) });
      default:
        throw refusalOf(kind, value);
    }
  } catch (thrown) {
    throw Refusal.from(thrown).above(value);
  }
}

function wireOfFields(value: Readonly<Record<string, unknown>>, state: Walk, depth: number, isPlain: boolean): unknown {
  const keys = Object.keys(value);
  if (keys.length === 0 && !isPlain)
    throw unsupported(
      "an instance of a class without enumerable properties of its own",
      "Its content would be lost: return plain data",
    );
  const out: Record<string, unknown> = {};
  let count = 0;
  let at = "";
  try {
    for (const key of keys) {
      at = key;
      const field = value[key];
      if (typeof field === "function") {
        if (key === "then") throw unsupported("a function", promiseAdvice);
        continue;
      }
      if (field === undefined && state.manner === "canonical") continue;
      spend(state, key.length + 3);
      if (isForbiddenKey(key))
        throw unsupported("a property that objects must not have", "Use a Map for keys that come from outside");
      if (state.manner !== "quick" && !isCleanText(key))
        throw unsupported(`a property whose name is ${textFault(key)}`, "Use a Map, or another name");
      out[key] = wireOf(field, state, depth + 1);
      count++;
    }
  } catch (thrown) {
    throw Refusal.from(thrown).under(at);
  }
  return count === 1 && looksTagged(out) ? tagged(state, { $o: out }) : out;
}

function wireOfArray(value: readonly unknown[], state: Walk, depth: number): unknown[] {
  const out: unknown[] = [];
  let at = 0;
  try {
    for (; at < value.length; at++) {
      const item = value[at];
      if (item === undefined && !(at in value))
        throw unsupported("a hole", "Fill the array, or store undefined explicitly");
      spend(state, 1);
      out.push(wireOf(item, state, depth + 1));
    }
  } catch (thrown) {
    throw Refusal.from(thrown).under(at);
  }
  return out;
}

// The methods of the prototypes, not of the value: a subclass may have overridden them, and an impostor has no entries.
const mapEntries = Map.prototype.entries;
const setValues = Set.prototype.values;

function wireOfMap(value: ReadonlyMap<unknown, unknown>, state: Walk, depth: number): unknown[] {
  const out: unknown[] = [];
  let at = "";
  try {
    for (const [key, item] of mapEntries.call(value) as MapIterator<[unknown, unknown]>) {
      at = `.keys()[${out.length / 2}]`;
      spend(state, 2);
      const wireKey = wireOf(key, state, depth + 1);
      at = typeof key === "string" ? `.get(${describeValue(key)})` : `.values()[${out.length / 2}]`;
      out.push(wireKey, wireOf(item, state, depth + 1));
    }
  } catch (thrown) {
    throw Refusal.from(thrown).under({ text: at });
  }
  return out;
}

function wireOfSet(value: ReadonlySet<unknown>, state: Walk, depth: number): unknown[] {
  const out: unknown[] = [];
  try {
    for (const item of setValues.call(value) as SetIterator<unknown>) {
      spend(state, 1);
      out.push(wireOf(item, state, depth + 1));
    }
  } catch (thrown) {
    throw Refusal.from(thrown).under({ text: `.values()[${out.length}]` });
  }
  return out;
}

function spend(state: Walk, bytes: number): void {
  state.budget -= bytes;
  if (state.budget < 0) throw new Refusal("VALUE_TOO_LARGE", "", "");
}

function tagged<T>(state: Walk, wire: T): T {
  state.isTagged = true;
  spend(state, 6);
  return wire;
}

/** `:plain`, `:array`, `:instance`, or the name tag. A false tag gains nothing: whoever claims to be a Map is read as one. */
function kindOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return ":plain";
  if (Array.isArray(value)) return ":array";
  if (value instanceof Map) return "Map";
  if (value instanceof Set) return "Set";
  // Also right for values of another realm, where `instanceof` is not.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag !== "Object") return tag;
  if (isThenable(value)) return "Promise";
  return isPlainElsewhere(prototype as object) ? ":plain" : ":instance";
}

/** True for the Object.prototype of another realm. */
function isPlainElsewhere(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty");
}

const promiseAdvice = "It is a promise, or like one: did you forget await?";
const adviceByKind: Readonly<Record<string, string>> = {
  Error: "Throw it, or store its code and message",
  RegExp: "Store its source as a text",
  URL: "Store its href as a text",
  ArrayBuffer: "Wrap it in a Uint8Array",
  SharedArrayBuffer: "Copy it into a Uint8Array",
};

function refusalOf(kind: string, value: object): Refusal {
  const advice = isThenable(value) ? promiseAdvice : adviceByKind[kind];
  return unsupported(
    `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`,
    advice ?? "Return the data that you need of it as plain objects, arrays and texts",
  );
}

/** Promises, and the queries of several libraries, which run when awaited. */
function isThenable(value: object): boolean {
  return typeof (value as { readonly then?: unknown }).then === "function";
}

function timeOf(value: Date): number {
  const ms = Date.prototype.getTime.call(value);
  if (Number.isNaN(ms)) throw unsupported("an invalid Date", "Check the text or number that it was made from");
  return ms;
}

/** In pieces, because the arguments of one call are limited. */
const base64PieceBytes = 8_192;

function base64Of(value: Uint8Array, state: Walk): string {
  if (!ArrayBuffer.isView(value)) throw unsupported("an object that claims to be a Uint8Array", "Return a real one");
  spend(state, Math.ceil(value.byteLength / 3) * 4);
  let binary = "";
  for (let at = 0; at < value.length; at += base64PieceBytes)
    binary += String.fromCharCode(...value.subarray(at, at + base64PieceBytes));
  return btoa(binary);
}

function textFault(text: string): string {
  return text.includes("\0") ? "a text with U+0000" : "a text with half of a surrogate pair";
}

function isForbiddenKey(key: string): boolean {
  return key === "__proto__" || key === "constructor" || key === "prototype";
}

/** Of an object with one key. */
function looksTagged(wire: object): boolean {
  return Object.keys(wire)[0]?.charCodeAt(0) === dollar;
}

/** JSON with sorted keys. Objects are written by hand: an object of JavaScript puts keys that are integers first. */
function sortedJson(wire: unknown): string {
  if (typeof wire !== "object" || wire === null) return JSON.stringify(wire);
  if (Array.isArray(wire)) return `[${wire.map(sortedJson).join(",")}]`;
  const fields = wire as Readonly<Record<string, unknown>>;
  const keys = Object.keys(fields).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${sortedJson(fields[key])}`).join(",")}}`;
}

// ── Refusing ───────────────────────────────────────────────────────────────────────────────────────────────────────

type PathPart = string | number | { readonly text: string };
const maxPathChars = 200;

/** On its way up from the value that was refused; gathers the path. */
class Refusal extends Error {
  readonly code: "VALUE_UNSUPPORTED" | "VALUE_TOO_DEEP" | "VALUE_TOO_LARGE";
  readonly found: string;
  readonly advice: string;
  readonly #deepest: object | undefined;
  #path: PathPart[] = [];
  #circle: PathPart[] | undefined;

  /** `deepest`: where the depth ended. If that object contains itself, one of its ancestors is the same object. */
  constructor(code: Refusal["code"], found: string, advice: string, deepest?: object) {
    super(found);
    this.code = code;
    this.found = found;
    this.advice = advice;
    this.#deepest = deepest;
  }

  /** Getters and proxies of the value may throw anything. */
  static from(thrown: unknown): Refusal {
    return thrown instanceof Refusal
      ? thrown
      : unsupported(`a value that cannot be read (${describeFault(thrown)})`, "Return plain data");
  }

  under(part: PathPart): this {
    this.#path.unshift(part);
    return this;
  }

  /** Passing `ancestor`. The outermost occurrence wins: the path then leads to the object, the circle from there to itself. */
  above(ancestor: object): this {
    if (ancestor !== this.#deepest) return this;
    if (this.#path.length > 0) this.#circle = this.#path;
    this.#path = [];
    return this;
  }

  toError(what: string, bounds: ValueBounds): CodedError {
    const path = what + pathText(this.#path);
    const shown = path.length > maxPathChars ? `${path.slice(0, maxPathChars)}…` : path;
    if (this.#circle !== undefined) {
      const circle = pathText(this.#circle).slice(0, maxPathChars);
      return new CatalogError(
        "VALUE_UNSUPPORTED",
        `${shown} contains itself, at ${shown}${circle}. Store an id in place of the reference`,
        { path, found: "a cyclic reference" },
      );
    }
    switch (this.code) {
      case "VALUE_TOO_LARGE":
        return tooLarge(what, bounds.maxBytes);
      case "VALUE_TOO_DEEP":
        return new CatalogError(
          "VALUE_TOO_DEEP",
          `${what}: expected at most ${bounds.maxDepth} levels, found more at ${shown}. Flatten it`,
          { path, maxDepth: bounds.maxDepth },
        );
      case "VALUE_UNSUPPORTED":
        return new CatalogError(
          "VALUE_UNSUPPORTED",
          `${shown} is ${this.found}, which cannot be stored. ${this.advice}`,
          { path, found: this.found },
        );
    }
  }
}

function unsupported(found: string, advice: string): Refusal {
  return new Refusal("VALUE_UNSUPPORTED", found, advice);
}

export function tooLarge(what: string, maxBytes: number, bytes?: number): CodedError {
  const found = bytes === undefined ? "found more" : `found ${bytes}`;
  return new CatalogError(
    "VALUE_TOO_LARGE",
    `${what}: expected at most ${maxBytes} bytes, ${found}. Store the data elsewhere and keep a reference, or raise the limit`,
    {
      path: what,
      maxBytes,
      ...(bytes === undefined ? {} : { bytes }),
    },
  );
}

/** `.lines[3].qty`; keys that are no identifiers are quoted. */
export function pathText(path: readonly PathPart[]): string {
  return path.map(partText).join("");
}

function partText(part: PathPart): string {
  if (typeof part === "object") return part.text;
  if (typeof part === "number") return `[${part}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(part) ? `.${part}` : `[${describeValue(part)}]`;
}

function describeFault(thrown: unknown): string {
  return thrown instanceof Error ? describeValue(thrown.message) : "it throws";
}

// ── Decoding ───────────────────────────────────────────────────────────────────────────────────────────────────────

function revive(json: unknown, depth: number, maxDepth: number): unknown {
  if (typeof json === "string") return cleanText(json);
  // JSON.parse reads 1e400 as Infinity.
  if (typeof json === "number" && !Number.isFinite(json)) throw corrupt("a number beyond the finite ones");
  if (typeof json !== "object" || json === null) return json;
  if (depth >= maxDepth) throw corrupt(`more than ${maxDepth} levels`);
  if (Array.isArray(json)) return reviveItems(json, depth, maxDepth);
  const fields = json as Record<string, unknown>;
  const keys = Object.keys(fields);
  const only = keys.length === 1 ? keys[0] : undefined;
  if (only?.charCodeAt(0) === dollar) return reviveTag(only, fields[only], depth, maxDepth);
  return reviveFields(fields, keys, depth, maxDepth);
}

function reviveItems(items: unknown[], depth: number, maxDepth: number): unknown[] {
  for (let at = 0; at < items.length; at++) items[at] = revive(items[at], depth + 1, maxDepth);
  return items;
}

function reviveFields(
  fields: Record<string, unknown>,
  keys: readonly string[],
  depth: number,
  maxDepth: number,
): object {
  for (const key of keys) {
    if (isForbiddenKey(key)) throw corrupt(`the key ${key}`);
    cleanText(key);
    fields[key] = revive(fields[key], depth + 1, maxDepth);
  }
  return fields;
}

function reviveTag(tag: string, body: unknown, depth: number, maxDepth: number): unknown {
  switch (tag) {
    case "$u":
      if (body === 0) return undefined;
      break;
    case "$z":
      if (body === 0) return -0;
      break;
    case "$n":
      if (typeof body === "string" && body.length <= maxBigintDigits + 1 && /^(?:0|-?[1-9][0-9]*)$/.test(body))
        return BigInt(body);
      break;
    case "$d":
      if (typeof body === "number" && Number.isInteger(body) && Math.abs(body) <= 8.64e15) return new Date(body);
      break;
    case "$b":
      if (typeof body === "string") return bytesOf(body);
      break;
    case "$m":
      if (Array.isArray(body) && body.length % 2 === 0) return mapOf(reviveItems(body, depth, maxDepth));
      break;
    case "$s":
      if (Array.isArray(body)) return new Set(reviveItems(body, depth, maxDepth));
      break;
    case "$o":
      if (isEscaped(body)) return reviveFields(body, Object.keys(body), depth, maxDepth);
      break;
  }
  throw corrupt(`an unknown or malformed tag ${describeValue(tag)}`);
}

function isEscaped(body: unknown): body is Record<string, unknown> {
  return (
    typeof body === "object" &&
    body !== null &&
    !Array.isArray(body) &&
    Object.keys(body).length === 1 &&
    looksTagged(body)
  );
}

function mapOf(flat: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (let at = 0; at < flat.length; at += 2) map.set(flat[at], flat[at + 1]);
  return map;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(base64);
  } catch (cause) {
    throw corrupt("malformed base64", cause);
  }
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function cleanText(text: string): string {
  if (!isCleanText(text)) throw corrupt(textFault(text));
  return text;
}

function corrupt(found: string, cause?: unknown): ValueCorruptError {
  return new ValueCorruptError(
    `A stored value does not decode: found ${found}`,
    {},
    cause === undefined ? {} : { cause },
  );
}
