// Checks that every options object of the package goes through. A misspelled option that is silently ignored is a setting
// that someone believes in: unknown keys are refused, and the message names the key that was probably meant.
import { describeValue, OptionError } from "./errors.ts";

const maxSuggestedDistance = 3;
/** Longer keys are not compared: the comparison is quadratic, and no option of ours is that long. */
const maxComparedChars = 40;

/**
 * Throws OPTION_INVALID unless `options` is an object whose own keys are all known. `where` names it in the message, such
 * as `retry.backoff`. A known key whose value is undefined counts as absent.
 */
export function checkOptions(options: unknown, knownKeys: readonly string[], where: string): asserts options is object {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new OptionError(
      where,
      `${where}: expected an object, found ${describeValue(options)}. Known options: ${knownKeys.join(", ")}`,
    );
  for (const key of Object.keys(options)) {
    if (knownKeys.includes(key)) continue;
    const nearest = nearestKey(key, knownKeys);
    const advice = nearest === undefined ? `Known options: ${knownKeys.join(", ")}` : `Did you mean ${nearest}?`;
    throw new OptionError(`${where}.${key}`, `${where}: unknown option ${describeValue(key)}. ${advice}`);
  }
}

/** The known key that differs least, if it differs by at most three letters and by less than half of its length. */
export function nearestKey(key: string, knownKeys: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = maxSuggestedDistance + 1;
  for (const known of knownKeys) {
    const distance = key.toLowerCase() === known.toLowerCase() ? 0 : editDistance(key, known);
    if (distance < least && distance * 2 < known.length) [nearest, least] = [known, distance];
  }
  return nearest;
}

/** Throws OPTION_INVALID unless it is a function. */
export function checkFunction(value: unknown, name: string, where: string): void {
  if (typeof value === "function") return;
  throw new OptionError(name, `${where}: ${name}: expected a function, found ${describeValue(value)}`);
}

/** `value` if it is an integer from `min` to `max`, else throws OPTION_INVALID. */
export function checkInteger(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) throw outOfRange(name, "an integer", min, max, value);
  return checkNumber(value, name, min, max, "an integer");
}

/** `value` if it is a number from `min` to `max`, else throws OPTION_INVALID. */
export function checkNumber(value: unknown, name: string, min: number, max: number, kind = "a number"): number {
  if (typeof value !== "number" || !(value >= min && value <= max)) throw outOfRange(name, kind, min, max, value);
  return value;
}

function outOfRange(name: string, kind: string, min: number, max: number, found: unknown): OptionError {
  return new OptionError(name, `${name}: expected ${kind} from ${min} to ${max}, found ${describeValue(found)}`);
}

/** Levenshtein's distance, by the two-row method of Wagner and Fischer (1974). */
function editDistance(a: string, b: string): number {
  if (a.length > maxComparedChars || b.length > maxComparedChars) return Number.POSITIVE_INFINITY;
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const here = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      here.push(Math.min(replaced, (above[column] ?? 0) + 1, (here[column - 1] ?? 0) + 1));
    }
    above = here;
  }
  return above[b.length] ?? 0;
}
