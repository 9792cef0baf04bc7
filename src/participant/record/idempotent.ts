// `idempotent({ on, scope, key }, fn)`: for effects outside of the database that keeps the record, such as a payment.
//
// Nothing can make the record and such an effect one commit, so a crash between them leaves an unknown outcome. What is
// certain: at any time one call holds the key, by a lease with a fence that grows; a call that was overtaken can no longer
// write the record; and every attempt carries one and the same key downstream. So the effect happens at least once, and once
// if the service honors that key.
//
//   returned                       succeeded, and every later call is given the stored answer
//   RefusedError                   certainly nothing happened: released, the attempt does not count
//   NonRetryableError              failed for good: every later call is given the stored error
//   anything else                  unknown: open for the next attempt, or for a person when they are used up
//   died, froze, lost its lease    unknown: the next call takes over when the lease is over
import type { Stored } from "../../core/codec.ts";
import { type Duration, toMs } from "../../core/duration.ts";
import {
  assertNever,
  CatalogError,
  describeValue,
  fromStoredError,
  isFinalFailure,
  isRefusal,
  KeyInputMismatchError,
  OptionError,
  type StoredError,
  StoreOutcomeUnknownError,
} from "../../core/errors.ts";
import { deriveRecordKey, validateBusinessKey, validateScope } from "../../core/keys.ts";
import { checkFunction, checkInteger, checkOptions } from "../../core/options.ts";
import type { Awaitable, Participant } from "../../core/participant.ts";
import { parseStoredError, toStoredError } from "../../core/stored-error.ts";
import { sha256 } from "../../system.ts";
import { keepLease, leaseLost } from "./lease.ts";
import type { Claimed, LeasedRecords } from "./leased.ts";
import { type Markers, recordsOf } from "./markers.ts";
import { defaultRetention, fingerprintOf, inProgress, minRetainMs } from "./once.ts";
import { type ClaimRequest, type Held, recordStatus } from "./record.ts";

export interface IdempotentOptions<I> {
  /** Where the records are: a participant, or `redisMarkers(client)`. */
  // biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
  readonly on: Participant<any, any> | Markers;
  /** Whose key it is: the operation's name, and the tenant's where keys are chosen by tenants. 1 to 255 bytes in UTF-8. */
  readonly scope: string | ((input: I) => string);
  /** The caller's name for the intent, such as the order's id; never a random one. 1 to 255 bytes in UTF-8. */
  readonly key: (input: I) => string;
  /** What must be the same under the same key. Default: the whole input. Undefined compares nothing. */
  readonly fingerprint?: (input: I) => unknown;
  /** How long others wait before they take over from a silent call; renewed while the function runs. Default 30 s, min 1 s. */
  readonly lease?: Duration;
  /** Attempts whose outcome may be unknown, crashes among them, before a person is asked. Default 5, 1 … 1 000. */
  readonly maxAttempts?: number;
  /** How long the key rests after an attempt of unknown outcome. Default none; on Redis the rest of the lease. */
  readonly retryAfter?: Duration;
  /** Another call holds the key. `refuse` (default): KEY_IN_PROGRESS at once. `{ wait }`: for so long first. */
  readonly ifBusy?: "refuse" | { readonly wait: Duration };
  /** How long the key is remembered, at least, from its last claim on. Default 90 days, 1 minute … 10 years. */
  readonly retention?: Duration;
}

/** One attempt. */
export interface IdempotentRun {
  /** For the service downstream: the same for every attempt of this (scope, key). 47 characters of `[A-Za-z0-9_-]`. */
  readonly key: string;
  /** Grows with each claim of the record: for resources that refuse a smaller one. */
  readonly fence: number;
  /** From 1. */
  readonly attempt: number;
  /** Aborted when the lease is lost. Asks the clock, so it is right after a blocked event loop too. */
  readonly signal: AbortSignal;
  /** Throws RECORD_LEASE_LOST. Call it before each effect that cannot be fenced. */
  assertHeld(): void;
}

