// Every error that makegood throws, stores or shows: one catalog, one base class. What is stored of one is made in stored-error.ts.
//
// `retryable` says whether the same call, repeated by itself, can come to another end. `effect` is what the failed call may
// have done. Both speak of the call that threw. Whether a *step* took effect is never read from `effect`, because the body
// of a step may let the error of some other call escape: a step counts as refused only if it threw a RefusedError
// (`isRefusal`), and its attempts end early only by `retryable: false`.
//
// Errors are recognized by a mark under a registered symbol, not by `instanceof`: user code may throw the NonRetryableError
// of another copy of this package, and retrying it would be wrong.
import { propertyOf } from "./error-chain.ts";

export type ErrorEffect = "none" | "unknown";

export interface CatalogEntry {
  readonly retryable: boolean;
  readonly effect: ErrorEffect;
  readonly meaning: string;
  readonly whatToDo: string;
}

/** The codes are public and stable: one is never renamed, and never given another meaning. The documentation is generated from here. */
// biome-ignore format: a table, one line an entry
export const errorCatalog = {
  // What the caller handed in.
  OPTION_INVALID: refusal("An option is unknown, missing, of the wrong type or out of its range.", "Correct the option that the message names."),
  INPUT_INVALID: refusal("The input does not satisfy the schema.", "Correct the input; `details.issues` names each place."),
  CRON_INVALID: refusal("A cron expression does not fit its dialect.", "Correct the field and character that the message names; `makegood schedules next` shows what an expression means."),
  JOB_UNKNOWN: refusal("No job of this name and version is registered here.", "Register the job, or start it where it is registered."),
  JOB_DUPLICATE: refusal("Two jobs of the same name and version were registered.", "Rename one of them, or raise its version."),
  JOB_NAME_INVALID: refusal("A job's name is empty, too long or holds a character that names may not hold.", "Use letters and digits of any script, and - _ . / between them."),
  KEY_INVALID: refusal("A business key is empty, too long, or not storable text.", "Give a non-empty string of at most 255 bytes in UTF-8, without U+0000."),
  KEY_INPUT_MISMATCH: refusal("This key was used before with another input.", "Use a new key for a new intent; the same intent sends the same input."),
  KEY_EXISTS: refusal('An execution of this key exists, and `ifExists: "refuse"` was asked for.', "Read the existing execution, or start with another key."),
  KEY_IN_PROGRESS: { retryable: true, effect: "none", meaning: "Another call with this key is under way, or rests after a failure of unknown outcome.", whatToDo: "Call again with the same key after `details.retryAfterMs`, or wait for it (`ifBusy`)." },
  RECORD_MANUAL: refusal("The attempts of this key are used up and their outcome is not known; the record waits for a person.", "Find out what happened, then settle the record (`settleRecord`)."),
  RECORD_STATE: refusal("The record does not wait for a person, or does not exist: there is nothing to settle.", "Read the record; somebody else may have settled it."),
  EXECUTION_UNKNOWN: refusal("There is no execution of this id or key: it never existed, or retention removed it.", "Check id and namespace."),
  EXECUTION_STATE: refusal("The execution is in a state that does not allow this command.", "Read its state; the message says which states allow it."),
  SIGNAL_REFUSED: refusal("The execution has ended and takes no signals.", "Do not send it again."),
  SCHEDULE_UNKNOWN: refusal("There is no schedule of this id or name.", "Check it, and the namespace; `makegood schedules list` shows all."),
  SCHEDULE_EXISTS: refusal("Another schedule has this name.", "Edit that one, or choose another name."),
  SCHEDULE_DECLARED: refusal("A job declares this schedule in code, so it cannot be changed or removed from outside.", "Change the job's `on`; pause and resume work from outside."),
  SCHEDULE_LOOP: refusal("A schedule would follow itself, by way of others or directly.", "Follow the chain in `details.schedules`, and start one of them otherwise."),
  SCHEDULE_FOLLOWED: refusal("Other schedules follow the one to be removed, and nothing would start them.", "Remove those in `details.followers` first, or let them follow another."),
  PARTICIPANT_NOT_MIGRATED: refusal("The participant's database lacks makegood's tables.", "Run `makegood migrate --participant`, or call `participant.migrate()`."),
  CALL_HEADERS_INVALID: refusal("The headers that say which step calls are missing, repeated or malformed.", "Send what `step.headers()` returned, unchanged; answer such a request with 400."),
  TRY_MISSING: refusal("A confirm arrived for a try that never ran here, or was canceled.", "Send the confirm to the service that answered the try; check that its barrier rows were not deleted."),
  TRANSACTION_REQUIRED: refusal("A call that belongs into a transaction of the caller's was given a pool, a bare connection, or a transaction that has ended.", "Call it with the transaction that your client hands you, before it ends."),
  TRANSITION_ILLEGAL: refusal("The state machine knows no such event in the state that the row is in.", "Read the row's state; `details.legal` lists the events that it takes."),
  GUARD_REFUSED: refusal("The event is legal in the row's state, but its guard said no.", "Meet the condition that `details.guard` names, or send another event."),
  STATE_STALE: refusal("The row is no longer in the state, or of the version, that the caller saw: another move came first.", "Read the row again, decide again, and send the event for the state that it is in."),
  STATE_UNKNOWN: refusal("A text is no state of the state machine.", "Check the value. Rows of an older definition: call `machine.check` and `machine.migrateRows`."),
  STATE_UNMAPPED: refusal("Rows are in states that the state machine does not know and the mapping does not name.", "Map each state of `details.states`, or bring those rows in order by hand."),
  EVENT_ID_REUSED: refusal("The id of an event was given to another event of the same row before.", "Give each event an id of its own; a repeated event keeps its id and its name."),
  ROW_MISSING: refusal("There is no row of this id in the table.", "Check the id; the row was never inserted, was deleted, or is not yet committed."),
  MESSAGE_ID_REUSED: refusal("This message id was used before on the topic, with another payload.", "Make the id of all that makes the message another one."),
  MESSAGE_UNKNOWN: refusal("No message of this topic and id is stuck there.", "Read `app.messages.stuck()`; it may have gone on by itself."),
  APP_CLOSED: refusal("The app has been closed, or is closing.", "Start the work before closing, or in another process."),

  // How a job is written.
  STEP_NAME_INVALID: refusal("A step's name or id is empty, too long, or holds a colon (name) or control characters.", "Use a short fixed name, and an id where the step repeats."),
  STEP_NAME_REUSED: refusal("One execution used the same step name and id twice.", 'Give each use its own id: ctx.step(["take stock", line.code], …).'),
  STEP_LIMIT: refusal("One execution called more steps than its limit; its journal is loaded whole.", "Give parts of the work to children (ctx.start), or raise `limits.maxSteps`."),
  PARTS_INVALID: refusal("The split of a job returned no list of parts, or more than one execution can deal out.", "Return fewer, larger parts, or let each part be a mapReduce of its own; or raise `limits.maxSteps`."),
  STEP_ASYNC_BODY: refusal("The body of a transaction on a synchronous participant returned a promise; the transaction was rolled back.", "Remove async and await from the body."),
  PIVOT_MISUSE: refusal("A call stands on the wrong side of the pivot, such as a TCC branch behind it.", "Move the call before `await ctx.pivot()`."),
  STEP_DRIFT: uncertain("The recorded steps do not fit the code: a step of another kind, or one that was never reached.", "Deploy the version that the execution began with, and resume it."),

  // Values.
  VALUE_UNSUPPORTED: uncertain("A value cannot be stored without loss.", "Return plain data; `details.path` names the place. If a step returned it, the step's effect has happened."),
  VALUE_TOO_LARGE: uncertain("A value is larger than its limit.", "Store the data elsewhere and return a reference to it, or raise the limit."),
  VALUE_TOO_DEEP: uncertain("A value is nested deeper than the limit.", "Flatten the data."),
  VALUE_CORRUPT: refusal("Stored bytes do not decode: damaged, or written by an unknown format, codec or key.", "Configure the codec and keys that wrote them, or restore the row."),
  VALUE_SEAL_FAILED: { retryable: true, effect: "unknown", meaning: "The configured codec failed to encode a value.", whatToDo: "See the cause; check the codec and its keys." },

  // How attempts and executions end.
  ERROR: { retryable: true, effect: "unknown", meaning: "User code threw an error without a code.", whatToDo: "See its message." },
  NON_RETRYABLE: uncertain("User code ended the attempts; the effect may have happened.", "See its message; the step is compensated."),
  REFUSED: refusal("The other side answered and certainly did nothing.", "See its message; there is nothing to undo."),
  STEP_TIMED_OUT: { retryable: true, effect: "unknown", meaning: "An attempt did not end in time. It may still be running; its late result is void.", whatToDo: "Honor `signal` and `key` in the step, or give it more time." },
  ATTEMPTS_EXHAUSTED: uncertain("A step failed in every attempt that its policy allows.", "See `details.error`, the last failure."),
  COMPENSATION_FAILED: uncertain("A compensation failed beyond its attempts or its window; the execution is parked.", "Undo or repair by hand, then settle the incident, or retry it."),
  NO_PROGRESS: uncertain("The processes that ran this execution died again and again without a new record; it is parked.", "Find what kills the process in the step that comes next, then resume."),
  LEASE_LOST: uncertain("The execution passed to another worker. Everything this attempt still does is void.", "Nothing: stop, write nothing, repeat nothing."),
  LOCK_LOST: uncertain("A lock's lease ended, or passed to another holder, before the function that it protected did.", "Write nothing more without asking for the fence; give a longer `lease`, or block the event loop less."),
  RECORD_LEASE_LOST: { retryable: true, effect: "unknown", meaning: "The lease of an execution record ran out and another call took over; this call's outcome was not recorded.", whatToDo: "Call again with the same key: it answers with what was recorded, or says that the key is in progress." },
  TIMED_OUT: uncertain("The execution did not end within its timeout.", "Read its outcome; before the pivot it was turned back."),
  CANCELED: uncertain("The execution was canceled and turned back.", "Start it again under a new round or key if it is still wanted."),
  KILLED: uncertain("A person ended the execution without compensation.", "Check its effects by hand."),
  DISCARDED: uncertain("The execution was given up, by a strategy or by a person.", "Start it again if it is still wanted."),
  CHILD_FAILED: uncertain("A child execution did not complete.", "See `details.error`; catch it if the parent can go on without the child."),
  EXECUTION_NOT_SUCCESSFUL: uncertain("`result()` was asked of an execution that ended otherwise than completed.", "See `details.state` and `details.error`; `outcome()` returns both without throwing."),
  NOT_MADE_GOOD: uncertain("A row that a reconciler found bad was still bad when its window closed.", "See `details`: the row, the last fix and its error. Put it right and settle the incident, or restart the fix and retry."),

  // Messages that are stuck.
  MESSAGE_POISON: uncertain("The processes that relayed this message died again and again.", "Find what kills the process in the trigger's `input`, the job's `key` or its schema; then retry or skip the message."),
  MESSAGE_BLOCKED: uncertain("An execution of an ordered message ended without success or is parked; those behind it wait.", "Resume or restart the execution, or retry or skip the message."),

  // The store.
  STORE_UNAVAILABLE: { retryable: true, effect: "none", meaning: "The database could not be reached or refused the connection.", whatToDo: "Retry with a pause; check the database." },
  STORE_CONFLICT: { retryable: true, effect: "none", meaning: "The database rolled the transaction back for a concurrent one (deadlock, lock wait, busy).", whatToDo: "Repeat the whole transaction with a jittered pause." },
  STORE_OUTCOME_UNKNOWN: { retryable: true, effect: "unknown", meaning: "The answer to a write was lost: it may have been committed.", whatToDo: "Repeat the same call with the same key or id; it is idempotent." },
  STORE_POISON: refusal("The database refuses a value.", "Correct the value; repeating cannot help."),
  STORE_SCHEMA: refusal("The store's tables are missing, older or newer than this code can use.", "Run `makegood migrate`, or deploy the code that fits."),
  STORE_UNSUITABLE: refusal("The database cannot keep the promises: too old, not durable, or a standby.", "Change the setting or the server that the message names."),

  INVARIANT: uncertain("An impossible state was met: a bug in makegood, or tables changed by hand.", "Stop and report it, with message and details. Do not catch it to carry on."),
} as const satisfies Readonly<Record<string, CatalogEntry>>;

