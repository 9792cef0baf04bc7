// What the outbox needs of a database. The dialects' files hold the statements; here is what they share.
import { InvariantError, type StoredError } from "../../core/errors.ts";
import {
  type ClaimedMessage,
  type ClaimRequest,
  type MessageRef,
  messageStatuses,
  type NewMessage,
  type Report,
  type StartedExecution,
  type StuckMessage,
  type Subscription,
  statusNumber,
  type Unserved,
  type WatchedMessage,
  type WatchRequest,
} from "../../core/outbox.ts";
import type { Row, Script } from "../../core/script.ts";
import { parseStoredError } from "../../core/stored-error.ts";

export interface OutboxSql {
  /** False: the id is taken on this topic. */
  insert(message: NewMessage): Script<boolean>;
  /** The fingerprint kept under an id; undefined where there is no such row. */
  fingerprintOf(message: MessageRef): Script<string | null | undefined>;
  cancel(cancelKey: string): Script<number>;
  /** `memoryMs`: for how long a subscriber counts that no process has shown. */
  claim(request: ClaimRequest, memoryMs: number): Script<readonly ClaimedMessage[]>;
  watch(request: WatchRequest): Script<readonly WatchedMessage[]>;
  /** Writes rows as they are to be, each if it is still held so. */
  report(rows: readonly ReportRow[]): Script<void>;
  /** Deletes rows, each if it is still held so. */
  remove(rows: readonly ReportRow[]): Script<void>;
  subscribe(subscriptions: readonly Subscription[]): Script<void>;
  unsubscribe(subscription: Subscription): Script<boolean>;
  subscriptions(topics: readonly string[], memoryMs: number): Script<readonly Subscription[]>;
  /** Deletes at most `limit` ended rows; returns how many. */
  prune(keepMs: number, limit: number): Script<number>;
  unserved(olderThanMs: number): Script<readonly Unserved[]>;
  stuck(limit: number): Script<readonly StuckMessage[]>;
  /** A stuck one, its row locked. */
  lockStuck(message: MessageRef): Script<StuckMessage | null>;
  /** Ends a stuck message, or has it looked at now: a dead one waits again. */
  decide(message: MessageRef, verb: "skip" | "retry", audit: string): Script<void>;
}

/** A report as a row: what the columns are to hold. Short names, since it travels as JSON. */
export interface ReportRow {
  readonly seq: string;
  readonly fence: number;
  /** Which statuses it may have now. */
  readonly held: "claimed" | "watched";
  readonly status: number;
  readonly delayMs: number;
  readonly executions: string | null;
  readonly remaining: string | null;
  readonly error: string | null;
  readonly fails: number;
}

/** Executions of an ordered message are looked at this often by others than who started them. */
export const watchEveryMs = 5_000;

export function toReportRow({ seq, fence, of, verdict }: Report): ReportRow {
  const row = {
    seq,
    fence,
    held: of,
    delayMs: 0,
    executions: null,
    remaining: null,
    error: null,
    fails: 0,
  };
  switch (verdict.kind) {
    case "done":
      return { ...row, status: statusNumber("done") };
    case "started":
    case "blocked":
      return {
        ...row,
        status: statusNumber(verdict.kind),
        delayMs: watchEveryMs,
        executions: JSON.stringify(verdict.executions),
        error: verdict.kind === "blocked" ? JSON.stringify(verdict.error) : null,
      };
    case "partly":
      return {
        ...row,
        status: statusNumber("waiting"),
        executions: verdict.executions.length === 0 ? null : JSON.stringify(verdict.executions),
        remaining: JSON.stringify(verdict.remaining),
      };
    case "dead":
      return { ...row, status: statusNumber("dead"), error: JSON.stringify(verdict.error) };
    case "retry":
      return {
        ...row,
        status: statusNumber("waiting"),
        delayMs: verdict.delayMs,
        error: JSON.stringify(verdict.error),
        fails: verdict.fails,
      };
    case "released":
      return { ...row, status: statusNumber("waiting"), delayMs: releasedMs };
  }
}

/** Before a message that was given back is claimed again. */
const releasedMs = 250;

// ── Reading rows ───────────────────────────────────────────────────────────────────────────────────────────────────

export function parseClaimed(row: Row): ClaimedMessage {
  return {
    ...parseRef(row),
    seq: String(row["seq"]),
    fence: Number(row["fence"]),
    orderingKey: textOrNull(row["ordering_key"]),
    headers: parseJson(row["headers"]) ?? {},
    payload: parseBytes(row["payload"]),
    publishedAt: Number(row["published_at"]),
    starts: Number(row["starts"]),
    fails: Number(row["fails"]),
    remaining: parseJson(row["remaining"]),
    executions: parseJson<readonly StartedExecution[]>(row["executions"]) ?? [],
    isKept: row["fingerprint"] !== null,
  };
}

export function parseWatched(row: Row): WatchedMessage {
  return {
    ...parseRef(row),
    seq: String(row["seq"]),
    fence: Number(row["fence"]),
    orderingKey: textOrNull(row["ordering_key"]),
    executions: parseJson<readonly StartedExecution[]>(row["executions"]) ?? [],
    isBlocked: statusOf(row) === "blocked",
    isKept: row["fingerprint"] !== null,
  };
}

export function parseStuck(row: Row): StuckMessage {
  return {
    ...parseRef(row),
    status: stuckStatus(row),
    orderingKey: textOrNull(row["ordering_key"]),
    error: parseError(row["error"]),
    publishedAt: Number(row["published_at"]),
    executions: parseJson<readonly StartedExecution[]>(row["executions"]) ?? [],
  };
}

function stuckStatus(row: Row): StuckMessage["status"] {
  const status = statusOf(row);
  if (status === "blocked" || status === "dead") return status;
  throw new InvariantError("Expected a message that is blocked or dead", { status });
}

export function parseUnserved(row: Row): Unserved {
  return { topic: textOf(row["topic"]), remaining: parseJson(row["remaining"]), count: Number(row["count"]) };
}

export const parseSubscription = (row: Row): Subscription => ({
  topic: textOf(row["topic"]),
  subscriber: textOf(row["subscriber"]),
});

const parseRef = (row: Row): MessageRef => ({ topic: textOf(row["topic"]), id: textOf(row["id"]) });
const statusOf = (row: Row) => messageStatuses[Number(row["status"])];
const textOrNull = (value: unknown): string | null => (value === null ? null : textOf(value));

const decoder = new TextDecoder();
/** A binary column of MySQL comes as bytes. */
const textOf = (value: unknown): string => (value instanceof Uint8Array ? decoder.decode(value) : String(value));

function parseJson<T>(value: unknown): T | null {
  return value === null ? null : (JSON.parse(textOf(value)) as T);
}

function parseError(value: unknown): StoredError | null {
  return value === null ? null : parseStoredError(parseJson(value));
}

function parseBytes(value: unknown): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  throw new InvariantError("Expected a message's payload as Uint8Array; is a type parser set for it?", {});
}
