// Names, and the keys derived from them. Derivations are frozen: a key that changes lets an effect happen twice. A new
// derivation gets a new prefix and is used for new executions only.
//
// The text that is hashed is a JSON array without spaces, as JSON.stringify writes it (ECMA-262 §25.5.2: strings with ", \
// and control characters escaped, everything else as it is), in UTF-8. It is injective, because the parts are texts, whole
// numbers and null, and the texts hold no lone surrogates. The hash is SHA-256, written in base64url without padding
// (RFC 4648 §5).
import { CatalogError, describeValue, isCleanText, OptionError } from "./errors.ts";
import type { StepName } from "./job.ts";
import { defaultLimits } from "./limits.ts";

/** SHA-256 of the text's UTF-8: 32 bytes. Handed in, since core imports nothing. */
export type Sha256 = (text: string) => Uint8Array;

export const keyRoles = ["action", "compensation", "try", "confirm", "cancel"] as const;
export type KeyRole = (typeof keyRoles)[number];

export interface StepKeyParts {
  readonly namespace: string;
  readonly job: string;
  /** Absent for a job without one; then the execution's id takes its place. */
  readonly businessKey?: string | undefined;
  readonly executionId: string;
  /** From 0. In the key, so that a restart after compensation is not answered by the blocked keys of the round before. */
  readonly round: number;
  readonly step: string;
  readonly stepId?: string | undefined;
  readonly role: KeyRole;
}

/**
 * A step's idempotency key: `mg1` and 43 characters of `[A-Za-z0-9_-]`. The same for every attempt of every owner; another
 * for each role and round. Hashed: `["mg1",namespace,job,["key",businessKey]|["id",executionId],round,step,stepId|null,role]`.
 */
export function deriveStepKey(sha256: Sha256, parts: StepKeyParts): string {
  const intent = parts.businessKey === undefined ? ["id", parts.executionId] : ["key", parts.businessKey];
  const image = ["mg1", parts.namespace, parts.job, intent, parts.round, parts.step, parts.stepId ?? null, parts.role];
  return `mg1${digest(sha256, image)}`;
}

/**
 * The business key of a child whose job has none: `mgc1` and 43 characters. Starting it again after a crash finds it.
 * Hashed: `["mgc1",parentId,step,stepId|null]`; the parent's id is another in each round.
 */
export function childKey(
  sha256: Sha256,
  parent: { readonly executionId: string; readonly step: string; readonly stepId?: string | undefined },
): string {
  return `mgc1${digest(sha256, ["mgc1", parent.executionId, parent.step, parent.stepId ?? null])}`;
}

/**
 * The business key of a job without one that a message starts: `mgm1` and 43 characters. A message that is delivered again
 * finds its execution. Hashed: `["mgm1",topic,messageId]`; namespace and job are beside the key where executions are unique.
 */
export function messageKey(sha256: Sha256, message: { readonly topic: string; readonly id: string }): string {
  return `mgm1${digest(sha256, ["mgm1", message.topic, message.id])}`;
}

/** The key of what a schedule starts for one of its times, in place of the job's own: `<schedule's id>@<epoch ms>`. */
export const fireKey = (schedule: string, atMs: number): string => `${schedule}@${atMs}`;

/**
 * The key of what a schedule that follows others starts: `<schedule's id>@<occasion>`, and with `@<id of what ended>` where
 * each end starts one. The occasion is an epoch ms, or the id of an execution.
 */
export const followKey = (schedule: string, occasion: string, ended?: string): string =>
  ended === undefined ? `${schedule}@${occasion}` : `${schedule}@${occasion}@${ended}`;

/** What an execution was started for, by the key that its schedule gave it; null for another key. */
export function occasionOf(schedule: string, key: string | null): string | null {
  const [of, occasion] = (key ?? "").split("@");
  return of === schedule && occasion !== undefined ? occasion : null;
}

/**
 * The key of one arrival where several must meet: `mga1` and 43 characters. Hashed:
 * `["mga1",schedule,occasion,upstream's job,upstream's schedule|null]`.
 */
export function arrivalKey(
  sha256: Sha256,
  of: { readonly schedule: string; readonly occasion: string },
  upstream: { readonly job: string; readonly schedule?: string },
): string {
  return `mga1${digest(sha256, ["mga1", of.schedule, of.occasion, upstream.job, upstream.schedule ?? null])}`;
}

/**
 * The idempotency key that an execution record hands to services downstream: `mgr1` and 43 characters. The same for every
 * attempt of every owner. Hashed: `["mgr1",scope,key]`.
 */
export function deriveRecordKey(
  sha256: Sha256,
  { scope, key }: { readonly scope: string; readonly key: string },
): string {
  return `mgr1${digest(sha256, ["mgr1", scope, key])}`;
}

/**
 * Of an input's canonical text: 43 characters, the first of which is the version `1`, the others 252 bits of the hash of
 * that text. Fingerprints of different versions say nothing about each other.
 */
export function fingerprint(sha256: Sha256, canonical: string): string {
  return `1${base64url(sha256(canonical)).slice(0, 42)}`;
}

/** The key as it is. Throws KEY_INVALID if it is empty, longer than 255 bytes in UTF-8, or no storable text. */
export function validateBusinessKey(key: unknown, maxBytes = defaultLimits.maxKeyBytes): string {
  const fault = textFault(key, maxBytes);
  // The key itself is not shown: it may be a person's.
  if (fault !== undefined)
    throw new CatalogError(
      "KEY_INVALID",
      `A business key must be a text of 1 to ${maxBytes} bytes in UTF-8, without U+0000: ${fault}`,
      { fault },
    );
  return key as string;
}

