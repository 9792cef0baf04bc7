// The row of one (scope, key), and what a database must be able to do with it. States and columns: migrations/0002-record.ts.
//
//   once         enter the key ── effect ── keep the result                  all in the caller's transaction
//   idempotent   claim ──> processing ──> succeeded | failed                 each a transaction of its own, guarded by the
//                  ^            │ └─────> manual (attempts used up) ─ settle  fence, which grows with each claim, and by the
//                  └── open <───┘  released, or failed with unknown outcome   owner, which is random in each
//                  └── lease over: the process died, or froze
import { describeValue, InvariantError } from "../../core/errors.ts";
import type { Row, Script } from "../../core/script.ts";

export const recordStatus = { processing: 1, succeeded: 2, failed: 3, manual: 4, open: 5 } as const;
export type RecordStatus = (typeof recordStatus)[keyof typeof recordStatus];

export interface RecordKey {
  readonly scope: string;
  readonly key: string;
}

export interface RecordRow {
  readonly status: RecordStatus;
  readonly attempts: number;
  readonly fence: number;
  readonly owner: string;
  /** Until others may claim it; not positive when they may. Null where nobody can. */
  readonly heldForMs: number | null;
  readonly fingerprint: string | null;
  readonly result: Uint8Array | null;
  readonly error: Uint8Array | null;
}

export interface Entry extends RecordKey {
  readonly fingerprint: string | null;
  readonly retainMs: number;
  /** Random; a database that can tell transactions apart puts the transaction's own number in its place. */
  readonly token: string;
}

/** `busy`: another transaction holds the key, and waiting was not asked for. */
export type Entered = { readonly owner: string } | "taken" | "busy";

export interface ClaimRequest extends RecordKey {
  readonly fingerprint: string | null;
  readonly owner: string;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly retainMs: number;
}

/** A record that this process holds. Every write names all of it. */
export interface Held extends RecordKey {
  readonly fence: number;
  readonly owner: string;
}

/** `open`: the outcome is unknown, and the record rests for `restMs` before it may be claimed again. */
export type Ending =
  | { readonly status: 2; readonly result: Uint8Array | null }
  | { readonly status: 3 | 4; readonly error: Uint8Array }
  | { readonly status: 5; readonly error: Uint8Array; readonly restMs: number };

/** What a person makes of a record whose outcome nobody knew; `open`: try again, with all attempts. */
export type Settling =
  | { readonly status: 2; readonly result: Uint8Array | null }
  | { readonly status: 3; readonly error: Uint8Array }
  | { readonly status: 5 };

export interface RecordSql {
  /**
   * Takes the key until the transaction's end: by a lock (PostgreSQL), or by the record itself, inserted as succeeded. Meets an
   * open transaction with this key: waits for its end, or says `busy`, without harm to the transaction. Insert first, never
   * select for update first: on InnoDB two newcomers would deadlock.
   */
  enter(entry: Entry, ifBusy: "wait" | "refuse"): Script<Entered>;
  /** Whether `enter` with "refuse" failed so because another transaction holds the key; where it can, it answers `busy`. */
  isBusy(error: unknown): boolean;
  /** What is committed now, or was written by this transaction: begun after the insert that met it, and never an older snapshot. */
  read(at: RecordKey): Script<RecordRow | undefined>;
  /** Stores the result; false if the transaction that entered the record is over, so that an effect which ended it is found out. */
  keep(entry: Entry, owner: string, result: Uint8Array | null): Script<boolean>;
  /** Whether `keep` failed because another transaction's record is there by now: one that took the key by other means. */
  isTaken(error: unknown): boolean;
  /** Deletes the record that this very transaction entered; another's never. */
  takeBack(at: RecordKey, owner: string): Script<void>;

  /** Inserts it as processing, or takes over one that is open or whose lease is over, with the next fence. Undefined: neither. */
  claim(request: ClaimRequest): Script<{ readonly fence: number; readonly attempt: number } | undefined>;
  /** Turns one that may be claimed but has no attempts left into `manual`; false if it is another by now. */
  exhaust(at: RecordKey, maxAttempts: number): Script<boolean>;
  renew(held: Held, leaseMs: number): Script<boolean>;
  end(held: Held, ending: Ending): Script<boolean>;
  /** Nothing happened: gives the attempt back. The last one takes the fingerprint with it. */
  release(held: Held): Script<boolean>;
  settle(at: RecordKey, settling: Settling, by: string, retainMs: number): Script<boolean>;
  /** Deletes at most `limit` records whose time is over, oldest first, by their keys; none that is being processed or waits for a person. */
  prune(limit: number): Script<number>;
}

const statuses: readonly unknown[] = Object.values(recordStatus);

/** Clients give a bigint as text, number or bigint. */
export function parseRecordRow(row: Row): RecordRow {
  const status = Number(row["status"]);
  if (!statuses.includes(status))
    throw new InvariantError(
      `Expected an execution record to have a status of makegood's, found ${describeValue(row["status"])}`,
    );
  return {
    status: status as RecordStatus,
    attempts: Number(row["attempts"]),
    fence: Number(row["fence"]),
    owner: parseText(row["owner"]) ?? "",
    heldForMs: row["held_for_ms"] === null ? null : Number(row["held_for_ms"]),
    fingerprint: parseText(row["fingerprint"]),
    result: parseBytes(row["result"]),
    error: parseBytes(row["error"]),
  };
}

/** MySQL's binary columns come as bytes. */
export function parseText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}

/** A plain Uint8Array over the same bytes, whatever kind of buffer the client hands out. */
function parseBytes(value: unknown): Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new InvariantError(
    `Expected the client to return binary columns as Uint8Array, found ${describeValue(value)}; is a type parser set for them?`,
  );
}
