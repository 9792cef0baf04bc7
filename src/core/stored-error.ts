// What is kept of a failure, whatever was thrown.
import { propertyOf } from "./error-chain.ts";
import {
  cleanText,
  codeOr,
  describeValue,
  isCleanText,
  isCodedError,
  type StoredError,
  ValueCorruptError,
} from "./errors.ts";

const maxMessageChars = 2_000;
const maxCauses = 3;
const maxDetailsDepth = 16;
/** Values within details, and characters of their texts. */
const maxDetailsNodes = 1_000;
const maxDetailsChars = 16_384;

/**
 * What is recorded of anything thrown. Never throws, whatever it is given: strings, undefined, revoked proxies, getters
 * that throw.
 *
 * The message takes in the messages of up to three causes (`fetch failed: connect ECONNREFUSED …`), goes through `scrub`,
 * and is cut at 2,000 characters. Errors of other libraries keep a `code` of upper case letters, digits and `_`, else it
 * is ERROR; their other properties are left behind, since no one said that they are fit to be stored. Details of makegood's
 * own errors are copied, with `scrub` on every text; details that could not be stored as they are, are dropped whole.
 */
export function toStoredError(thrown: unknown, scrub: (text: string) => string = same): StoredError {
  const safeScrub = guarded(scrub);
  const message = cut(cleanText(safeScrub(messageOf(thrown))));
  if (!isCodedError(thrown))
    return { code: codeOr("ERROR", propertyOf(thrown, "code")), message, retryable: true, effect: "unknown" };
  const details = copyDetails(propertyOf(thrown, "details"), safeScrub);
  return {
    code: codeOr("ERROR", propertyOf(thrown, "code")),
    message,
    ...(details === undefined ? {} : { details }),
    retryable: propertyOf(thrown, "retryable") !== false,
    effect: propertyOf(thrown, "effect") === "none" ? "none" : "unknown",
  };
}

/** Checks what was decoded from a journal or a row. Throws VALUE_CORRUPT. */
export function parseStoredError(value: unknown): StoredError {
  const code = propertyOf(value, "code");
  const message = propertyOf(value, "message");
  const retryable = propertyOf(value, "retryable");
  const effect = propertyOf(value, "effect");
  if (
    typeof code !== "string" ||
    typeof message !== "string" ||
    typeof retryable !== "boolean" ||
    (effect !== "none" && effect !== "unknown")
  )
    throw new ValueCorruptError(
      `Expected a stored error with code, message, retryable and effect, found ${describeValue(value)}`,
      {},
    );
  const details = propertyOf(value, "details");
  return { code, message, ...(details === undefined ? {} : { details }), retryable, effect };
}

function cut(text: string): string {
  if (text.length <= maxMessageChars) return text;
  const last = text.charCodeAt(maxMessageChars - 2);
  const isHalfPair = last >= 0xd800 && last <= 0xdbff;
  return `${text.slice(0, maxMessageChars - (isHalfPair ? 2 : 1))}…`;
}

function messageOf(thrown: unknown): string {
  let message = ownMessage(thrown);
  let at = thrown;
  for (let causes = 0; causes < maxCauses; causes++) {
    at = causeWithin(at);
    if (at === undefined || at === null) break;
    const part = ownMessage(at);
    // Many wrappers repeat their cause in their own message; a chain may also run in a circle.
    if (!message.includes(part)) message += `: ${part}`;
  }
  return message;
}

function ownMessage(thrown: unknown): string {
  if (typeof thrown === "string") return thrown === "" ? "An empty string was thrown" : thrown;
  const message = propertyOf(thrown, "message");
  if (typeof message === "string" && message !== "") return message;
  const name = typeof thrown === "object" ? propertyOf(thrown, "name") : undefined;
  return typeof name === "string" && name !== "" ? name : `${describeValue(thrown)} was thrown`;
}

/** Node reports a refused connection to a host with two addresses as an AggregateError without a message. */
function causeWithin(thrown: unknown): unknown {
  return propertyOf(thrown, "cause") ?? propertyOf(propertyOf(thrown, "errors"), "0");
}

/** A copy of plain data, or undefined if any part of it could not be stored unchanged. */
function copyDetails(value: unknown, scrub: (text: string) => string): unknown {
  let nodes = maxDetailsNodes;
  let chars = maxDetailsChars;
  const text = (found: string): string => {
    const scrubbed = scrub(found);
    chars -= scrubbed.length;
    if (chars < 0 || !isCleanText(scrubbed)) throw new Unstorable();
    return scrubbed;
  };
  const copy = (at: unknown, depth: number): unknown => {
    if (--nodes < 0 || depth > maxDetailsDepth) throw new Unstorable();
    if (typeof at === "string") return text(at);
    if (typeof at === "number" && !Number.isFinite(at)) throw new Unstorable();
    if (typeof at === "bigint" && BigInt.asIntN(256, at) !== at) throw new Unstorable();
    if (typeof at === "symbol" || typeof at === "function") throw new Unstorable();
    if (typeof at !== "object" || at === null) return at;
    if (at instanceof Date && !Number.isNaN(at.getTime())) return new Date(at.getTime());
    if (Array.isArray(at)) return Array.from(at, (item) => copy(item, depth + 1));
    const prototype: unknown = Object.getPrototypeOf(at);
    if (prototype !== Object.prototype && prototype !== null) throw new Unstorable();
    return Object.fromEntries(
      Object.keys(at).map((key) => [detailsKey(text(key)), copy(Reflect.get(at, key), depth + 1)]),
    );
  };
  try {
    return copy(value, 0);
  } catch {
    return undefined;
  }
}

class Unstorable extends Error {}

function detailsKey(key: string): string {
  if (key === "__proto__" || key === "constructor" || key === "prototype") throw new Unstorable();
  return key;
}

/** A scrubber that fails must not let the text through. */
function guarded(scrub: (text: string) => string): (text: string) => string {
  return (text) => {
    try {
      return scrub(text);
    } catch {
      return "[redacted]";
    }
  };
}

function same(text: string): string {
  return text;
}