/** Of execution records: whose key it is. Throws OPTION_INVALID if it is empty, longer than 255 bytes in UTF-8, or no storable text. */
export function validateScope(scope: unknown, where = "scope"): string {
  const fault = textFault(scope, defaultLimits.maxKeyBytes);
  if (fault !== undefined)
    throw new OptionError(
      where,
      `${where}: expected a text of 1 to ${defaultLimits.maxKeyBytes} bytes in UTF-8, without U+0000: ${fault}`,
    );
  return scope as string;
}

export interface StepIdentity {
  readonly name: string;
  readonly id: string | undefined;
  /** The name, or name + ":" + id. No two identities share one, because a name holds no colon. */
  readonly text: string;
}

export interface StepNameLimits {
  readonly maxStepNameBytes: number;
  readonly maxStepIdBytes: number;
}

/** Throws STEP_NAME_INVALID. A number as id is the same as its decimal text. */
export function validateStepName(step: StepName, limits: StepNameLimits = defaultLimits): StepIdentity {
  if (!Array.isArray(step)) {
    const name = validateStepPart(step, "name", limits.maxStepNameBytes);
    return { name, id: undefined, text: name };
  }
  if (step.length !== 2) throw invalidStep(`expected a name, or [name, id], found an array of ${step.length}`);
  const name = validateStepPart(step[0], "name", limits.maxStepNameBytes);
  const id = validateStepPart(idText(step[1]), "id", limits.maxStepIdBytes);
  return { name, id, text: `${name}:${id}` };
}

function idText(id: unknown): unknown {
  if (typeof id !== "number") return id;
  if (!Number.isSafeInteger(id)) throw invalidStep(`expected an id that is a text or a safe integer, found ${id}`);
  return String(id);
}

function validateStepPart(part: unknown, kind: "name" | "id", maxBytes: number): string {
  const fault = textFault(part, maxBytes);
  if (fault !== undefined)
    throw invalidStep(`expected a ${kind} of 1 to ${maxBytes} bytes in UTF-8, found ${describeValue(part)}: ${fault}`);
  const text = part as string;
  if (/\p{Cc}/u.test(text))
    throw invalidStep(`expected a ${kind} without control characters, found ${describeValue(text)}`);
  if (kind === "name" && text.includes(":"))
    throw invalidStep(
      `expected a name without a colon, found ${describeValue(text)}. Put the changing part into an id: ["take stock", line.code]`,
    );
  return text;
}

function invalidStep(why: string): CatalogError {
  return new CatalogError("STEP_NAME_INVALID", `A step's name is invalid: ${why}`, {});
}

const maxJobNameChars = 100;
const maxNamespaceChars = 64;
// Letters, marks (vowel signs of Indic scripts and Thai) and decimal digits of every script. A name is never `..`, an
// absolute path, an option of a command line or an empty segment where it appears in a URL, a file name or a shell.
const jobNamePattern = /^(?!-)[\p{L}\p{M}\p{Nd}_-]+(?:[./][\p{L}\p{M}\p{Nd}_-]+)*$/u;
const namespacePattern = /^(?!-)[\p{L}\p{M}\p{Nd}_-]+(?:\.[\p{L}\p{M}\p{Nd}_-]+)*$/u;

/** Throws JOB_NAME_INVALID unless it is letters and digits of any script, - and _, with single . or / between them; at most 100 characters. */
export function validateJobName(name: unknown): string {
  const fault = nameFault(name, maxJobNameChars, jobNamePattern, "single . or /");
  if (fault !== undefined) throw new CatalogError("JOB_NAME_INVALID", `A job's name is invalid: ${fault}`, {});
  return name as string;
}

/** Throws OPTION_INVALID unless it is letters and digits of any script, - and _, with single . between them; at most 64 characters. */
export function validateNamespace(namespace: unknown): string {
  const fault = nameFault(namespace, maxNamespaceChars, namespacePattern, "single .");
  if (fault !== undefined) throw new OptionError("namespace", `namespace: ${fault}`);
  return namespace as string;
}

function nameFault(name: unknown, maxChars: number, pattern: RegExp, separators: string): string | undefined {
  if (typeof name !== "string" || name.length > maxChars || !pattern.test(name))
    return `expected 1 to ${maxChars} letters, digits, - and _ (not first: -), with ${separators} between them, found ${describeValue(name)}`;
  // "é" has two spellings; as two names they would be two jobs that nobody can tell apart.
  return name === name.normalize("NFC")
    ? undefined
    : `expected composed letters (Unicode NFC), found ${describeValue(name)} in another form. Use name.normalize()`;
}

function textFault(text: unknown, maxBytes: number): string | undefined {
  if (typeof text !== "string") return `it is ${describeValue(text)}`;
  if (text.length <= maxBytes && printableAscii.test(text)) return undefined;
  if (text === "") return "it is empty";
  if (!isCleanText(text)) return text.includes("\0") ? "it holds U+0000" : "it holds half of a surrogate pair";
  if (text.length > maxBytes) return `it is longer than ${maxBytes} bytes`;
  const bytes = utf8.encode(text).length;
  return bytes > maxBytes ? `it is ${bytes} bytes long` : undefined;
}

const printableAscii = /^[\x20-\x7e]+$/;
const utf8 = new TextEncoder();
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function digest(sha256: Sha256, image: readonly unknown[]): string {
  return base64url(sha256(JSON.stringify(image)));
}

function base64url(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const chars = Math.min(bytes.length - at, 3) + 1;
    for (let char = 0; char < chars; char++) text += alphabet[(group >> (18 - 6 * char)) & 63];
  }
  return text;
}