export type ErrorCode = keyof typeof errorCatalog;
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalog, code);

function refusal(meaning: string, whatToDo: string) {
  return { retryable: false, effect: "none", meaning, whatToDo } as const;
}

function uncertain(meaning: string, whatToDo: string) {
  return { retryable: false, effect: "unknown", meaning, whatToDo } as const;
}

// ── Classes ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Fields = Readonly<Record<string, unknown>>;

/** What `details` holds, for the codes whose details are read by code. The others hold plain fields for people. */
export interface ErrorDetails {
  readonly OPTION_INVALID: { readonly option: string };
  readonly CRON_INVALID: {
    readonly dialect: string;
    readonly expression: string;
    /** Such as `day of month`; null where the number of fields is wrong. */
    readonly field: string | null;
    /** Of the character in the expression, from 1. */
    readonly position: number | null;
    readonly expected: string;
    readonly found: string;
    readonly hint?: string | undefined;
    /** An expression that is right. */
    readonly example: string;
  };
  readonly INPUT_INVALID: {
    readonly what: string;
    readonly issues: readonly InputIssue[];
    readonly issueCount: number;
  };
  readonly KEY_INPUT_MISMATCH: {
    readonly job: string;
    readonly key: string;
    readonly recorded: string;
    readonly given: string;
  };
  readonly KEY_IN_PROGRESS: { readonly scope: string; readonly retryAfterMs: number | null };
  readonly RECORD_MANUAL: { readonly scope: string; readonly error: StoredError | null };
  readonly RECORD_LEASE_LOST: { readonly scope: string; readonly fence: number };
  readonly KEY_EXISTS: { readonly job: string; readonly key: string; readonly executionId: string };
  readonly EXECUTION_UNKNOWN: { readonly id: string };
  readonly EXECUTION_STATE: { readonly executionId: string; readonly state: string; readonly command: string };
  readonly EXECUTION_NOT_SUCCESSFUL: {
    readonly executionId: string;
    readonly state: string;
    readonly error: StoredError | null;
  };
  readonly CHILD_FAILED: { readonly executionId: string; readonly state: string; readonly error: StoredError | null };
  readonly STEP_NAME_REUSED: { readonly step: string };
  readonly STEP_TIMED_OUT: { readonly step: string; readonly timeoutMs: number };
  readonly ATTEMPTS_EXHAUSTED: { readonly step: string; readonly attempts: number; readonly error: StoredError };
  readonly VALUE_UNSUPPORTED: { readonly path: string; readonly found: string };
  readonly VALUE_TOO_LARGE: { readonly path: string; readonly maxBytes: number; readonly bytes?: number };
  readonly VALUE_TOO_DEEP: { readonly path: string; readonly maxDepth: number };
  readonly TRANSITION_ILLEGAL: {
    readonly machine: string;
    readonly id: string;
    readonly event: string;
    readonly actual: string;
    readonly legal: readonly string[];
  };
  readonly GUARD_REFUSED: {
    readonly machine: string;
    readonly id: string;
    readonly event: string;
    readonly actual: string;
    readonly guard: string;
  };
  readonly STATE_STALE: {
    readonly machine: string;
    readonly id: string;
    readonly event: string;
    readonly actual: string;
    readonly version: number | null;
  };
  readonly ROW_MISSING: { readonly table: string; readonly id: string };
  readonly LEASE_LOST: { readonly executionId: string; readonly token: number };
}
export type DetailsOf<C extends ErrorCode> = C extends keyof ErrorDetails ? ErrorDetails[C] : Fields;

