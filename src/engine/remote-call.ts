// A handler of an executor that a schedule calls, or a script for one, as people give it.
import { type Retries, retriedStates } from "../core/dispatch.ts";
import { type Duration, toMs } from "../core/duration.ts";
import { describeValue, isCleanText, OptionError } from "../core/errors.ts";
import type { Sha256 } from "../core/keys.ts";
import { checkInteger, checkNumber, checkOptions } from "../core/options.ts";
import { parseBlockingStrategy, parseRoutingStrategy } from "../core/routing/strategies.ts";
import { type CallScript, checkScript, stampScript } from "../core/schedule/call-script.ts";
import type { RemoteCall } from "../core/schedule/definition.ts";

export interface CallOptions {
  /** Of executors, by the name under which they register; it need not be known yet. 1 to 64 letters, digits, `-`, `_`, `.`. */
  readonly group: string;
  /** As the executors know it. 1 to 255 characters. Required where there is no script. */
  readonly handler?: string;
  /** Run in place of a handler, where center and executor both allow it. Default, or null: none. */
  readonly script?: CallScript | null;
  /** Handed to it as it is. At most 64 KiB. Default empty. */
  readonly param?: string;
  /** Which executor of the group; our name or XXL-JOB's. Default `round`. */
  readonly route?: string;
  /** What if the last call of this schedule, or of one with the same `jobId`, still runs; our name or XXL-JOB's. Default, or null: they run side by side. */
  readonly block?: string | null;
  /** Of one attempt on an executor. Default, or null: none. */
  readonly timeout?: Duration | null;
  /**
   * Attempts after the first: so many in all, or so many after each kind of end, `{ failed: 2, lost: 5 }`. A run that a person
   * killed is tried again only where `killed` says so. 0 … 100, default 0.
   */
  readonly retries?: Retries;
  /** Before the first retry; 0 … 1 h. Default: none. */
  readonly retryPause?: Duration;
  /** Each pause is so many times the one before, up to an hour. 1 … 10, default 1. */
  readonly retryFactor?: number;
  /**
   * The executors' word for the job, 1 … 2^31 − 1: at each of them one run of a number at a time. Default: made of the
   * schedule's id. For jobs that had one elsewhere.
   */
  readonly jobId?: number;
  /** Only these executors of the group, 1 to 100, each as it registered. Default: all. */
  readonly addresses?: readonly string[];
}

const keys: readonly (keyof CallOptions)[] = [
  "group",
  "handler",
  "script",
  "param",
  "route",
  "block",
  "timeout",
  "retries",
  "retryPause",
  "retryFactor",
  "jobId",
  "addresses",
];
const groupPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const maxHandlerChars = 255;
const maxParamBytes = 64 * 1_024;
const maxRetries = 100;
const maxPauseMs = 3_600_000;
const maxFactor = 10;
const maxJobId = 2 ** 31 - 1;
const maxAddresses = 100;
const maxAddressChars = 500;

/**
 * Throws OPTION_INVALID.
 * @param before what stood there: a script that stays keeps its time
 */