export type IdempotentOutcome<R> =
  | { readonly kind: "executed"; readonly value: R; readonly attempt: number }
  /** It succeeded before. */
  | { readonly kind: "replayed"; readonly value: R }
  /** For good: now, or before (`isReplay`). */
  | { readonly kind: "failed"; readonly error: StoredError; readonly isReplay: boolean }
  | { readonly kind: "busy"; readonly retryAfterMs: number }
  | { readonly kind: "mismatch"; readonly recorded: string; readonly given: string }
  /** This call found the attempts used up, and turned the record over to a person. */
  | { readonly kind: "exhausted"; readonly error: StoredError | null }
  /** It waits for a person. */
  | { readonly kind: "manual"; readonly error: StoredError | null };

export interface Idempotent<I, R> {
  /**
   * The answer, of this call's attempt or of an earlier one; always its decoded copy.
   *
   * @throws KEY_IN_PROGRESS, KEY_INPUT_MISMATCH, RECORD_MANUAL; RECORD_LEASE_LOST if the answer came after another call took
   * over; STORE_UNAVAILABLE before anything happened; STORE_OUTCOME_UNKNOWN if the effect has happened and could not be
   * recorded; StoredFailure for a stored failure; and what the function throws, if that is not final.
   */
  (input: I): Promise<R>;
  /** The same as a value. Rejects only with what is no outcome: errors of the store, and of an attempt that was not final. */
  outcome(input: I): Promise<IdempotentOutcome<R>>;
}

/**
 * A function that takes effect at most once at a time for each (scope, key), and gives every later call the stored answer.
 * At least once for the effect, under one and the same downstream key; see the head of this file. Starts nothing.
 *
 * @throws OPTION_INVALID
 */
export function idempotent<I, R>(
  options: IdempotentOptions<I>,
  fn: (input: I, run: IdempotentRun) => Awaitable<R>,
): Idempotent<I, Stored<Awaited<R>>> {
  const settings = resolve(options);
  checkFunction(fn, "fn", "idempotent");
  const outcome = (input: I): Promise<IdempotentOutcome<Stored<Awaited<R>>>> =>
    perform(settings, input, fn) as Promise<IdempotentOutcome<Stored<Awaited<R>>>>;
  return Object.assign(
    async (input: I): Promise<Stored<Awaited<R>>> => {
      const ended = await outcome(input);
      return answerOf(settings, input, ended);
    },
    { outcome },
  );
}

// ── One call ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Outcome = IdempotentOutcome<unknown>;
type Fn<I> = (input: I, run: IdempotentRun) => unknown;

async function perform<I>(settings: Settings<I>, input: I, fn: Fn<I>): Promise<Outcome> {
  const request = requestOf(settings, input);
  const { claimed, sentAt } = await claimInTime(settings, request);
  switch (claimed.kind) {
    case "claimed":
      return execute(settings, request, { ...claimed, sentAt }, (run) => fn(input, run));
    case "succeeded":
      return { kind: "replayed", value: settings.records.tools.values.decode(claimed.result) };
    case "failed":
      return { kind: "failed", error: decodeError(settings, claimed.error), isReplay: true };
    case "busy":
      return { kind: "busy", retryAfterMs: claimed.heldForMs };
    case "mismatch":
      return { kind: "mismatch", recorded: claimed.recorded, given: request.fingerprint ?? "" };
    case "exhausted":
      warnOfManual(settings, request);
      return { kind: "exhausted", error: claimed.error && decodeError(settings, claimed.error) };
    case "manual":
      return { kind: "manual", error: claimed.error && decodeError(settings, claimed.error) };
    default:
      return assertNever(claimed);
  }
}

const decodeError = ({ records }: Settings<never>, bytes: Uint8Array): StoredError =>
  parseStoredError(records.tools.values.decode(bytes));

function requestOf<I>(settings: Settings<I>, input: I): ClaimRequest {
  const { scope, key, fingerprint, records } = settings;
  const compared = fingerprint(input);
  return {
    scope: validateScope(typeof scope === "function" ? scope(input) : scope, "idempotent.scope"),
    key: validateBusinessKey(key(input)),
    fingerprint: compared === undefined ? null : fingerprintOf(compared),
    owner: Buffer.from(records.tools.random.bytes(ownerBytes)).toString("base64url"),
    leaseMs: settings.leaseMs,
    maxAttempts: settings.maxAttempts,
    retainMs: settings.retainMs,
  };
}