/** One complaint of a schema. `path` reads like `lines[0].qty`, empty for the input itself. */
export interface InputIssue {
  readonly path: string;
  readonly message: string;
}

export interface CauseOption {
  readonly cause?: unknown;
}

const mark = Symbol.for("makegood.error");
type Mark = "coded" | "non-retryable" | "refused";

/** The base of everything makegood throws. `code` is stable, `message` is for people and may change. */
export abstract class CodedError<D = unknown, C extends string = string> extends Error {
  readonly code: C;
  readonly details: D;
  readonly retryable: boolean;
  readonly effect: ErrorEffect;

  constructor(
    code: C,
    message: string,
    details: D,
    traits: { readonly retryable: boolean; readonly effect: ErrorEffect },
    options?: CauseOption,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
    this.retryable = traits.retryable;
    this.effect = traits.effect;
  }

  /** On the prototype, so that the first line of `stack` shows the class. Settable, since subclasses commonly do. */
  override get name(): string {
    return this.constructor.name;
  }
  override set name(value: string) {
    Object.defineProperty(this, "name", { value, writable: true, configurable: true, enumerable: false });
  }

  get [mark](): Mark {
    return "coded";
  }
}

/** An error of the catalog. The codes that code catches have a class of their own below; the others are thrown as this one. */
export class CatalogError<C extends ErrorCode = ErrorCode> extends CodedError<DetailsOf<C>, C> {
  constructor(code: C, message: string, details: DetailsOf<C>, options?: CauseOption) {
    super(code, message, details, errorCatalog[code], options);
  }
}

