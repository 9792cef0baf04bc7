// Marked places of a job's input are shown to nobody: not in the console, not in logs, not in the text of an error. They are
// stored as they are; encryption is a codec (envelope.ts).
import { describeValue, isCleanText, OptionError } from "./errors.ts";

export const redacted = "[redacted]";

/** The places that a schema path such as `customer.card` or `lines.*.iban` names, and everything below them. */
export interface Marks {
  readonly paths: readonly string[];
  readonly root: MarkNode;
}

interface MarkNode {
  readonly isMarked: boolean;
  /** `*` stands for every key and index. */
  readonly children: ReadonlyMap<string, MarkNode>;
}

const maxMarks = 100;
const maxMarkChars = 200;
const maxDepth = 64;
const maxNodes = 100_000;
const maxSecrets = 1_000;
/** Shorter texts occur by chance in every message, and say little. */
const minSecretChars = 4;
/** Occurrences that overlap themselves (`1212` in `121212`) are looked for up to this length; beyond it, that would be quadratic. */
const maxOverlapChars = 256;

const noMarks: Marks = { paths: [], root: { isMarked: false, children: new Map() } };

/** Throws OPTION_INVALID for paths with empty parts or brackets, and for more than 100 of them. A key with a dot cannot be marked; mark what is above it. */
export function parseMarks(paths: readonly string[] = [], where = "redact"): Marks {
  if (!Array.isArray(paths) || paths.length > maxMarks)
    throw new OptionError(
      where,
      `${where}: expected an array of at most ${maxMarks} paths, found ${describeValue(paths)}`,
    );
  if (paths.length === 0) return noMarks;
  return { paths: [...paths], root: nodeOf(paths.map((path) => parseMark(path, where))) };
}

function parseMark(path: unknown, where: string): readonly string[] {
  if (typeof path !== "string" || path.length > maxMarkChars || /[[\]]/.test(path) || path.split(".").includes(""))
    throw new OptionError(
      where,
      `${where}: expected a path such as "customer.card" or "lines.*.iban" (* is any index or key), found ${describeValue(path)}`,
    );
  return path.split(".");
}

function nodeOf(paths: readonly (readonly string[])[]): MarkNode {
  const rests = new Map<string, (readonly string[])[]>();
  for (const [first, ...rest] of paths) if (first !== undefined) rests.set(first, [...(rests.get(first) ?? []), rest]);
  return {
    isMarked: paths.some((path) => path.length === 0),
    children: new Map([...rests].map(([key, below]) => [key, nodeOf(below)])),
  };
}

/** True for a marked place and for every place below one. */
export function isMarked(path: readonly PropertyKey[], marks: Marks): boolean {
  let nodes: readonly MarkNode[] = [marks.root];
  for (const key of path) {
    nodes = below(nodes, String(key));
    if (nodes.some((node) => node.isMarked)) return true;
  }
  return false;
}

function below(nodes: readonly MarkNode[], key: string): readonly MarkNode[] {
  return nodes.flatMap((node) => [node.children.get(key) ?? [], node.children.get("*") ?? []].flat());
}

/**
 * A deep copy for people to see, with `[redacted]` at each marked place, whatever stood there. Never throws. What cannot be
 * read, and what lies beyond 64 levels or 100,000 values, is `[redacted]` too.
 */
export function redactValue(value: unknown, marks: Marks): unknown {
  return redactBelow(value, [marks.root], 0, { nodesLeft: maxNodes });
}

interface Budget {
  nodesLeft: number;
}

