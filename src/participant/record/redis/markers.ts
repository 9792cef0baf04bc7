import { hash } from "node:crypto";
import { createValueFormat, type ValueCodec } from "../../../core/envelope.ts";
import { describeValue, InvariantError, OptionError, StoreUnavailableError } from "../../../core/errors.ts";
import { type Limits, resolveLimits } from "../../../core/limits.ts";
import { checkOptions } from "../../../core/options.ts";
import type { Clock, Log, Random } from "../../../core/ports.ts";
import { createSystemRandom, defaultLog, systemClock } from "../../../system.ts";
import type { Claimed, LeasedRecords } from "../leased.ts";
import { createMarkers, type Markers } from "../markers.ts";
import { type RecordKey, recordStatus } from "../record.ts";
import { claimScript, endScript, releaseScript, renewScript, settleScript } from "./scripts.ts";

/**
 * The part of a Redis client that is used: `eval` as ioredis has it. For node-redis:
 * `{ eval: (script, count, ...rest) => client.eval(script, { keys: rest.slice(0, count), arguments: rest.slice(count) }) }`.
 */
export interface RedisMarkerClient {
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

export interface RedisMarkersOptions {
  /** Before the name of every key. Default `makegood:record:`. */
  readonly prefix?: string;
  /** As for `participant()`. */
  readonly values?: { readonly codec?: ValueCodec; readonly others?: readonly ValueCodec[] };
  /** `maxResultBytes` and `maxDepth` count here. */
  readonly limits?: Partial<Limits>;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
  /** For tests. Default: the system's. */
  readonly random?: Random;
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
}

const optionKeys: readonly (keyof RedisMarkersOptions)[] = ["prefix", "values", "limits", "clock", "random", "log"];

/**
 * Execution records in Redis, for `idempotent` and the HTTP middleware: one hash for each (scope, key), kept for its retention.
 *
 * Best effort, and nothing more: Redis acknowledges a write before its replicas have it, so a fail-over can lose a record; an
 * eviction policy can remove one; and its clock may be set. Then the effect happens again. Use a participant where that must
 * not be. Set `maxmemory-policy noeviction` and `appendonly yes`.
 *
 * Opens nothing; the client stays the caller's.
 *
 * @throws OPTION_INVALID
 */
export function redisMarkers(client: RedisMarkerClient, options: RedisMarkersOptions = {}): Markers {
  if (typeof client?.eval !== "function")
    throw new OptionError("client", `redisMarkers: expected a Redis client with eval, found ${describeValue(client)}`);
  checkOptions(options, optionKeys, "redisMarkers");
  const { prefix = "makegood:record:", values, clock, random, log } = options;
  if (typeof prefix !== "string")
    throw new OptionError(
      "redisMarkers.prefix",
      `redisMarkers.prefix: expected a text, found ${describeValue(prefix)}`,
    );
  const { maxDepth, maxResultBytes } = resolveLimits(options.limits);
  const tools = {
    clock: clock ?? systemClock,
    random: random ?? createSystemRandom(),
    log: log ?? defaultLog,
    values: createValueFormat({ ...values, maxDepth, maxBytes: maxResultBytes }),
  };
  return createMarkers("redis", recordsOn(client, prefix, tools));
}

function recordsOn(client: RedisMarkerClient, prefix: string, tools: LeasedRecords["tools"]): LeasedRecords {
  const run = async (script: string, at: RecordKey, ...parameters: readonly (string | number)[]): Promise<unknown> => {
    try {
      return await client.eval(script, 1, nameOf(prefix, at), ...parameters.map(String));
    } catch (cause) {
      throw new StoreUnavailableError(`${at.scope}: Redis could not be used`, { scope: at.scope }, { cause });
    }
  };
  return {
    tools,
    defaultRestMs: null,
    async claim(request) {
      const { owner, leaseMs, fingerprint, maxAttempts, retainMs } = request;
      return parseClaimed(await run(claimScript, request, owner, leaseMs, fingerprint ?? "", maxAttempts, retainMs));
    },
    renew: async (held, leaseMs) => (await run(renewScript, held, held.fence, held.owner, leaseMs)) === "1",
    async end(held, ending) {
      const { status } = ending;
      const result = status === recordStatus.succeeded ? textOf(ending.result) : "";
      const error = status === recordStatus.succeeded ? "" : textOf(ending.error);
      const restMs = status === recordStatus.open ? (ending.restMs ?? "") : "";
      return (await run(endScript, held, held.fence, held.owner, status, result, error, restMs)) === "1";
    },
    release: async (held) => (await run(releaseScript, held, held.fence, held.owner)) === "1",
    async settle(at, settling, by, retainMs) {
      const { status } = settling;
      const result = status === recordStatus.succeeded ? textOf(settling.result) : "";
      const error = status === recordStatus.failed ? textOf(settling.error) : "";
      return (await run(settleScript, at, status, result, error, by, retainMs)) === "1";
    },
  };
}

/** Hashed, so that it is short, whatever the key is, and no two pairs of scope and key share it. */
const nameOf = (prefix: string, { scope, key }: RecordKey): string =>
  `${prefix}${hash("sha256", JSON.stringify([scope, key]), "base64url")}`;

const none = "null";
const textOf = (bytes: Uint8Array | null): string => (bytes === null ? none : Buffer.from(bytes).toString("base64"));
const bytesOf = (text: string | undefined): Uint8Array | null =>
  text === undefined || text === none ? null : new Uint8Array(Buffer.from(text, "base64"));

function parseClaimed(answer: unknown): Claimed {
  if (!Array.isArray(answer)) throw strange(answer);
  const [kind, first, second] = answer.map(String);
  switch (kind) {
    case "claimed":
      return { kind, fence: Number(first), attempt: Number(second) };
    case "succeeded":
      return { kind, result: bytesOf(first) };
    case "failed":
      return { kind, error: bytesOf(first) ?? new Uint8Array() };
    case "busy":
      return { kind, heldForMs: Number(first) };
    case "mismatch":
      return { kind, recorded: first ?? "" };
    case "exhausted":
    case "manual":
      return { kind, error: bytesOf(first) };
    default:
      throw strange(answer);
  }
}

function strange(answer: unknown): InvariantError {
  return new InvariantError(`Expected Redis to answer a claim with its kind, found ${describeValue(answer)}`);
}