/** An option is unknown, missing, of the wrong type or out of its range. */
export class OptionError extends CatalogError<"OPTION_INVALID"> {
  constructor(option: string, message: string, options?: CauseOption) {
    super("OPTION_INVALID", message, { option }, options);
  }
}

/** A cron expression does not fit its dialect: which field, which character, what was found there. */
export class CronError extends CatalogError<"CRON_INVALID"> {
  constructor(details: DetailsOf<"CRON_INVALID">) {
    const { dialect, expression, field, position, expected, found, hint, example } = details;
    const place = position === null ? "" : ` at character ${position}`;
    super(
      "CRON_INVALID",
      `${dialect} cron ${describeValue(expression, 120)}${field === null ? "" : `, ${field}`}: expected ${expected}, found ${found}${place}. ${hint === undefined ? "" : `${hint} `}Example: ${describeValue(example)}`,
      details,
    );
  }
}

/** The input does not satisfy the job's schema, or the schema failed on it. */
export class InputError extends CatalogError<"INPUT_INVALID"> {
  constructor(message: string, details: DetailsOf<"INPUT_INVALID">, options?: CauseOption) {
    super("INPUT_INVALID", message, details, options);
  }
}

/** The key was used before with another input; both fingerprints are in `details`. */
export class KeyInputMismatchError extends CatalogError<"KEY_INPUT_MISMATCH"> {
  constructor(details: DetailsOf<"KEY_INPUT_MISMATCH">) {
    const { job, key, recorded, given } = details;
    super(
      "KEY_INPUT_MISMATCH",
      `${job}: expected the input that key ${describeValue(key)} was first used with (fingerprint ${recorded}), found another (${given}). Use a new key for a new intent`,
      details,
    );
  }
}