export function resolveCall(options: CallOptions, before: RemoteCall | null, now: number): RemoteCall {
  checkOptions(options, keys, "call");
  const {
    group,
    handler = "",
    script = null,
    param = "",
    route = "round",
    block = null,
    timeout = null,
    retries = 0,
    retryPause,
    retryFactor = 1,
    jobId,
    addresses,
  } = options;
  if (typeof group !== "string" || !groupPattern.test(group))
    throw new OptionError(
      "group",
      `group: expected 1 to 64 letters, digits, -, _ and . (not first: - and .), found ${describeValue(group)}`,
    );
  if (script === null) checkHandler(handler);
  else if (handler !== "")
    throw new OptionError("handler", `handler: expected none beside a script, found ${describeValue(handler)}`);
  if (typeof param !== "string" || !isCleanText(param) || new TextEncoder().encode(param).length > maxParamBytes)
    throw new OptionError(
      "param",
      `param: expected a text of at most ${maxParamBytes} bytes in UTF-8, without U+0000, found ${describeValue(param)}`,
    );
  return {
    ...{ group, handler, param },
    ...(script === null ? {} : { script: stampScript(checkScript(script), before?.script, now) }),
    route: parseRoutingStrategy(route, "route"),
    block: block === null ? null : parseBlockingStrategy(block, "block"),
    timeoutMs: timeout === null ? null : toMs(timeout, "timeout", { min: 1 }),
    retries: resolveRetries(retries),
    ...(retryPause === undefined ? {} : { retryPause: resolvePause(retryPause, retryFactor) }),
    ...(jobId === undefined ? {} : { jobId: checkInteger(jobId, "jobId", 1, maxJobId) }),
    ...(addresses === undefined ? {} : { addresses: checkAddresses(addresses) }),
  };
}

function resolveRetries(retries: Retries): Retries {
  if (typeof retries !== "object" || retries === null) return checkInteger(retries, "retries", 0, maxRetries);
  checkOptions(retries, [...retriedStates, "killed"], "retries");
  for (const [state, count] of Object.entries(retries)) checkInteger(count, `retries.${state}`, 0, maxRetries);
  return { ...retries };
}

function checkHandler(handler: string): void {
  if (typeof handler !== "string" || handler.trim() === "" || handler.length > maxHandlerChars || !isCleanText(handler))
    throw new OptionError(
      "handler",
      `handler: expected the name of a handler, 1 to ${maxHandlerChars} characters, found ${describeValue(handler)}`,
    );
}

function resolvePause(pause: Duration, factor: number): { readonly ms: number; readonly factor: number } {
  return {
    ms: toMs(pause, "retryPause", { max: maxPauseMs }),
    factor: checkNumber(factor, "retryFactor", 1, maxFactor),
  };
}

/** Of a resolved call, what made it. */
export const callOptionsOf = ({ timeoutMs, retryPause, script, ...call }: RemoteCall): CallOptions => ({
  ...call,
  ...(script === undefined ? {} : { script: { type: script.type, source: script.source } }),
  ...(retryPause === undefined ? {} : { retryPause: retryPause.ms, retryFactor: retryPause.factor }),
  timeout: timeoutMs,
});

/** For the audit: a script that is set or changed is named by what it says. */
export function noteWithScript(
  note: string | null,
  before: RemoteCall | null,
  after: RemoteCall | null,
  sha256: Sha256,
): string | null {
  const script = after?.script;
  if (script === undefined || script.updatedAt === before?.script?.updatedAt) return note;
  const digest = Array.from(sha256(script.source), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${note === null ? "" : `${note}; `}${script.type} with SHA-256 ${digest}`;
}

/** What is not given stays. A handler takes the place of a script, and a script that of a handler. */
export function changedCall(before: RemoteCall, change: Partial<CallOptions>): CallOptions {
  const isHandler = change.handler !== undefined && change.handler !== "" && change.script === undefined;
  const isScript = change.script !== undefined && change.script !== null && change.handler === undefined;
  const replaced = isHandler ? { script: null } : isScript ? { handler: "" } : {};
  return { ...callOptionsOf(before), ...change, ...replaced };
}

function checkAddresses(addresses: readonly string[]): readonly string[] {
  const isAddress = (it: unknown) =>
    typeof it === "string" && it !== "" && it.length <= maxAddressChars && isCleanText(it);
  const isList = Array.isArray(addresses) && addresses.length >= 1 && addresses.length <= maxAddresses;
  if (isList && addresses.every(isAddress)) return addresses;
  const found = isList ? addresses.find((it) => !isAddress(it)) : addresses;
  throw new OptionError(
    "addresses",
    `addresses: expected 1 to ${maxAddresses} addresses such as "http://10.0.0.5:9999/", found ${describeValue(found)}`,
  );
}