const ownerBytes = 16;
const firstPauseMs = 20;
const maxPauseMs = 250;

interface Sent {
  readonly claimed: Claimed;
  /** By the monotonic clock: the lease counts from here, for this process. */
  readonly sentAt: number;
}

/** Asks again while it is busy, as long as there is time. */
async function claimInTime<I>({ records, waitMs }: Settings<I>, request: ClaimRequest): Promise<Sent> {
  const { clock, random } = records.tools;
  const deadline = clock.monotonicMs() + waitMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 1.5)) {
    const sentAt = clock.monotonicMs();
    const claimed = await records.claim(request);
    const leftMs = deadline - clock.monotonicMs();
    if (claimed.kind !== "busy" || leftMs <= 0) return { claimed, sentAt };
    const jittered = pauseMs * (0.5 + random.next() / 2);
    await new Promise<void>((resume) => clock.after(Math.min(leftMs, jittered), resume));
  }
}

interface Won {
  readonly fence: number;
  readonly attempt: number;
  readonly sentAt: number;
}

async function execute<I>(
  settings: Settings<I>,
  request: ClaimRequest,
  { fence, attempt, sentAt }: Won,
  body: (run: IdempotentRun) => unknown,
): Promise<Outcome> {
  const { records, leaseMs } = settings;
  const held: Held = { scope: request.scope, key: request.key, fence, owner: request.owner };
  const lease = keepLease({ records, held, leaseMs, claimedAt: sentAt });
  const { signal, assertHeld } = lease;
  try {
    let result: unknown;
    try {
      result = await body({ key: deriveRecordKey(sha256, request), fence, attempt, signal, assertHeld });
    } catch (thrown) {
      return await afterFailure(settings, held, attempt, thrown);
    }
    return await afterSuccess(settings, held, attempt, result);
  } finally {
    lease.stop();
  }
}

async function afterSuccess<I>(
  { records }: Settings<I>,
  held: Held,
  attempt: number,
  result: unknown,
): Promise<Outcome> {
  const { values } = records.tools;
  let stored: { readonly bytes: Uint8Array | null; readonly value: unknown };
  try {
    stored = values.store(result, `the answer of ${held.scope}`);
  } catch (error) {
    // It has happened and must not happen again, although its answer is lost: that is what later calls are told.
    return endAsFailed(records, held, error);
  }
  const isRecorded = await recording(held, () =>
    records.end(held, { status: recordStatus.succeeded, result: stored.bytes }),
  );
  if (!isRecorded) throw leaseLost(held);
  return { kind: "executed", value: stored.value, attempt };
}

async function afterFailure<I>(settings: Settings<I>, held: Held, attempt: number, thrown: unknown): Promise<Outcome> {
  const { records, maxAttempts, restMs } = settings;
  if (isRefusal(thrown)) {
    await quietly(settings, held, () => records.release(held));
    throw thrown;
  }
  if (isFinalFailure(thrown)) return endAsFailed(records, held, thrown);
  const error = encodeError(records, thrown);
  const isLast = attempt >= maxAttempts;
  const isRecorded = await quietly(settings, held, () =>
    records.end(held, isLast ? { status: recordStatus.manual, error } : { status: recordStatus.open, error, restMs }),
  );
  if (isLast && isRecorded) warnOfManual(settings, held);
  throw thrown;
}

async function endAsFailed(records: LeasedRecords, held: Held, thrown: unknown): Promise<Outcome> {
  const error = encodeError(records, thrown);
  if (!(await recording(held, () => records.end(held, { status: recordStatus.failed, error }))))
    throw leaseLost(held, { cause: thrown });
  return { kind: "failed", error: parseStoredError(records.tools.values.decode(error)), isReplay: false };
}

const encodeError = ({ tools }: LeasedRecords, thrown: unknown): Uint8Array =>
  tools.values.encode(toStoredError(thrown), "error");

async function recording(held: Held, write: () => Promise<boolean>): Promise<boolean> {
  try {
    return await write();
  } catch (cause) {
    throw new StoreOutcomeUnknownError(
      `${held.scope}: the function has ended, and its outcome could not be recorded; the next call with this key repeats it when the lease is over, under the same downstream key`,
      { scope: held.scope },
      { cause },
    );
  }
}