function redactBelow(value: unknown, nodes: readonly MarkNode[], depth: number, budget: Budget): unknown {
  if (nodes.some((node) => node.isMarked) || depth > maxDepth || --budget.nodesLeft < 0) return redacted;
  if (typeof value !== "object" || value === null) return value;
  const copy = (key: unknown, item: unknown): unknown =>
    redactBelow(item, below(nodes, keyText(key)), depth + 1, budget);
  try {
    if (value instanceof Date) return new Date(value.getTime());
    if (value instanceof Uint8Array) return new Uint8Array(value);
    if (Array.isArray(value)) return Array.from(value, (item, index) => copy(index, item));
    if (value instanceof Set) return new Set(Array.from(value, (item, index) => copy(index, item)));
    if (value instanceof Map)
      return new Map(Array.from(value, ([key, item]) => [redactBelow(key, [], depth + 1, budget), copy(key, item)]));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(key, item)]));
  } catch {
    return redacted;
  }
}

/**
 * Replaces in a text every occurrence of what stands at the marked places of `value`: texts, numbers and bigints of at
 * least four characters, keys of maps, and the same texts as JSON and as URLs write them. Where two of them overlap, all
 * that either covers goes. Without marks, or with nothing at the marked places, texts are handed back as they are. Never
 * throws; a value with more than 1,000 such places leaves nothing of any text.
 */
export function createScrubber(marks: Marks, value: unknown): (text: string) => string {
  if (marks.paths.length === 0) return (text) => text;
  const secrets = new Set<string>();
  const isComplete = collect(value, [marks.root], 0, { nodesLeft: maxNodes }, secrets);
  if (!isComplete || secrets.size > maxSecrets) return () => redacted;
  const sought = [...secrets];
  return sought.length === 0 ? (text) => text : (text) => scrub(text, sought);
}

/** False if not all of the value could be read. `nodes` is null at and below a marked place. */
function collect(
  value: unknown,
  nodes: readonly MarkNode[] | null,
  depth: number,
  budget: Budget,
  secrets: Set<string>,
): boolean {
  if (nodes?.length === 0) return true;
  const inside = nodes === null || nodes.some((node) => node.isMarked) ? null : nodes;
  if (depth > maxDepth || --budget.nodesLeft < 0 || secrets.size > maxSecrets) return false;
  if (typeof value !== "object" || value === null) {
    if (inside === null) addForms(value, secrets);
    return true;
  }
  const into = (key: unknown, item: unknown): boolean =>
    collect(item, inside === null ? null : below(inside, keyText(key)), depth + 1, budget, secrets);
  try {
    if (value instanceof Date || value instanceof Uint8Array) return true;
    if (value instanceof Set) return [...value].every((item, index) => into(index, item));
    if (value instanceof Map)
      return [...value].every(([key, item]) => (inside !== null || into(key, key)) && into(key, item));
    return Object.entries(value).every(([key, item]) => into(key, item));
  } catch {
    return false;
  }
}

function addForms(leaf: unknown, secrets: Set<string>): void {
  if (typeof leaf !== "string" && typeof leaf !== "number" && typeof leaf !== "bigint") return;
  const text = String(leaf);
  if (text.length < minSecretChars) return;
  secrets.add(text);
  secrets.add(JSON.stringify(text).slice(1, -1));
  if (isCleanText(text)) secrets.add(encodeURIComponent(text));
}

function keyText(key: unknown): string {
  return typeof key === "string" || typeof key === "number" || typeof key === "bigint" ? String(key) : "";
}

function scrub(text: string, secrets: readonly string[]): string {
  const spans = secrets.flatMap((secret) => occurrences(text, secret)).sort((a, b) => a.from - b.from);
  let out = "";
  let to = -1;
  for (const span of spans) {
    // Spans that touch become one.
    if (span.from > to) out += text.slice(Math.max(to, 0), span.from) + redacted;
    to = Math.max(to, span.to);
  }
  return out + text.slice(Math.max(to, 0));
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function occurrences(text: string, secret: string): readonly Span[] {
  const spans: Span[] = [];
  const stride = secret.length > maxOverlapChars ? secret.length : 1;
  for (let from = text.indexOf(secret); from >= 0; from = text.indexOf(secret, from + stride))
    spans.push({ from, to: from + secret.length });
  return spans;
}
