// The middleware without a framework: `begin` says whether the handler runs, and `finish` records its response before it is
// sent. The other way round a client could hold an answer that a crash then forgets, and its repeat would take effect again.
//
//   2xx, 3xx, 4xx            stored, and replayed with `Idempotent-Replayed: true`
//   "come again" answers     401, 403, 408, 409, 423, 425, 429, and with `clientErrors: "release"` all 4xx: released
//   5xx, no answer in time   unknown: the next request with this key runs the handler again, up to `maxAttempts`

import { canonicalText } from "../core/codec.ts";
import { type Duration, toMs } from "../core/duration.ts";
import { CodedError, describeValue, isCodedError, OptionError, RefusedError } from "../core/errors.ts";
import { checkInteger, checkOptions } from "../core/options.ts";
import type { Awaitable, Participant } from "../core/participant.ts";
import type { Clock, Log } from "../core/ports.ts";
import {
  type Idempotent,
  type IdempotentOptions,
  type IdempotentOutcome,
  type IdempotentRun,
  idempotent,
} from "../participant/record/idempotent.ts";
import { type Markers, recordsOf } from "../participant/record/markers.ts";
import { sha256 } from "../system.ts";
import { parseKey } from "./header.ts";
import {
  type CapturedResponse,
  keepHeaders,
  type PlainResponse,
  parseStoredResponse,
  problem,
  type StoredResponse,
} from "./response.ts";

export interface IdempotencyKeyOptions<Request> {
  /** Where the records are: a participant, or `redisMarkers(client)`. */
  // biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
  readonly on: Participant<any, any> | Markers;
  /** Who sends the request: the authenticated tenant or user, since two of them may choose the same key. 1 to 200 bytes. */
  readonly scope: (request: Request) => Awaitable<string>;
  /** Before the scope in the record's. Default `http`. */
  readonly name?: string;
  /** Default POST and PATCH. Others pass. */
  readonly methods?: readonly string[];
  /** Whether a request of these methods without a key is refused with 400. Default true; else it passes. */
  readonly required?: boolean;
  /** What must be the same under the same key. Default: method, path with query, and body. */
  readonly fingerprint?: (request: Request) => unknown;
  /** A 4xx answer of the handler: `store` (default) replays it, `release` lets the next request run. */
  readonly clientErrors?: "store" | "release";
  /** Names of response headers that are stored, besides content-type, location and their like. */
  readonly headers?: readonly string[];
  /** Of a stored body. Default 64 KiB, 0 … 4 MiB. A larger response is sent, and its repeat is answered with 409. */
  readonly maxBodyBytes?: number;
  /** How long a handler may take before its outcome counts as unknown. Default 2 min. */
  readonly timeout?: Duration;
  /** As for `idempotent`, as are the next four. */
  readonly lease?: Duration;
  readonly maxAttempts?: number;
  readonly retryAfter?: Duration;
  readonly ifBusy?: "refuse" | { readonly wait: Duration };
  /** How long a key is remembered, at least. Default 24 h: publish it to your clients. */
  readonly retention?: Duration;
}

/** What an adapter tells of a request. */
export interface KeyedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly key: string | undefined;
  readonly scope: () => Awaitable<string>;
  /** Bytes, a text, or what a parser made of them; "unread" if there is a body and nobody has read it. */
  readonly body: () => Awaitable<unknown>;
  /** In place of method, path and body. */
  readonly fingerprint: (() => unknown) | undefined;
}

export type Begun =
  | { readonly kind: "pass" }
  | { readonly kind: "answer"; readonly response: PlainResponse }
  | {
      readonly kind: "run";
      readonly run: IdempotentRun;
      /** Records the response. Null: send it; else send this in its place. */
      readonly finish: (captured: CapturedResponse) => Promise<PlainResponse | null>;
    };

export interface Exchange {
  readonly maxBodyBytes: number;
  /** Rejects with what `scope` and `fingerprint` throw, and with errors of the store that repeating cannot help. */
  begin(request: KeyedRequest): Promise<Begun>;
}

export const unreadBody = Symbol("a body that nobody has read");

/** Throws OPTION_INVALID. */
export function createExchange<R>(options: IdempotencyKeyOptions<R>): Exchange {
  const settings = resolve(options);
  return {
    maxBodyBytes: settings.maxBodyBytes,
    async begin(request) {
      if (!settings.methods.has(request.method.toUpperCase())) return { kind: "pass" };
      if (request.key === undefined)
        return settings.isRequired ? { kind: "answer", response: missingKey() } : { kind: "pass" };
      const parsed = parseKey(request.key);
      if ("fault" in parsed) return { kind: "answer", response: malformedKey(parsed.fault) };
      const scope = scopeOf(settings, await request.scope());
      const fingerprint = await fingerprintOf(request);
      if (fingerprint === unreadBody) return { kind: "answer", response: bodyUnread() };
      return start(settings, { scope, key: parsed.key, fingerprint });
    },
  };
}