/** An execution of this key exists, and the caller asked to be refused then. */
export class KeyExistsError extends CatalogError<"KEY_EXISTS"> {
  constructor(details: DetailsOf<"KEY_EXISTS">) {
    super(
      "KEY_EXISTS",
      `${details.job}: key ${describeValue(details.key)} already has execution ${details.executionId}`,
      details,
    );
  }
}

/** There is no execution of this id: it never existed, or retention removed it. */
export class ExecutionUnknownError extends CatalogError<"EXECUTION_UNKNOWN"> {
  constructor(id: string) {
    super(
      "EXECUTION_UNKNOWN",
      `There is no execution ${describeValue(id)}: it never existed, or retention removed it`,
      { id },
    );
  }
}

/** The command is not allowed in the execution's present state: too late to cancel, not parked, and so on. */
export class ExecutionStateError extends CatalogError<"EXECUTION_STATE"> {
  constructor(message: string, details: DetailsOf<"EXECUTION_STATE">) {
    super("EXECUTION_STATE", message, details);
  }
}

/** `result()` of an execution that ended otherwise than completed. `cause` is the stored failure, if there is one. */
export class ExecutionNotSuccessfulError extends CatalogError<"EXECUTION_NOT_SUCCESSFUL"> {
  constructor(executionId: string, state: string, error: StoredError | null) {
    const why = error === null ? "" : `: ${error.code}: ${error.message}`;
    super(
      "EXECUTION_NOT_SUCCESSFUL",
      `Execution ${executionId} ended as ${state}${why}`,
      { executionId, state, error },
      error === null ? {} : { cause: fromStoredError(error) },
    );
  }
}

