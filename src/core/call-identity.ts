// The other side of step-headers.ts: a service reads from a request which step of which execution calls, and in what role.
import { CatalogError, describeValue, OptionError } from "./errors.ts";
import { isUuid } from "./ids.ts";
import type { Role } from "./journal.ts";
import { keyRoles, validateStepName } from "./keys.ts";
import { type StepIdentity, stepHeaderNames } from "./step-headers.ts";

/** A request with headers, or its headers: of the Fetch API (`Request`, `Headers`; so Hono's `c.req.raw`), or Node's lower-case object (Express, Fastify, NestJS, `node:http`). */
export type HeaderSource = HeaderBag | { readonly headers: HeaderBag };
type HeaderBag =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Who calls, as `step.headers()` of the calling step said it. For `participant.barrier(tx, fromHeaders(request), …)`.
 * The headers are trusted like any other input that names a row: take them from callers that you have authenticated.
 *
 * Throws CALL_HEADERS_INVALID for headers that are missing, repeated or malformed: answer 400.
 */
export function fromHeaders(source: HeaderSource): StepIdentity {
  const bag = bagOf(source);
  return {
    executionId: read(bag, "executionId", isUuid, "the id of an execution"),
    step: parseStep(read(bag, "step", isText, "a step's name")),
    role: read(bag, "role", isRole, keyRoles.join(", ")),
    round: Number(read(bag, "round", isRound, "a whole number from 0")),
    key: read(bag, "key", isKey, "a key of 1 to 255 visible ASCII characters"),
  };
}

/** One that may have been made by hand. Throws OPTION_INVALID and STEP_NAME_INVALID. */
export function validateCall(call: unknown, where: string): StepIdentity {
  if (typeof call !== "object" || call === null)
    throw new OptionError("call", `${where}: call: expected what fromHeaders gives, found ${describeValue(call)}`);
  const { executionId, step, role, round } = call as { readonly [part in Part]?: unknown };
  const refuse = (part: Part, what: string, found: unknown): never => {
    throw new OptionError(part, `${where}: ${part}: expected ${what}, found ${describeValue(found)}`);
  };
  if (!isUuid(executionId)) refuse("executionId", "the id of an execution", executionId);
  if (typeof step !== "string") return refuse("step", "a step's name", step);
  validateStepText(step);
  if (typeof role !== "string" || !isRole(role)) refuse("role", keyRoles.join(", "), role);
  if (typeof round !== "number" || !isRound(String(round))) refuse("round", "a whole number from 0", round);
  return call as StepIdentity;
}

type Part = keyof typeof stepHeaderNames;

function read<T extends string>(bag: HeaderBag, part: Part, fits: (text: string) => text is T, what: string): T {
  const name = stepHeaderNames[part];
  const value = headerOf(bag, name);
  if (typeof value === "string" && fits(value)) return value;
  throw invalid(name, what, value);
}

function headerOf(bag: HeaderBag, name: string): unknown {
  return typeof bag.get === "function" ? bag.get(name) : (bag as Readonly<Record<string, unknown>>)[name];
}

function bagOf(source: HeaderSource): HeaderBag {
  if (typeof source !== "object" || source === null)
    throw new OptionError("source", `fromHeaders: expected a request or its headers, found ${describeValue(source)}`);
  const { headers } = source as { readonly headers?: unknown };
  return (typeof headers === "object" && headers !== null ? headers : source) as HeaderBag;
}

const isText = (text: string): text is string => text !== "" && text.length <= maxStepChars;
const isRole = (text: string): text is Role => (keyRoles as readonly string[]).includes(text);
const isRound = (text: string): text is string => /^(0|[1-9]\d{0,8})$/.test(text);
const isKey = (text: string): text is string => /^[\x21-\x7e]{1,255}$/.test(text);

/** Name, colon and id of 200 bytes each, every byte as %XX. */
const maxStepChars = 3 * 401;

function parseStep(text: string): string {
  let step: string;
  try {
    step = decodeURIComponent(text);
    validateStepText(step);
  } catch (error) {
    throw invalid(stepHeaderNames.step, "a step's name, percent-encoded", text, error);
  }
  return step;
}

function validateStepText(step: string): void {
  const colon = step.indexOf(":");
  validateStepName(colon < 0 ? step : [step.slice(0, colon), step.slice(colon + 1)]);
}

function invalid(name: string, what: string, found: unknown, cause?: unknown): CatalogError {
  const message = `Expected the header ${name} to hold ${what}, found ${found === null || found === undefined ? "none" : describeValue(found)}; send what step.headers() returned, unchanged`;
  return new CatalogError("CALL_HEADERS_INVALID", message, { header: name }, cause === undefined ? {} : { cause });
}