interface Call {
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: unknown;
  readonly handle: (run: IdempotentRun) => Promise<StoredResponse>;
}

/** Settles when it is known whether the handler runs; what becomes of the record then is told by `finish`. */
function start(settings: Settings, request: Omit<Call, "handle">): Promise<Begun> {
  return new Promise((resolve, reject) => {
    const handle = (run: IdempotentRun): Promise<StoredResponse> =>
      new Promise((store, fail) => {
        const cancel = settings.clock.after(settings.timeoutMs, () => fail(new NoResponseError(settings.timeoutMs)));
        const finish = async (captured: CapturedResponse): Promise<PlainResponse | null> => {
          cancel();
          try {
            store(storable(settings, captured));
          } catch (error) {
            fail(error);
          }
          return ended.then(nothing, (error: unknown) => afterHandler(settings, error));
        };
        resolve({ kind: "run", run, finish });
      });
    const ended = settings.call.outcome({ ...request, handle });
    ended.then(
      (outcome) => {
        if (outcome.kind !== "executed") resolve({ kind: "answer", response: answerOf(outcome) });
      },
      // Too late for `begin`, if the handler has run: `finish` tells.
      (error: unknown) =>
        isTemporary(error) ? resolve({ kind: "answer", response: unavailable(error) }) : reject(error),
    );
  });
}

const nothing = (): null => null;

// ── What becomes of the handler's response ─────────────────────────────────────────────────────────────────────────

/** Nothing of these is a judgment on the request itself: the same one may succeed later. */
const passingStatuses = new Set([401, 403, 408, 409, 423, 425, 429]);

/** What is stored; throws what tells the record that nothing happened, or that nobody knows. */
function storable(
  { areClientErrorsReleased, keptHeaders, maxBodyBytes }: Settings,
  captured: CapturedResponse,
): StoredResponse {
  const { status, body } = captured;
  if (status >= 500) throw new ServerFailure(status);
  if (status >= 400 && (areClientErrorsReleased || passingStatuses.has(status)))
    throw new RefusedError(`the handler answered ${status}`);
  const isTooLarge = body instanceof Uint8Array && body.length > maxBodyBytes;
  return { status, headers: keepHeaders(captured.headers, keptHeaders), body: isTooLarge ? "unstored" : body };
}

/** Of unknown outcome, for the record. Never seen by users: the handler's own response is sent. */
class ServerFailure extends CodedError<{ readonly status: number }> {
  constructor(status: number) {
    super("ERROR", `the handler answered ${status}`, { status }, { retryable: true, effect: "unknown" });
  }
}

class NoResponseError extends CodedError<{ readonly timeoutMs: number }> {
  constructor(timeoutMs: number) {
    super(
      "ERROR",
      `the handler did not answer within ${timeoutMs} ms`,
      { timeoutMs },
      { retryable: true, effect: "unknown" },
    );
  }
}

/** The effect has happened, or not, as the handler says: a client that is told so will not come again. Except where another has taken over. */
function afterHandler({ log }: Settings, error: unknown): PlainResponse | null {
  if (!isCodedError(error)) return null;
  if (error.code === "RECORD_LEASE_LOST")
    return problem({
      status: 409,
      code: "RECORD_LEASE_LOST",
      detail: "The request took so long that another one with this key took over; send it again to learn its outcome.",
      retryAfterMs: 1_000,
    });
  if (error.code === "STORE_OUTCOME_UNKNOWN")
    log.error({ err: error }, "a response could not be recorded under its Idempotency-Key; it was sent all the same");
  return null;
}

// ── Answers in place of the handler's ──────────────────────────────────────────────────────────────────────────────

function answerOf(outcome: Exclude<IdempotentOutcome<StoredResponse>, { kind: "executed" }>): PlainResponse {
  switch (outcome.kind) {
    case "replayed":
      return replay(outcome.value);
    case "busy":
      return problem({
        status: 409,
        code: "KEY_IN_PROGRESS",
        detail: "A request with this Idempotency-Key is being processed.",
        retryAfterMs: outcome.retryAfterMs,
      });
    case "mismatch":
      return problem({
        status: 422,
        code: "KEY_INPUT_MISMATCH",
        detail: "This Idempotency-Key was used before with another request; use a new key for a new request.",
      });
    case "failed":
      return problem({ status: 409, code: outcome.error.code, detail: outcome.error.message });
    case "exhausted":
    case "manual":
      return problem({
        status: 409,
        code: "RECORD_MANUAL",
        detail: "The outcome of earlier requests with this Idempotency-Key is not known; a person looks into it.",
      });
  }
}

function replay(value: unknown): PlainResponse {
  const stored = parseStoredResponse(value);
  if (stored === undefined || stored.body === "unstored")
    return problem({
      status: 409,
      code: "RESPONSE_NOT_STORED",
      detail: "The request with this Idempotency-Key was processed before; its response was too large to be stored.",
      more: stored === undefined ? {} : { originalStatus: stored.status },
    });
  return { status: stored.status, headers: [...stored.headers, ["idempotent-replayed", "true"]], body: stored.body };
}