/** An attempt did not end in time. It may still be running; its late result is void. */
export class StepTimedOutError extends CatalogError<"STEP_TIMED_OUT"> {
  constructor(step: string, timeoutMs: number) {
    super("STEP_TIMED_OUT", `${step} did not end within ${timeoutMs} ms; it may still take effect`, {
      step,
      timeoutMs,
    });
  }
}

/** The lease expired or passed to another worker. This attempt's result is void; do not repeat the write. */
export class LeaseLostError extends CatalogError<"LEASE_LOST"> {
  constructor(executionId: string, token: number) {
    super("LEASE_LOST", `Execution ${executionId} is no longer held with token ${token}`, { executionId, token });
  }
}

/** Stored bytes do not decode. */
export class ValueCorruptError extends CatalogError<"VALUE_CORRUPT"> {
  constructor(message: string, details: Fields, options?: CauseOption) {
    super("VALUE_CORRUPT", message, details, options);
  }
}

/** The database could not be reached. Nothing happened. */
export class StoreUnavailableError extends CatalogError<"STORE_UNAVAILABLE"> {
  constructor(message: string, details: Fields, options?: CauseOption) {
    super("STORE_UNAVAILABLE", message, details, options);
  }
}

/** Rolled back for a concurrent transaction. Nothing happened; repeat the whole. */
export class StoreConflictError extends CatalogError<"STORE_CONFLICT"> {
  constructor(message: string, details: Fields, options?: CauseOption) {
    super("STORE_CONFLICT", message, details, options);
  }
}

/** The answer to a write was lost. Repeat the same call with the same key; never assume either way. */
export class StoreOutcomeUnknownError extends CatalogError<"STORE_OUTCOME_UNKNOWN"> {
  constructor(message: string, details: Fields, options?: CauseOption) {
    super("STORE_OUTCOME_UNKNOWN", message, details, options);
  }
}

/** The database refuses the value itself. Nothing happened, and repeating cannot help. */
export class StorePoisonError extends CatalogError<"STORE_POISON"> {
  constructor(message: string, details: Fields, options?: CauseOption) {
    super("STORE_POISON", message, details, options);
  }
}

/** An impossible state: a bug in makegood, or tables changed by hand. Nobody catches it to carry on. */
export class InvariantError extends CatalogError<"INVARIANT"> {
  constructor(message: string, details: Fields = {}, options?: CauseOption) {
    super("INVARIANT", message, details, options);
  }
}

export interface ThrownOptions extends CauseOption {
  /** For programs that read the failure: `[A-Z0-9_]`, 1 to 64 characters. Anything else becomes the default code. */
  readonly code?: string;
  /** Plain data, stored with the failure. */
  readonly details?: unknown;
}

