// The part of Standard Schema v1 (https://standardschema.dev) that we read. Zod, Valibot, ArkType and others implement it.
import { pathText } from "./codec.ts";
import { describeValue, InputError, type InputIssue, OptionError } from "./errors.ts";
import { createScrubber, isMarked, type Marks, redacted } from "./redact.ts";

export interface Schema<I, O> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: I; readonly output: O } | undefined;
  };
}

export interface ValidateOptions {
  /** Begins the message. Default `input`. */
  readonly what?: string;
  /** Issues at or below these places keep their path and lose their message; the others lose what stands there. */
  readonly marks?: Marks;
}

export type Validated<O> =
  | { readonly ok: true; readonly value: O }
  | { readonly ok: false; readonly error: InputError | OptionError };

const maxShownIssues = 20;
const maxMessageChars = 300;

/** Throws OPTION_INVALID unless `schema` is a Standard Schema of version 1. */
export function checkSchema(schema: unknown, where: string): asserts schema is Schema<unknown, unknown> {
  // ArkType's schemas are functions.
  const isHolder = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const standard: unknown = isHolder ? Reflect.get(schema as object, "~standard") : undefined;
  const isStandard =
    typeof standard === "object" &&
    standard !== null &&
    Reflect.get(standard, "version") === 1 &&
    typeof Reflect.get(standard, "validate") === "function";
  if (!isStandard)
    throw new OptionError(
      where,
      `${where}: expected a schema of a library that implements Standard Schema v1 (Zod, Valibot, ArkType …), found ${describeValue(schema)}`,
    );
}

/**
 * The schema's output for `value`, or why there is none. At once where the library answers at once, a promise only where
 * it gives one: `await` fits both. Never throws and never rejects: a schema that throws makes the input INPUT_INVALID, one
 * that answers nonsense is itself OPTION_INVALID.
 */
export function validateInput<O>(
  schema: Schema<unknown, O>,
  value: unknown,
  options: ValidateOptions = {},
): Validated<O> | Promise<Validated<O>> {
  try {
    checkSchema(schema, "schema");
    const result = schema["~standard"].validate(value);
    if (!isThenable(result)) return judge<O>(result, value, options);
    return Promise.resolve(result).then(
      (settled) => judge<O>(settled, value, options),
      (thrown: unknown) => failed(thrown, value, options),
    );
  } catch (thrown) {
    return thrown instanceof OptionError ? { ok: false, error: thrown } : failed(thrown, value, options);
  }
}

function judge<O>(result: unknown, value: unknown, options: ValidateOptions): Validated<O> {
  try {
    if (typeof result !== "object" || result === null) return { ok: false, error: nonsense(result) };
    const issues: unknown = Reflect.get(result, "issues");
    if (issues === undefined)
      return "value" in result ? { ok: true, value: result.value as O } : { ok: false, error: nonsense(result) };
    if (!Array.isArray(issues)) return { ok: false, error: nonsense(result) };
    return { ok: false, error: inputError(issues, value, options) };
  } catch (thrown) {
    return failed(thrown, value, options);
  }
}

function inputError(issues: readonly unknown[], value: unknown, options: ValidateOptions): InputError {
  const what = options.what ?? "input";
  const scrub = scrubberFor(value, options);
  const shown = issues.slice(0, maxShownIssues).map((issue) => readIssue(issue, options.marks, scrub));
  const texts = shown.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const more = issues.length > shown.length ? `; and ${issues.length - shown.length} more` : "";
  return new InputError(
    `${what} does not satisfy its schema${texts.length === 0 ? "" : ": "}${texts.join("; ")}${more}`,
    {
      what,
      issues: shown,
      issueCount: issues.length,
    },
  );
}

function readIssue(issue: unknown, marks: Marks | undefined, scrub: (text: string) => string): InputIssue {
  const { message, path: rawPath } = (typeof issue === "object" && issue !== null ? issue : {}) as {
    readonly message?: unknown;
    readonly path?: unknown;
  };
  const keys = Array.isArray(rawPath) ? rawPath.map(keyOf) : [];
  const path = pathText(keys).replace(/^\./, "");
  if (marks !== undefined && isMarked(keys, marks)) return { path, message: redacted };
  const text = typeof message === "string" && message !== "" ? message : "the schema gave no message";
  return { path, message: scrub(text).slice(0, maxMessageChars) };
}

/** A segment is a key, or an object with one. */
function keyOf(segment: unknown): string | number {
  const key: unknown = typeof segment === "object" && segment !== null ? Reflect.get(segment, "key") : segment;
  return typeof key === "number" ? key : String(key);
}

function failed(
  thrown: unknown,
  value: unknown,
  options: ValidateOptions,
): { readonly ok: false; readonly error: InputError } {
  const what = options.what ?? "input";
  const why = scrubberFor(
    value,
    options,
  )(thrown instanceof Error ? String(thrown.message) : describeValue(thrown)).slice(0, maxMessageChars);
  // With marks the cause stays behind: its message is not scrubbed.
  const cause = options.marks === undefined ? { cause: thrown } : {};
  return {
    ok: false,
    error: new InputError(
      `${what}: its schema threw while reading it: ${why}`,
      { what, issues: [{ path: "", message: why }], issueCount: 1 },
      cause,
    ),
  };
}

function nonsense(result: unknown): OptionError {
  return new OptionError(
    "schema",
    `schema: expected validate() to return { value } or { issues: […] }, as Standard Schema v1 says, found ${describeValue(result)}`,
  );
}

function scrubberFor(value: unknown, options: ValidateOptions): (text: string) => string {
  return options.marks === undefined ? (text) => text : createScrubber(options.marks, value);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof Reflect.get(value, "then") === "function"
  );
}