const missingKey = (): PlainResponse =>
  problem({ status: 400, code: "KEY_MISSING", detail: "This request needs a header Idempotency-Key." });
const malformedKey = (fault: string): PlainResponse =>
  problem({ status: 400, code: "KEY_INVALID", detail: `Idempotency-Key: ${fault}.` });
const bodyUnread = (): PlainResponse =>
  problem({
    status: 415,
    code: "BODY_UNREAD",
    detail: "No parser has read the body of this request, so it cannot be told apart from another.",
  });

const isTemporary = (error: unknown): error is CodedError =>
  isCodedError(error) && error.retryable && error.effect === "none";
const unavailable = (error: CodedError): PlainResponse =>
  problem({
    status: 503,
    code: error.code,
    detail: "The records of Idempotency-Keys cannot be read; the request was not processed.",
    retryAfterMs: 1_000,
  });

// ── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────────

function scopeOf({ name }: Settings, scope: unknown): string {
  if (typeof scope === "string" && scope !== "") return `${name}:${scope}`;
  throw new OptionError(
    "idempotencyKey.scope",
    `idempotencyKey.scope: expected a non-empty text that names who sent the request, found ${describeValue(scope)}`,
  );
}

const bodyBounds = { maxBytes: 64 * 1_024 * 1_024, maxDepth: 200 };

async function fingerprintOf({ method, path, body, fingerprint }: KeyedRequest): Promise<unknown> {
  if (fingerprint !== undefined) return fingerprint();
  const content = await body();
  return content === unreadBody ? unreadBody : { method: method.toUpperCase(), path, body: digestOf(content) };
}

/** Bytes as they came; of what a parser made of them, one text for all that mean the same. */
function digestOf(content: unknown): Uint8Array | null {
  if (content === undefined || content === null) return null;
  if (content instanceof Uint8Array) return sha256(Buffer.from(content).toString("latin1"));
  return sha256(typeof content === "string" ? content : canonicalText(content, "body", bodyBounds));
}

// ── Options ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Settings {
  readonly call: Idempotent<Call, StoredResponse>;
  readonly name: string;
  readonly methods: ReadonlySet<string>;
  readonly isRequired: boolean;
  readonly areClientErrorsReleased: boolean;
  readonly keptHeaders: ReadonlySet<string>;
  readonly maxBodyBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

const optionKeys: readonly (keyof IdempotencyKeyOptions<never>)[] = [
  ...([
    "on",
    "scope",
    "name",
    "methods",
    "required",
    "fingerprint",
    "clientErrors",
    "headers",
    "maxBodyBytes",
  ] as const),
  ...(["timeout", "lease", "maxAttempts", "retryAfter", "ifBusy", "retention"] as const),
];
const maxBodyBytes = 4 * 1_024 * 1_024;

function resolve<R>(options: IdempotencyKeyOptions<R>): Settings {
  checkOptions(options, optionKeys, "idempotencyKey");
  const { on, scope, clientErrors = "store", name = "http", methods = ["POST", "PATCH"] } = options;
  if (typeof scope !== "function")
    throw new OptionError(
      "idempotencyKey.scope",
      `idempotencyKey.scope: expected a function that names who sent a request, found ${describeValue(scope)}; without it one tenant could read another's answers`,
    );
  if (clientErrors !== "store" && clientErrors !== "release")
    throw new OptionError(
      "idempotencyKey.clientErrors",
      `idempotencyKey.clientErrors: expected "store" or "release", found ${describeValue(clientErrors)}`,
    );
  const { clock, log } = recordsOf(on, "idempotencyKey.on").tools;
  return {
    call: callOf(options),
    name,
    methods: new Set(methods.map((method) => method.toUpperCase())),
    isRequired: options.required ?? true,
    areClientErrorsReleased: clientErrors === "release",
    keptHeaders: new Set((options.headers ?? []).map((header) => header.toLowerCase())),
    maxBodyBytes: checkInteger(options.maxBodyBytes ?? 65_536, "idempotencyKey.maxBodyBytes", 0, maxBodyBytes),
    timeoutMs: toMs(options.timeout ?? "2m", "idempotencyKey.timeout", { min: 1 }),
    clock,
    log,
  };
}

function callOf<R>({ on, lease, maxAttempts, retryAfter, ifBusy, retention = "24h" }: IdempotencyKeyOptions<R>) {
  const options: IdempotentOptions<Call> = {
    on,
    scope: (call) => call.scope,
    key: (call) => call.key,
    fingerprint: (call) => call.fingerprint,
    retention,
    ...(lease === undefined ? {} : { lease }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(ifBusy === undefined ? {} : { ifBusy }),
  };
  return idempotent(options, (call, run) => call.handle(run)) as Idempotent<Call, StoredResponse>;
}