/** The function's own error says more than one of the store's; then the lease runs out, as after a crash. */
async function quietly<I>({ records }: Settings<I>, { scope }: Held, write: () => Promise<boolean>): Promise<boolean> {
  try {
    return await write();
  } catch (error) {
    records.tools.log.warn(
      { err: error, scope },
      "the failure of an attempt could not be recorded; its lease runs out",
    );
    return false;
  }
}

function warnOfManual<I>(
  { records }: Settings<I>,
  { scope, key }: { readonly scope: string; readonly key: string },
): void {
  records.tools.log.error(
    { scope, key },
    "the attempts of an execution record are used up; it waits for a person (settleRecord)",
  );
}

function answerOf<I, R>(settings: Settings<I>, input: I, ended: IdempotentOutcome<R>): R {
  const scope = typeof settings.scope === "function" ? settings.scope(input) : settings.scope;
  switch (ended.kind) {
    case "executed":
    case "replayed":
      return ended.value;
    case "failed":
      throw fromStoredError(ended.error);
    case "busy":
      throw inProgress(scope, ended.retryAfterMs);
    case "mismatch":
      throw new KeyInputMismatchError({
        job: scope,
        key: settings.key(input),
        recorded: ended.recorded,
        given: ended.given,
      });
    case "exhausted":
    case "manual":
      throw new CatalogError(
        "RECORD_MANUAL",
        `${scope}: the attempts of key ${describeValue(settings.key(input))} are used up and their outcome is not known; it waits for a person`,
        { scope, error: ended.error },
      );
    default:
      return assertNever(ended);
  }
}

// ── Options ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Settings<in I> {
  readonly records: LeasedRecords;
  readonly scope: string | ((input: I) => string);
  readonly key: (input: I) => string;
  readonly fingerprint: (input: I) => unknown;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly restMs: number | null;
  readonly waitMs: number;
  readonly retainMs: number;
}

const optionKeys: readonly (keyof IdempotentOptions<never>)[] = [
  ...(["on", "scope", "key", "fingerprint", "lease", "maxAttempts", "retryAfter", "ifBusy", "retention"] as const),
];
const minLeaseMs = 1_000;

function resolve<I>(options: IdempotentOptions<I>): Settings<I> {
  checkOptions(options, optionKeys, "idempotent");
  const { scope, key, fingerprint, ifBusy = "refuse" } = options;
  const records = recordsOf(options.on, "idempotent.on");
  if (typeof scope !== "function") validateScope(scope, "idempotent.scope");
  if (typeof key !== "function")
    throw new OptionError(
      "idempotent.key",
      `idempotent.key: expected a function of the input, found ${describeValue(key)}`,
    );
  if (fingerprint !== undefined && typeof fingerprint !== "function")
    throw new OptionError(
      "idempotent.fingerprint",
      `idempotent.fingerprint: expected a function of the input, found ${describeValue(fingerprint)}`,
    );
  return {
    records,
    scope,
    key,
    fingerprint: fingerprint ?? ((input) => input),
    leaseMs: toMs(options.lease ?? "30s", "idempotent.lease", { min: minLeaseMs }),
    maxAttempts: checkInteger(options.maxAttempts ?? 5, "idempotent.maxAttempts", 1, 1_000),
    restMs:
      options.retryAfter === undefined ? records.defaultRestMs : toMs(options.retryAfter, "idempotent.retryAfter"),
    waitMs: waitOf(ifBusy),
    retainMs: toMs(options.retention ?? defaultRetention, "idempotent.retention", { min: minRetainMs }),
  };
}

function waitOf(ifBusy: unknown): number {
  if (ifBusy === "refuse") return 0;
  if (typeof ifBusy !== "object")
    throw new OptionError(
      "idempotent.ifBusy",
      `idempotent.ifBusy: expected "refuse" or { wait }, found ${describeValue(ifBusy)}`,
    );
  checkOptions(ifBusy, ["wait"], "idempotent.ifBusy");
  return toMs((ifBusy as { readonly wait: Duration }).wait, "idempotent.ifBusy.wait");
}