/** Thrown by a step: it will not be tried again. Its effect may have happened, so the step is compensated. */
export class NonRetryableError extends CodedError {
  constructor(message: string, options: ThrownOptions = {}) {
    super(
      codeOr("NON_RETRYABLE", options.code),
      message,
      options.details,
      errorCatalog.NON_RETRYABLE,
      causeOf(options),
    );
  }

  override get [mark](): Mark {
    return "non-retryable";
  }
}

/**
 * Thrown by a step: the other side answered and certainly did nothing. Not tried again, and not compensated, provided that
 * no earlier attempt may have taken effect.
 */
export class RefusedError extends NonRetryableError {
  override readonly effect: ErrorEffect = "none";

  constructor(message: string, options: ThrownOptions = {}) {
    super(message, { ...options, code: codeOr("REFUSED", options.code) });
  }

  override get [mark](): Mark {
    return "refused";
  }
}

/** A recorded failure, read back. User code sees this one class before a crash and after it; whatever was thrown, `code` tells. */
export class StoredFailure extends CodedError {
  constructor(stored: StoredError) {
    super(stored.code, stored.message, stored.details, stored);
  }
}

/** True for errors of this package, also of another copy of it. */
export const isCodedError = (thrown: unknown): thrown is CodedError => markOf(thrown) !== undefined;
/** True if user code says by NonRetryableError (and not by RefusedError) that the failure is final. */
export const isFinalFailure = (thrown: unknown): boolean => markOf(thrown) === "non-retryable";
/** True if the body of a step says by RefusedError that nothing happened. */
export const isRefusal = (thrown: unknown): boolean => markOf(thrown) === "refused";

/** For the `default` of a `switch` over a union. */
export function assertNever(value: never): never {
  throw new InvariantError(`Expected every case to be handled, found ${describeValue(value)}`);
}

/** A failure as it is stored and shown. The codec can encode every value that `toStoredError` returns. */
export interface StoredError {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly retryable: boolean;
  readonly effect: ErrorEffect;
}

const codePattern = /^[A-Z0-9_]{1,64}$/;
// Without the `u` flag it meets every surrogate, paired or not: cheaper than `brokenText`, which it guards.
const suspectText = /[\0\ud800-\udfff]/;
const brokenText = /[\0\p{Cs}]/gu;

export function fromStoredError(stored: StoredError): StoredFailure {
  return new StoredFailure(stored);
}

/** A short, safe rendering of any value for messages. Objects show their kind, never their content. */
export function describeValue(value: unknown, maxChars = 60): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > maxChars ? `${value.slice(0, maxChars)}…` : value);
  if (typeof value === "bigint") return "a bigint";
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    return tag === "Object" ? "an object" : `an object (${tag.slice(0, maxChars)})`;
  } catch {
    return "an object that cannot be read";
  }
}

/** False for text with U+0000, which PostgreSQL cannot hold, or with half of a surrogate pair, which UTF-8 cannot. */
export function isCleanText(text: string): boolean {
  return !suspectText.test(text) || text.search(brokenText) < 0;
}

/** The text with U+FFFD for what `isCleanText` refuses. */
export function cleanText(text: string): string {
  return suspectText.test(text) ? text.replace(brokenText, "\ufffd") : text;
}

function markOf(thrown: unknown): Mark | undefined {
  const found = propertyOf(thrown, mark);
  return found === "coded" || found === "non-retryable" || found === "refused" ? found : undefined;
}

/** The code where it is one. */
export function codeOr(fallback: string, code: unknown): string {
  return typeof code === "string" && codePattern.test(code) ? code : fallback;
}

function causeOf(options: ThrownOptions): CauseOption {
  return "cause" in options ? { cause: options.cause } : {};
}

const passing: readonly string[] = [
  "STORE_CONFLICT",
  "STORE_UNAVAILABLE",
  "STORE_OUTCOME_UNKNOWN",
] satisfies ErrorCode[];
/** Of the store: it passes by itself, and asking again is right. */
export const isPassing = (error: unknown): boolean => isCodedError(error) && passing.includes(error.code);
